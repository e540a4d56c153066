import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

/// Function calls through a whole broker, with clients that say every packet themselves.
@Suite("Calls")
struct CallTests {
    let network = TestNetwork()

    func client(_ name: String, version: ProtocolVersion = .v5, properties: Properties = []) -> ScriptedClient {
        let client = ScriptedClient(self.network, version: version)
        client.connect(name, properties: version == .v5 ? properties : [])
        return client
    }

    func caller(_ name: String = "c", properties: Properties = []) -> ScriptedClient {
        let client = self.client(name, properties: properties)
        client.subscribe("fc/_reply/\(name)/#", qos: .atLeastOnce)
        return client
    }

    func instance(_ name: String = "i", function: String = "demo/echo", properties: Properties = []) -> ScriptedClient {
        let client = self.client(name, properties: properties)
        client.subscribe("$share/fc/fc/\(function)/req/#", qos: .atLeastOnce)
        return client
    }

    /// Calls and takes the acknowledgement's code.
    @discardableResult
    func call(
        _ caller: ScriptedClient, _ name: String = "c", function: String = "demo/echo", id: String = "1",
        payload: String = "hi", qos: QoS = .atLeastOnce, properties: Properties = []
    ) -> ReasonCode? {
        var all: Properties = [.responseTopic("fc/_reply/\(name)"), .correlationData(ByteBuffer(string: id))]
        for property in properties { all.append(property) }
        caller.publish("fc/\(function)/req", payload, qos: qos, properties: all)
        for packet in caller.received {
            if case .pubAck(let acknowledgement) = packet { return acknowledgement.reasonCode }
        }
        return nil
    }

    func answer(_ instance: ScriptedClient, _ request: Publish, _ text: String, properties: Properties = []) {
        var all: Properties = []
        if let correlation = request.properties.correlationData { all.append(.correlationData(correlation)) }
        for property in properties { all.append(property) }
        instance.publish(request.properties.responseTopic ?? "", text, qos: .atLeastOnce, properties: all)
    }

    func status(_ reply: Publish?) -> String? { reply?.properties.firstUserProperty(named: "__stat") }

    @Test("A call reaches the instance and its answer the caller, with its correlation data")
    func answered() throws {
        let caller = self.caller()
        let instance = self.instance()
        #expect(self.call(caller, id: "42", payload: "ping") == .success)
        let request = try #require(instance.takePublishes().first)
        #expect(request.topic == "fc/demo/echo/req")
        #expect(request.text == "ping")
        #expect(request.properties.firstUserProperty(named: "fc-caller-id") == "c")
        #expect(request.properties.messageExpiryInterval == 10)
        self.answer(instance, request, "pong")
        let reply = try #require(caller.takePublishes().first)
        #expect(reply.text == "pong")
        #expect(reply.properties.correlationData == ByteBuffer(string: "42"))
    }

    @Test("No such function is 404 at once, whoever observes", arguments: [QoS.atMostOnce, .atLeastOnce, .exactlyOnce])
    func noFunction(_ qos: QoS) throws {
        let observer = self.client("o")
        observer.subscribe("fc/#")
        let caller = self.caller()
        self.call(caller, qos: qos)
        let reply = try #require(caller.takePublishes().first)
        #expect(self.status(reply) == "404")
        #expect(reply.properties.firstUserProperty(named: "fc-exec") == "none")
        #expect(reply.text.contains("\"code\":\"NO_FUNCTION\""))
        #expect(observer.takePublishes().map(\.topic) == ["fc/demo/echo/req"])
    }

    @Test("A known function without instance is 503 at once, acknowledged with 0x10")
    func noInstance() throws {
        let instance = self.instance()
        instance.drop()
        let caller = self.caller()
        #expect(self.call(caller) == .noMatchingSubscribers)
        #expect(self.status(caller.takePublishes().first) == "503")
    }

    @Test("The 3.1.1 topic form is answered on its own topic, failures below it")
    func topicForm() throws {
        let caller = self.client("me1", version: .v3_1_1)
        caller.subscribe("fc/_reply/me1/#", qos: .atLeastOnce)
        caller.publish("fc/demo/echo/req/me1/42", "hi", qos: .atLeastOnce)
        let failure = try #require(caller.takePublishes().first)
        #expect(failure.topic == "fc/_reply/me1/42/err/404")
        let instance = self.instance()
        caller.publish("fc/demo/echo/req/me1/43", "hi", qos: .atLeastOnce)
        let request = try #require(instance.takePublishes().first)
        #expect(request.topic == "fc/demo/echo/req/me1/43")
        instance.publish("fc/_reply/me1/43", "ho", qos: .atLeastOnce)
        let reply = try #require(caller.takePublishes().first)
        #expect(reply.topic == "fc/_reply/me1/43")
        #expect(reply.text == "ho")
    }

    @Test("The deadline ends a call with 408, a late answer is dropped")
    func deadline() throws {
        let caller = self.caller()
        let instance = self.instance()
        self.call(caller, properties: [.userProperty(name: "fc-ttl-ms", value: "300")])
        let request = try #require(instance.takePublishes().first)
        self.network.advance(milliseconds: 299)
        #expect(caller.takePublishes().isEmpty)
        self.network.advance(milliseconds: 20)
        let reply = try #require(caller.takePublishes().first)
        #expect(self.status(reply) == "408")
        #expect(reply.properties.firstUserProperty(named: "fc-exec") == "maybe")
        self.answer(instance, request, "too late")
        #expect(caller.takePublishes().isEmpty)
    }

