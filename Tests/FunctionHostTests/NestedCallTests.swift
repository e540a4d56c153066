import Testing

@testable import FunctionHost

@Suite("Calls and messages of functions", .timeLimit(.minutes(5)))
struct NestedCallTests {
    /// Runs a handler body that can use `client`, `iot`, `call(**params)` and returns a text.
    private func run(_ body: String, _ manifest: String = "", bus: FakeBus, expect expected: String) async throws {
        let folder = try FunctionFolder()
        let lines = body.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n")
        try folder.python(
            "main",
            """
            import json, lecoresdk
            client = lecoresdk.Client()
            iot = lecoresdk.IoTData()
            def call(**more):
                return client.invoke_function({"serviceName": "T", "functionName": "other", **more})
            def handler(event, context):
            \(lines)
            """, manifest)
        try await TestHost.with(folder, bus: bus) { host in
            try await host.expect("T/main", answers: expected)
        }
    }

    @Test("A result is a dict; its payload is text where it is UTF-8, else bytes")
    func results() async throws {
        let bus = FakeBus()
        try bus.answer("T/other") { call in HostedReply(payload: call.payload) }
        try await self.run(
            """
            assert call(payload="grüße") == {"statusCode": 200, "functionError": "", "payload": "grüße"}
            assert call(payload=b"\\xff") == {"statusCode": 200, "functionError": "", "payload": b"\\xff"}
            assert call()["payload"] == ""
            return "fine"
            """, bus: bus, expect: "fine")
    }

    @Test("A failure of the called function is a result too: Handled with its message")
    func handledFailure() async throws {
        let bus = FakeBus()
        try bus.answer("T/other") { _ throws(CallFailure) in
            throw .handlerError("no fuel", errorType: "FuelError", stackTrace: ["line 1"])
        }
        try await self.run(
            """
            result = call()
            assert result["statusCode"] == 500 and result["functionError"] == "Handled"
            body = json.loads(result["payload"])
            assert body["StackTrace"] == ["line 1"] and body["executed"] == "yes"
            return body["Message"]
            """, bus: bus, expect: "no fuel")
    }

    @Test("A failure of the platform is a result too: Unhandled with its code, never None")
    func unhandledFailure() async throws {
        try await self.run(
            """
            result = call()
            assert result["functionError"] == "Unhandled"
            return "%d %s" % (result["statusCode"], json.loads(result["payload"])["code"])
            """, bus: FakeBus(), expect: "404 NO_FUNCTION")
    }

    @Test("A nested call gets no more time than its caller has left")
    func deadline() async throws {
        let bus = FakeBus()
        try bus.answer("T/other") { call in
            HostedReply(payload: Array("\((call.timeout ?? .zero) <= .seconds(5))".utf8))
        }
        try await self.run("return call(timeout=60)['payload']", bus: bus, expect: "true")
    }

    @Test("An async call is handed over; the result is a dict that also equals success")
    func asynchronous() async throws {
        let bus = FakeBus()
        try await self.run(
            """
            result = call(invocationType="Async", payload="later")
            assert isinstance(result, dict) and result == "success" and result != "fail"
            assert result["statusCode"] == 202 and result["functionError"] == ""
            return result["payload"]
            """, bus: bus, expect: "task-1")
        #expect(bus.calls.isEmpty)
        #expect(bus.sent.map(\.payload) == [Array("later".utf8)])
    }

    @Test("A bad parameter raises InvalidParameter and sends nothing")
    func badParameters() async throws {
        let bus = FakeBus()
        try await self.run(
            """
            bad = [
                {"payload": {"a": 1}}, {"invocationType": "DryRun"}, {"serviceName": ""}, {"functionName": None},
                {"functionId": "nonsense"}, {"timeout": 0}, {"timeout": "5"}, {"invokerContext": object()},
                {"invokerContext": {"x": "y" * 20000}},
            ]
            for more in bad:
                try:
                    call(**more)
                    return "accepted %r" % more
                except lecoresdk.InvalidParameter as error:
                    assert isinstance(error, ValueError) and str(error)
            return "refused"
            """, bus: bus, expect: "refused")
        #expect(bus.calls.isEmpty)
    }

    @Test("publish takes text and bytes and returns 0")
    func publish() async throws {
        let bus = FakeBus()
        try await self.run(
            """
            codes = [
                iot.publish({"topic": "/a/b", "payload": "ü"}),
                iot.publish({"topic": "a", "payload": b"\\xff", "qos": 1, "retain": True}),
            ]
            return str(codes)
            """, bus: bus, expect: "[0, 0]")
        var first = OutgoingMessage(topic: "/a/b", payload: Array("ü".utf8))
        var second = OutgoingMessage(topic: "a", payload: [0xFF], qos: 1, retain: true)
        // A message of a function counts as one step from its cause.
        (first.hops, second.hops) = (1, 1)
        #expect(bus.published == [first, second])
    }

