import BusCore
import BusTestKit
import BusWire
import NIOCore
import Testing

/// What the properties of requests and answers do (protocol §4, §5).
@Suite("Properties of calls")
struct CallPropertyTests {
    let people = CallClients()

    @Test("Unknown properties pass in their order; the deadline is rewritten at delivery")
    func passing() throws {
        let instance = self.people.instance()
        let caller = self.people.caller()
        self.people.call(
            caller,
            [("a", "1"), ("fc-ttl-ms", "1500"), ("traceparent", "00-ab-cd-01"), ("fc-mine", "x"), ("a", "2")],
            properties: [.contentType("text/plain")])
        let request = try #require(instance.takePublishes().first)
        let users = request.properties.userProperties.map { "\($0.name)=\($0.value)" }
        #expect(
            users == ["a=1", "traceparent=00-ab-cd-01", "fc-mine=x", "a=2", "fc-ttl-ms=1500", "fc-caller-id=c"])
        #expect(request.properties.contentType == "text/plain")
        #expect(request.properties.messageExpiryInterval == 2)
    }

    @Test("A call that has waited is told what time is left, in milliseconds")
    func remaining() throws {
        let instance = self.people.instance(properties: [.receiveMaximum(1)])
        let caller = self.people.caller()
        for id in ["1", "2"] { self.people.call(caller, id: id, [("fc-ttl-ms", "5000")]) }
        let first = try #require(instance.takePublishes().first)
        self.people.network.advance(milliseconds: 1234)
        self.people.answer(instance, first)
        let second = try #require(instance.takePublishes().first)
        #expect(second.user("fc-ttl-ms") == "3766")
        #expect(second.properties.messageExpiryInterval == 4)
        #expect(second.properties.userProperties.count { $0.name == "fc-ttl-ms" } == 1)
        #expect(second.properties.userProperties.count { $0.name == "fc-caller-id" } == 1)
    }

    @Test("The caller's user is told, and no copy that observers get says what the client made up")
    func callerIsTold() throws {
        let network = TestNetwork()
        network.broker.authenticates = true
        let people = CallClients(network)
        func client(_ name: String, _ filter: String) -> ScriptedClient {
            let client = ScriptedClient(network)
            client.logIn(name, as: "user of \(name)")
            client.subscribe(filter, qos: .atLeastOnce)
            return client
        }
        let instance = client("i", "$share/fc/fc/demo/echo/req/#")
        let observer = client("o", "fc/+/+/req")
        let caller = client("c", "fc/_reply/c/#")
        people.call(caller, [("fc-caller", "root"), ("fc-attempt", "9"), ("mine", "kept")])
        let request = try #require(instance.takePublishes().first)
        #expect(request.user("fc-caller") == "user of c")
        #expect(request.user("fc-caller-id") == "c")
        #expect(request.user("fc-attempt") == nil)
        let copy = try #require(observer.takePublishes().first)
        #expect(copy.user("fc-caller") == nil)
        #expect(copy.user("mine") == "kept")
    }

    @Test("Interim replies reach a caller that accepts them, and are dropped and counted for others (§4)")
    func interim() throws {
        let instance = self.people.instance()
        let caller = self.people.caller()
        self.people.call(caller, id: "1", [("fc-progress", "1")])
        self.people.call(caller, id: "2")
        for request in instance.takePublishes() {
            for step in ["1", "2"] {
                self.people.answer(instance, request, "step \(step)", [("fc-more", "1"), ("fc-seq", step)])
            }
            self.people.answer(instance, request, "done")
            self.people.answer(instance, request, "more", [("fc-more", "1")])
        }
        let replies = caller.takePublishes()
        #expect(replies.map(\.text) == ["step 1", "step 2", "done", "done"])
        #expect(replies[1].user("fc-more") == "1")
        #expect(replies[1].user("fc-seq") == "2")
        #expect(self.people.network.broker.statistics.interimDropped == 2)
    }

    @Test("fc-trace: 1 adds the times in the queue and at the instance to the final reply; nobody else says them")
    func trace() throws {
        let instance = self.people.instance(properties: [.receiveMaximum(1)])
        let caller = self.people.caller()
        for id in ["1", "2", "3"] { self.people.call(caller, id: id, id == "3" ? [] : [("fc-trace", "1")]) }
        for _ in 0..<3 {
            self.people.network.advance(milliseconds: 20)
            let request = try #require(instance.takePublishes().first)
            self.people.answer(instance, request, "done", [("fc-queue-us", "forged"), ("fc-instance", "kept")])
        }
        let replies = caller.takePublishes()
        #expect(replies.map { $0.user("fc-queue-us") } == ["0", "20000", nil])
        #expect(replies.map { $0.user("fc-service-us") } == ["20000", "20000", nil])
        #expect(replies.map { $0.user("fc-instance") } == ["kept", "kept", "kept"])
    }

    @Test("Cancelled with fc-cancel: wait, the instance's own answer ends the call (§3)")
    func cancelWaits() throws {
        let instance = self.people.instance()
        instance.subscribe("fc/demo/echo/cancel/#")
        let caller = self.people.caller()
        self.people.call(caller)
        let request = try #require(instance.takePublishes().first)
        caller.publish(
            "fc/demo/echo/cancel", "",
            properties: [
                .responseTopic("fc/_reply/c"), .correlationData(ByteBuffer(string: "1")),
                .userProperty(name: "fc-cancel", value: "wait"),
            ])
        #expect(instance.takePublishes().count == 1)
        #expect(caller.takePublishes().isEmpty)
        self.people.answer(instance, request, "stopped", [("__stat", "499")])
        #expect(caller.takeStatuses() == ["499"])
    }

    @Test("A call without correlation data is cancelled where only one can be meant")
    func cancelUnnamed() throws {
        _ = self.people.instance()
        let caller = self.people.caller()
        for calls in 1...2 {
            for _ in 0..<calls { self.people.call(caller, id: nil) }
            caller.publish("fc/demo/echo/cancel", "", properties: [.responseTopic("fc/_reply/c")])
            #expect(caller.takeStatuses() == (calls == 1 ? ["499"] : []))
        }
    }

    @Test("A client that is instance and caller at once and leaves is not asked again by its own call")
    func ownCall() {
        let both = self.people.caller()
        both.subscribe("$share/fc/fc/demo/echo/req/#", qos: .atLeastOnce)
        self.people.call(both, [("fc-idempotent", "1")])
        #expect(both.takePublishes().count == 1)
        let other = self.people.instance("other")
        both.drop()
        #expect(other.takePublishes().isEmpty)
        #expect(self.people.network.broker.openCallCount == 0)
    }

    @Test("CONNACK tells that calls are known here, what else, and where answers are when asked (§8)")
    func connAck() throws {
        let client = ScriptedClient(self.people.network)
        let connAck = try #require(client.connect("a/b", properties: [.requestResponseInformation(1)]))
        #expect(connAck.properties.firstUserProperty(named: "fc") == "1")
        let capabilities = try #require(connAck.properties.firstUserProperty(named: "fc-caps"))
        #expect(capabilities.split(separator: ",").contains("progress"))
        #expect(connAck.properties.responseInformation == "fc/_reply/a%2Fb")
    }
}
