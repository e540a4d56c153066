import BusSession
import BusWire
import NIOCore
import Testing

@Suite("Inbound topic aliases")
struct InboundTopicAliasTests {
    static func publish(_ topic: String, _ alias: UInt16?) -> Publish {
        Publish(
            topic: topic, properties: alias.map { [.topicAlias($0), .contentType("text")] } ?? [],
            payload: ByteBuffer(string: "payload"))
    }

    @Test("stand for the topic they were set with, until they are set anew [MQTT-3.3.2-12]")
    func resolution() throws {
        var aliases = InboundTopicAliases(maximum: 2)
        #expect(try aliases.resolve(Self.publish("a", 1)).topic == "a")
        #expect(try aliases.resolve(Self.publish("b", 2)).topic == "b")
        #expect(try aliases.resolve(Self.publish("", 1)).topic == "a")
        #expect(try aliases.resolve(Self.publish("c", 1)).topic == "c")
        #expect(try aliases.resolve(Self.publish("", 1)).topic == "c")
        #expect(try aliases.resolve(Self.publish("", 2)).topic == "b")
    }

    @Test("leave everything else of the message as it was")
    func content() throws {
        var aliases = InboundTopicAliases(maximum: 1)
        _ = try aliases.resolve(Self.publish("a", 1))
        let resolved = try aliases.resolve(Self.publish("", 1))
        #expect(resolved.properties == [.contentType("text")])
        #expect(String(buffer: resolved.payload) == "payload")
    }

    @Test("are refused outside their range with 0x94 [MQTT-3.3.2-9]", arguments: [UInt16(3), 65_535])
    func range(_ alias: UInt16) {
        var aliases = InboundTopicAliases(maximum: 2)
        let error = #expect(throws: ProtocolViolation.self) { try aliases.resolve(Self.publish("a", alias)) }
        #expect(error?.reasonCode == .topicAliasInvalid)
    }

    @Test("that were never set are a protocol error", arguments: [UInt16(1), 2])
    func unset(_ alias: UInt16) throws {
        var aliases = InboundTopicAliases(maximum: 3)
        _ = try aliases.resolve(Self.publish("c", 3))
        let error = #expect(throws: ProtocolViolation.self) { try aliases.resolve(Self.publish("", alias)) }
        #expect(error?.reasonCode == .protocolError)
    }

    @Test("are the only way to leave out the topic name [MQTT-3.3.2-1]")
    func neither() {
        var aliases = InboundTopicAliases(maximum: 3)
        let error = #expect(throws: ProtocolViolation.self) { try aliases.resolve(Self.publish("", nil)) }
        #expect(error?.reasonCode == .protocolError)
    }

    @Test("need not be used")
    func plain() throws {
        var aliases = InboundTopicAliases(maximum: 0)
        #expect(try aliases.resolve(Self.publish("a", nil)) == Self.publish("a", nil))
    }
}

@Suite("Outbound topic aliases")
struct OutboundTopicAliasTests {
    @Test("go to the first topics, as many as the client takes [MQTT-3.1.2-26]")
    func first() {
        var aliases = OutboundTopicAliases(maximum: 2)
        for (topic, alias) in [("a", UInt16(1)), ("b", 2)] {
            let found = aliases.find(topic)
            #expect(found?.alias == alias && found?.isKnown == false)
            aliases.set(alias, for: topic)
        }
        #expect(aliases.find("c") == nil)
        #expect(aliases.find("b")?.alias == 2 && aliases.find("b")?.isKnown == true)
    }

    @Test("are not taken by a topic that was not sent with them")
    func unsent() {
        var aliases = OutboundTopicAliases(maximum: 1)
        #expect(aliases.find("a")?.alias == 1)
        #expect(aliases.find("b")?.alias == 1)
        aliases.set(1, for: "b")
        #expect(aliases.find("a") == nil)
    }
}