    @Test("The instance dies: 502, or another one if the call may run twice (R19)", arguments: [false, true])
    func instanceLost(_ isIdempotent: Bool) throws {
        let caller = self.caller()
        let first = self.instance("i1")
        self.call(caller, properties: isIdempotent ? [.userProperty(name: "fc-idempotent", value: "1")] : [])
        #expect(first.takePublishes().count == 1)
        let second = self.instance("i2")
        first.drop()
        if isIdempotent {
            let request = try #require(second.takePublishes().first)
            #expect(request.properties.firstUserProperty(named: "fc-attempt") == "2")
            self.answer(second, request, "done")
            #expect(caller.takePublishes().map(\.text) == ["done"])
        } else {
            #expect(second.takePublishes().isEmpty)
            #expect(self.status(caller.takePublishes().first) == "502")
        }
    }

    @Test("The same request again runs once and is answered from memory; another payload is 409")
    func duplicates() throws {
        let caller = self.caller()
        let instance = self.instance()
        for _ in 0..<50 { self.call(caller) }
        let requests = instance.takePublishes()
        #expect(requests.count == 1)
        self.answer(instance, try #require(requests.first), "once")
        #expect(caller.takePublishes().map(\.text) == ["once"])
        self.call(caller)
        let replay = try #require(caller.takePublishes().first)
        #expect(replay.text == "once")
        #expect(replay.properties.firstUserProperty(named: "fc-replay") == "1")
        self.call(caller, payload: "other")
        #expect(self.status(caller.takePublishes().first) == "409")
        #expect(instance.takePublishes().isEmpty)
    }

    @Test("Calls go to the instance with the least work, and never beyond its window")
    func leastLoaded() {
        let caller = self.caller()
        let small = self.instance("small", properties: [.receiveMaximum(1)])
        let large = self.instance("large", properties: [.receiveMaximum(10)])
        for number in 0..<8 { self.call(caller, id: "\(number)") }
        #expect(small.takePublishes().count == 1)
        #expect(large.takePublishes().count == 7)
    }

    @Test("A call beyond capacity waits at the function and goes to whoever is free first")
    func queued() throws {
        let caller = self.caller()
        let busy = self.instance("busy", properties: [.receiveMaximum(1)])
        self.call(caller, id: "1")
        self.call(caller, id: "2")
        let request = try #require(busy.takePublishes().first)
        let fresh = self.instance("fresh", properties: [.receiveMaximum(1)])
        #expect(fresh.takePublishes().count == 1)
        self.answer(busy, request, "1")
        #expect(busy.takePublishes().isEmpty)
    }

    @Test("A full queue is 429 with a time to wait")
    func overload() throws {
        let caller = self.caller()
        _ = self.instance(properties: [.receiveMaximum(1)])
        for number in 0..<65 { self.call(caller, id: "\(number)") }
        #expect(caller.takePublishes().isEmpty)
        self.call(caller, id: "one too many")
        let reply = try #require(caller.takePublishes().first)
        #expect(self.status(reply) == "429")
        #expect(reply.properties.firstUserProperty(named: "fc-retry-after-ms") != nil)
    }

    @Test("An offline member with a session never gets a call")
    func offlineMember() {
        let away = self.instance("away", properties: [.sessionExpiryInterval(1000)])
        away.drop()
        let caller = self.caller()
        let here = self.instance("here")
        for number in 0..<10 { self.call(caller, id: "\(number)") }
        #expect(here.takePublishes().count == 10)
        let back = ScriptedClient(self.network)
        back.connect("away", cleanStart: false)
        #expect(back.takePublishes().isEmpty)
        self.call(caller, id: "next")
        #expect(back.takePublishes().count == 1)
    }

    @Test("Cancelling tells the instance and ends the call with 499")
    func cancelled() throws {
        let caller = self.caller()
        let instance = self.instance()
        instance.subscribe("fc/demo/echo/cancel/#")
        self.call(caller)
        #expect(instance.takePublishes().count == 1)
        caller.publish(
            "fc/demo/echo/cancel", "",
            properties: [.responseTopic("fc/_reply/c"), .correlationData(ByteBuffer(string: "1"))])
        #expect(instance.takePublishes().map(\.topic) == ["fc/demo/echo/cancel"])
        #expect(self.status(caller.takePublishes().first) == "499")
    }

    @Test("An instance that refuses unread is passed over; the caller hears it when all refuse")
    func refusedByInstance() throws {
        let caller = self.caller()
        let first = self.instance("i1")
        let second = self.instance("i2")
        self.call(caller)
        let refusal: Properties = [
            .userProperty(name: "__stat", value: "429"), .userProperty(name: "fc-exec", value: "none"),
        ]
        var asked = 0
        for _ in 0..<2 {
            for instance in [first, second] {
                for request in instance.takePublishes() {
                    asked += 1
                    self.answer(instance, request, "busy", properties: refusal)
                }
            }
        }
        #expect(asked == 2)
        #expect(self.status(caller.takePublishes().first) == "429")
    }

    @Test("A call waits for an instance as long as it says")
    func waitsForInstance() throws {
        self.instance().drop()
        let caller = self.caller()
        self.call(caller, id: "short", properties: [.userProperty(name: "fc-wait-ms", value: "100")])
        self.call(caller, id: "long", properties: [.userProperty(name: "fc-wait-ms", value: "5000")])
        self.network.advance(milliseconds: 200)
        #expect(caller.takePublishes().compactMap(self.status) == ["503"])
        let instance = self.instance("late")
        #expect(instance.takePublishes().count == 1)
    }
}
