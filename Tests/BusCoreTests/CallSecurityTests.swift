import BusCore
import BusTestKit
import BusWire
import NIOCore
import Testing

/// Who may ask, who may answer, and who may read the answers (S08).
@Suite("Calls and strangers")
struct CallSecurityTests {
    let network = TestNetwork()

    func client(_ name: String, _ filters: String...) -> ScriptedClient {
        let client = ScriptedClient(self.network)
        client.connect(name)
        for filter in filters { client.subscribe(filter, qos: .atLeastOnce) }
        return client
    }

    func code(_ client: ScriptedClient) -> ReasonCode? {
        for packet in client.takeAll() {
            if case .pubAck(let acknowledgement) = packet { return acknowledgement.reasonCode }
        }
        return nil
    }

    func request(_ replyTopic: String, _ id: String = "1") -> Properties {
        [.responseTopic(replyTopic), .correlationData(ByteBuffer(string: id))]
    }

    @Test("A request without reply address is not executed: 0x83")
    func noReplyAddress() {
        let instance = self.client("i", "$share/fc/fc/demo/echo/req/#")
        let caller = self.client("c")
        caller.publish("fc/demo/echo/req", "hi", qos: .atLeastOnce)
        #expect(self.code(caller) == .implementationSpecificError)
        #expect(instance.takePublishes().isEmpty)
    }

    @Test("A client that was not asked cannot answer")
    func forgedReply() {
        let instance = self.client("i", "$share/fc/fc/demo/echo/req/#")
        let caller = self.client("c", "fc/_reply/c/#")
        let attacker = self.client("x")
        caller.publish("fc/demo/echo/req", "hi", qos: .atLeastOnce, properties: self.request("fc/_reply/c"))
        #expect(instance.takePublishes().count == 1)
        attacker.publish(
            "fc/_reply/c", "forged", qos: .atLeastOnce, properties: [.correlationData(ByteBuffer(string: "1"))])
        #expect(self.code(attacker) == .notAuthorized)
        #expect(caller.takePublishes().isEmpty)
    }

    @Test("Nobody has a function answer to another client, whatever it is subscribed to", arguments: ["#", "fc/#"])
    func foreignAddressInReach(_ filter: String) {
        let instance = self.client("i", "$share/fc/fc/demo/echo/req/#")
        let victim = self.client("victim", "fc/_reply/victim/#")
        let attacker = self.client("x", filter, "fc/_reply/x/#")
        for target in ["fc/_reply/victim", "fc/_reply/victim/1", "fc/_reply/nobody"] {
            attacker.publish("fc/demo/echo/req", "hi", qos: .atLeastOnce, properties: self.request(target))
            #expect(self.code(attacker) == .notAuthorized, "\(target)")
        }
        #expect(instance.takePublishes().isEmpty)
        #expect(victim.takePublishes().isEmpty)
        attacker.publish("fc/demo/echo/req", "hi", qos: .atLeastOnce, properties: self.request("fc/_reply/x"))
        #expect(instance.takePublishes().count == 1)
    }

    @Test("Nobody reads another client's answers", arguments: ["fc/_reply/#", "fc/#", "#", "fc/_reply/c/#"])
    func eavesdropping(_ filter: String) throws {
        let instance = self.client("i", "$share/fc/fc/demo/echo/req/#")
        let caller = self.client("c", "fc/_reply/c/#")
        let attacker = self.client("x")
        let codes = attacker.subscribe(filter)
        if filter.hasPrefix("fc/_reply/") { #expect(codes == [.notAuthorized]) }
        caller.publish("fc/demo/echo/req", "hi", qos: .atLeastOnce, properties: self.request("fc/_reply/c"))
        _ = try #require(instance.takePublishes().first)
        instance.publish(
            "fc/_reply/c", "secret", qos: .atLeastOnce, properties: [.correlationData(ByteBuffer(string: "1"))])
        #expect(caller.takePublishes().map(\.text) == ["secret"])
        #expect(!attacker.takePublishes().contains { $0.text == "secret" })
    }

    @Test(
        "A reply address that the caller neither reads nor may write is refused",
        arguments: ["fc/_reply/other", "fc/demo/echo/async", "$SYS/x", "a/+"])
    func foreignReplyAddress(_ topic: String) {
        let instance = self.client("i", "$share/fc/fc/demo/echo/req/#")
        let caller = self.client("c", "fc/_reply/c/#")
        caller.publish("fc/demo/echo/req", "hi", qos: .atLeastOnce, properties: self.request(topic))
        #expect(self.code(caller) == .notAuthorized || caller.isClosed)
        #expect(instance.takePublishes().isEmpty)
    }

    @Test("An ordinary topic as reply address works, and its answer is matched to the call")
    func plainReplyAddress() throws {
        let instance = self.client("i", "$share/fc/fc/demo/echo/req/#")
        let caller = self.client("c", "answers/c")
        caller.publish("fc/demo/echo/req", "hi", qos: .atLeastOnce, properties: self.request("answers/c"))
        _ = try #require(instance.takePublishes().first)
        instance.publish(
            "answers/c", "ho", qos: .atLeastOnce, properties: [.correlationData(ByteBuffer(string: "1"))])
        #expect(caller.takePublishes().map(\.text) == ["ho"])
        #expect(self.network.broker.openCallCount == 0)
    }

    @Test("What only the broker may say is taken off a request")
    func injectedProperties() throws {
        let instance = self.client("i", "$share/fc/fc/demo/echo/req/#")
        let caller = self.client("c", "fc/_reply/c/#")
        var properties = self.request("fc/_reply/c")
        for name in ["fc-caller", "fc-caller-id", "fc-attempt", "fc-task"] {
            properties.append(.userProperty(name: name, value: "forged"))
        }
        properties.append(.userProperty(name: "mine", value: "kept"))
        caller.publish("fc/demo/echo/req", "hi", qos: .atLeastOnce, properties: properties)
        let names = try #require(instance.takePublishes().first).properties.userProperties
        #expect(!names.contains { $0.value == "forged" })
        #expect(names.contains { $0.name == "mine" && $0.value == "kept" })
    }

    @Test("Presence is spoken for oneself only")
    func foreignPresence() {
        let attacker = self.client("x")
        attacker.publish("fc/_inst/i", "{}", qos: .atLeastOnce, isRetained: true)
        #expect(self.code(attacker) == .notAuthorized)
        attacker.publish("fc/_inst/x", "{\"status\":\"online\"}", qos: .atLeastOnce, isRetained: true)
        #expect(self.code(attacker)?.isError == false)
    }

    @Test("Seventeen functions deep is a loop: 508")
    func hops() throws {
        _ = self.client("i", "$share/fc/fc/demo/echo/req/#")
        let caller = self.client("c", "fc/_reply/c/#")
        var properties = self.request("fc/_reply/c")
        properties.append(.userProperty(name: "fc-hops", value: "17"))
        caller.publish("fc/demo/echo/req", "hi", qos: .atLeastOnce, properties: properties)
        #expect(try #require(caller.takePublishes().first).properties.firstUserProperty(named: "__stat") == "508")
    }
}