    @Test("A message that cannot be is refused before it is sent")
    func badMessages() async throws {
        let bus = FakeBus()
        try await self.run(
            """
            for more in ({"topic": "a/#"}, {"topic": ""}, {"topic": "a", "payload": 5}, {"topic": "a", "qos": 3}):
                try:
                    iot.publish(more)
                    return "accepted %r" % more
                except lecoresdk.InvalidParameter:
                    pass
            return "refused"
            """, bus: bus, expect: "refused")
        #expect(bus.published.isEmpty)
    }

    @Test("Requests about things are calls of the function that answers for them")
    func things() async throws {
        let bus = FakeBus()
        try bus.answer("things/thing") { call throws(CallFailure) in
            if call.context?.contains("/services/fail") == true {
                throw .handlerError("no such thing", errorType: nil, stackTrace: [])
            }
            return HostedReply(payload: Array((call.context ?? "").utf8))
        }
        try await self.run(
            """
            thing = {"productKey": "p", "deviceName": "d"}
            answers = [
                iot.getThingProperties({**thing, "payload": ["t"]}),
                iot.set_thing_properties({**thing, "payload": {"t": 1}}),
                iot.callThingService({**thing, "service": "reset", "payload": {}}),
                iot.getThingsWithTags({"payload": [{"room": "kitchen"}]}),
            ]
            failed = iot.call_thing_service({**thing, "service": "fail"})
            assert failed == {"errorType": 500, "errorMessage": "no such thing"}, failed
            return " ".join(answer["custom"]["topic"] for answer in answers)
            """, bus: bus,
            expect: "/sys/things/p/d/services/get /sys/things/p/d/services/set /sys/things/p/d/services/reset "
                + "/sys/things/tags/services/find")
    }

    @Test("A function may call itself through the bus while a worker is free")
    func recursion() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "count",
            """
            import lecoresdk
            def handler(event, context):
                number = int(event)
                if number == 0:
                    return "0"
                answer = lecoresdk.Client().invoke_function({"functionId": "T/count", "payload": str(number - 1)})
                return answer["payload"] + " " + str(number)
            """)
        try await TestHost.with(folder) { host in
            try await host.expect("T/count", "3", answers: "0 1 2 3")
        }
    }

    @Test("A switch gives results as base64 text, as some versions of the original SDK did")
    func base64() async throws {
        let bus = FakeBus()
        try bus.answer("T/other") { call in HostedReply(payload: call.payload) }
        try bus.answer("things/thing") { _ in HostedReply(payload: Array(#"{"t":21}"#.utf8)) }
        try await self.run(
            """
            assert iot.getThingProperties({"productKey": "p", "deviceName": "d", "payload": ["t"]}) == {"t": 21}
            return call(payload="hi")["payload"] + " " + call(payload=b"\\xff")["payload"]
            """, "environment: { LECORESDK_PAYLOAD: base64 }", bus: bus, expect: "aGk= /w==")
    }

    @Test("A result can be turned into an exception; a success without a result is a 200")
    func raising() async throws {
        let bus = FakeBus()
        try bus.answer("T/other") { call throws(CallFailure) in
            if call.payload.isEmpty { return HostedReply(status: 204) }
            throw .handlerError("no fuel", errorType: nil, stackTrace: [])
        }
        try await self.run(
            """
            assert call().raise_for_error() == {"statusCode": 200, "functionError": "", "payload": ""}
            try:
                call(payload="x").raise_for_error()
            except lecoresdk.InvokeError as error:
                return "%d %s" % (error.result["statusCode"], "no fuel" in str(error))
            """, bus: bus, expect: "500 True")
    }

    @Test("A property is found in the event of a thing, in both forms that are about")
    func propertyByEvent() async throws {
        try await self.run(
            """
            properties = {"t": {"value": 21, "time": 1}}
            events = [{"topic": "x", "payload": properties}, {"topic": "x", "payload": json.dumps(properties)}]
            forms = events + [json.dumps(event) for event in events] + [json.dumps(events[1]).encode()]
            assert [iot.getThingPropertyByEvent(form, "t") for form in forms] == [21] * 5
            assert iot.get_thing_property_by_event(events[0], "u") is None
            assert iot.getThingPropertyByEvent(b"nonsense", "t") is None
            return "found"
            """, bus: FakeBus(), expect: "found")
    }

    @Test("Credentials come from the function's environment, or are said to be missing")
    func credentials() async throws {
        let body = """
            try:
                return lecoresdk.CredentialProviderChain().get_credential()["accessKeyId"]
            except lecoresdk.CredentialsMissing as error:
                return str(error)
            """
        try await self.run(
            body, bus: FakeBus(), expect: "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET")
        let variables = "environment: { ALIBABA_CLOUD_ACCESS_KEY_ID: me, ALIBABA_CLOUD_ACCESS_KEY_SECRET: secret }"
        try await self.run(body, variables, bus: FakeBus(), expect: "me")
    }
}
