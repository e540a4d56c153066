import Foundation
import FunctionBus
import Synchronization
import Testing

/// What instances promise: duplicates, draining, refusals, what nested calls inherit.
@Suite("FunctionBus serving", .enabled(if: RunningBroker.isAvailable), .timeLimit(.minutes(3)))
struct FunctionBusServingTests {
    private func failure(_ body: () async throws(BusError) -> Reply) async -> BusError? {
        do throws(BusError) {
            let reply = try await body()
            Issue.record("answered: \(reply)")
            return nil
        } catch {
            return error
        }
    }

    @Test("What a handler calls inherits deadline, trace and nesting of its own call", arguments: BrokerKind.allCases)
    func inheritance(_ kind: BrokerKind) async throws {
        let inner = try FunctionName("demo/inner")
        let outer = try FunctionName("demo/outer")
        let shared = Mutex<FunctionBus?>(nil)
        let functions = [
            FunctionHandler(inner) { request in
                Response(
                    Payload(
                        "\(request.hops) \(request.trace?.parent ?? "") \(request.trace?.state ?? "") "
                            + "\(request.remaining < .seconds(6))"))
            },
            FunctionHandler(outer) { request in
                guard let bus = shared.withLock({ $0 }) else { throw FunctionFailure("no bus") }
                // In a child task too.
                async let reply = bus.call(inner, options: CallOptions(timeout: .seconds(30)))
                return Response(Payload("\(request.hops) > \(try await reply.text ?? "")"))
            },
        ]
        try await kind.withServer(functions) { bus, _ in
            shared.withLock { $0 = bus }
            var options = CallOptions(timeout: .seconds(5))
            options.trace = CallTrace(parent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", state: "v=1")
            let text = try await bus.call(outer, options: options).text
            #expect(text == "0 > 1 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 v=1 true")
            shared.withLock { $0 = nil }
        }
    }

    @Test("Functions that call each other in a circle are stopped with 508", arguments: BrokerKind.allCases)
    func circle(_ kind: BrokerKind) async throws {
        let name = try FunctionName("demo/circle")
        let shared = Mutex<FunctionBus?>(nil)
        let deepest = Mutex(0)
        var options = ServeOptions()
        options.concurrency = 32
        let function = FunctionHandler(name, options: options) { request in
            deepest.withLock { $0 = max($0, request.hops) }
            guard let bus = shared.withLock({ $0 }) else { throw FunctionFailure("no bus") }
            do {
                return Response(try await bus.call(name).payload)
            } catch let error as BusError {
                return Response(Payload("\(error.status)"))
            }
        }
        try await kind.withServer([function]) { bus, _ in
            shared.withLock { $0 = bus }
            let text = try await bus.call(name).text
            #expect(text == "508")
            #expect(deepest.withLock { $0 } == 16)
            shared.withLock { $0 = nil }
        }
    }

    @Test(
        "An instance that drains loses no call: what runs is finished, the rest goes elsewhere (D11)",
        arguments: BrokerKind.allCases)
    func draining(_ kind: BrokerKind) async throws {
        try await kind.withBroker { broker in
            let url = "mqtt://127.0.0.1:\(broker.port)"
            let name = try FunctionName("demo/work")
            let handler: FunctionHandler.Handler = { request in
                try await Task.sleep(for: .milliseconds(5))
                return Response(request.payload)
            }
            let (ready, signal) = AsyncStream.makeStream(of: Void.self)
            let instances = try (0..<2).map { _ in
                let configuration = try BusConfiguration(broker: url)
                return Task {
                    try await FunctionBus.withConnection(configuration) { bus in
                        try await bus.serve(name, onReady: { signal.yield() }, handler: handler)
                    }
                }
            }
            var count = 0
            for await _ in ready {
                count += 1
                if count == 2 { break }
            }
            let failures = try await FunctionBus.withConnection(BusConfiguration(broker: url)) { bus in
                try await withThrowingTaskGroup(of: [String].self) { group in
                    for caller in 0..<8 {
                        group.addTask { await Self.failures(of: 60, of: name, on: bus, caller) }
                    }
                    try await Task.sleep(for: .milliseconds(100))
                    instances[0].cancel()
                    return try await group.reduce(into: []) { $0 += $1 }
                }
            }
            #expect(failures == [])
            // It ends although calls go on elsewhere.
            _ = try await instances[0].value
            instances[1].cancel()
            _ = try await instances[1].value
        }
    }

    /// Calls one after the other; returns what went wrong.
    private static func failures(
        of count: Int, of name: FunctionName, on bus: FunctionBus, _ caller: Int
    ) async -> [String] {
        var failures: [String] = []
        for number in 0..<count {
            do throws(BusError) {
                _ = try await bus.call(name, "\(caller)-\(number)")
            } catch {
                failures.append(error.description)
            }
        }
        return failures
    }

    /// A request as a stock client makes it, and the first answer to it; with its properties.
    private func request(
        _ broker: RunningBroker, _ topic: String, _ properties: [String], payload: String = "hi"
    ) async throws -> String {
        let client = "stock-\(UInt32.random(in: 0 ... .max))"
        let arguments = properties.flatMap { ["-D", "publish"] + $0.split(separator: "|").map(String.init) }
        let result = try await run(
            "mosquitto_rr",
            [
                "-p", "\(broker.port)", "-V", "5", "-i", client, "-q", "1", "-t", topic, "-e", "fc/_reply/\(client)",
                "-m", payload, "-W", "5", "-F", "%P %p",
            ] + arguments)
        return result.lines.joined(separator: "\n") + result.errors
    }

    @Test(
        "What an instance does not take is refused before its handler sees it",
        arguments: [
            ("user-property|__protVer|2.0", "505"), ("user-property|fc-hops|17", "508"),
            ("content-type|text/plain", "415"), ("user-property|x|y", "200"), ("content-type|image/png", "200"),
        ])
    func refusals(_ property: String, _ status: String) async throws {
        var options = ServeOptions()
        options.contentTypes = ["application/json", "image/*"]
        options.requestBytesMax = 10
        let function = FunctionHandler(try FunctionName("demo/strict"), options: options) { _ in "seen" }
        try await BrokerKind.mosquitto.withServer([function]) { _, broker in
            let answer = try await self.request(broker, "fc/demo/strict/req", [property])
            #expect(answer.contains("__stat:\(status)"), "\(answer)")
            #expect(answer.contains("seen") == (status == "200"))
            let large = try await self.request(broker, "fc/demo/strict/req", [], payload: "more than ten bytes")
            #expect(large.contains("fc-code:REQUEST_TOO_LARGE"), "\(large)")
        }
    }

    @Test(
        "An answer that is larger than its limit becomes a 413 that says that the function ran",
        arguments: BrokerKind.allCases)
    func largeAnswer(_ kind: BrokerKind) async throws {
        var options = ServeOptions()
        options.replyBytesMax = 100
        let function = FunctionHandler(try FunctionName("demo/large"), options: options) { _ in
            Response(Payload(Array(repeating: 0, count: 101)))
        }
        try await kind.withServer([function]) { bus, _ in
            let name = try FunctionName("demo/large")
            let error = await self.failure { () async throws(BusError) in try await bus.call(name) }
            #expect(error?.status == 413)
            #expect(error?.executed == .yes)
        }
    }

    @Test("The same request again is answered from the cache, and with another payload refused (409)")
    func duplicates() async throws {
        let calls = Mutex(0)
        let function = FunctionHandler(try FunctionName("demo/once")) { _ in
            let number = calls.withLock { calls in
                calls += 1
                return calls
            }
            return Response(Payload("run \(number)"))
        }
        try await BrokerKind.mosquitto.withServer([function]) { bus, broker in
            let publish = { (payload: String) in
                let result = try await run(
                    "mosquitto_pub",
                    [
                        "-p", "\(broker.port)", "-V", "5", "-q", "1", "-t", "fc/demo/once/req", "-m", payload, "-D",
                        "publish", "response-topic", "fc/_reply/twice", "-D", "publish", "correlation-data", "c1",
                    ])
                try #require(result.code == 0, "\(result.errors)")
            }
            try await bus.subscribe(["fc/_reply/twice"]) { answers in
                var iterator = answers.makeAsyncIterator()
                try await publish("a")
                #expect(await iterator.next()?.payload == "run 1")
                try await publish("a")
                let again = await iterator.next()
                #expect(again?.payload == "run 1")
                #expect(again?.userProperties.contains { $0.name == "fc-replay" && $0.value == "1" } == true)
                try await publish("b")
                let other = await iterator.next()
                #expect(other?.userProperties.contains { $0.name == "__stat" && $0.value == "409" } == true)
            }
        }
        #expect(calls.withLock { $0 } == 1)
    }

    @Test("Operators reach an instance: ping, info, stats; drain ends what it serves")
    func control() async throws {
        try await BrokerKind.mosquitto.withBroker { broker in
            let (ready, signal) = AsyncStream.makeStream(of: Void.self)
            let configuration = try BusConfiguration(broker: "mqtt://127.0.0.1:\(broker.port)")
            let serving = Task {
                try await FunctionBus.withConnection(configuration) { bus in
                    try await bus.serve(FunctionName("demo/echo"), onReady: { signal.yield() }) { Response($0.payload) }
                }
            }
            _ = await ready.first { _ in true }
            let instance = configuration.clientIdentifier
            let ping = try await self.request(broker, "fc/_ctl/ping", [])
            #expect(ping.contains("\"instance\":\"\(instance)\""), "\(ping)")
            #expect(try await self.request(broker, "fc/_ctl/info/demo", []).contains("\"demo/echo\""))
            let stats = try await self.request(broker, "fc/_ctl/stats/demo/\(instance)", [])
            #expect(stats.contains("\"demo/echo\":{\"running\":0"), "\(stats)")
            let drain = try await self.request(broker, "fc/_ctl/drain/demo", [])
            #expect(drain.contains("\"draining\":[\"demo/echo\"]"), "\(drain)")
            try await serving.value
        }
    }
}
