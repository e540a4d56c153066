import NIOCore
import Testing

@testable import BusWire

@Suite("A malformed PUBLISH is refused")
struct MalformedPublishTests {
    private static func publish(
        _ what: String, _ first: UInt8, _ body: String, _ version: ProtocolVersion,
        _ code: ReasonCode = .malformedPacket, _ statement: String? = nil
    ) -> Malformed {
        Malformed(what, ByteBuffer(packet: first, body), version, code, statement)
    }

    static let headers: [Malformed] = [
        publish("QoS 3", 0x36, "s'a' 0001 00", .v5, .malformedPacket, "MQTT-3.3.1-4"),
        publish("QoS 3", 0x36, "s'a' 0001", .v3_1_1, .malformedPacket, "MQTT311-3.3.1-4"),
        publish("DUP with QoS 0", 0x38, "s'a' 00", .v5, .malformedPacket, "MQTT-3.3.1-2"),
        publish("DUP with QoS 0", 0x38, "s'a'", .v3_1_1, .malformedPacket, "MQTT311-3.3.1-2"),
        publish("packet identifier 0", 0x32, "s'a' 0000 00", .v5, .protocolError, "MQTT-2.2.1-3"),
        publish("packet identifier 0", 0x34, "s'a' 0000", .v3_1_1, .protocolError, "MQTT311-2.3.1-1"),
        publish("no topic and no alias", 0x30, "0000 00", .v5, .protocolError, "MQTT-4.7.3-1"),
        publish("no topic", 0x30, "0000 'hi'", .v3_1_1, .protocolError, "MQTT311-4.7.3-1"),
    ]

    static let bodies: [Malformed] = [
        publish("nothing", 0x30, "", .v3_1_1),
        publish("half a topic length", 0x30, "00", .v5),
        publish("topic past the end", 0x30, "0004 'abc'", .v3_1_1),
        publish("no packet identifier", 0x32, "s'a'", .v3_1_1),
        publish("half a packet identifier", 0x32, "s'a' 00", .v5),
        publish("no property length", 0x30, "s'a'", .v5),
        publish("properties past the end", 0x30, "s'a' 01", .v5),
        publish("half a property length", 0x30, "s'a' 80", .v5),
        publish("property length of five bytes", 0x30, "s'a' 8080808000", .v5),
        publish("property length not minimal", 0x30, "s'a' 8000", .v5, .malformedPacket, "MQTT-1.5.5-1"),
        publish("U+0000 in the topic", 0x30, "0003 'a' 00 'b' 00", .v5, .malformedPacket, "MQTT-1.5.4-2"),
        publish("ill-formed topic", 0x30, "0002 C328 00", .v5, .malformedPacket, "MQTT-1.5.4-1"),
        publish("ill-formed topic", 0x30, "0002 C328", .v3_1_1, .malformedPacket, "MQTT311-1.5.3-1"),
        publish("U+0000 in the topic", 0x30, "0001 00", .v3_1_1, .malformedPacket, "MQTT311-1.5.3-2"),
    ]

    static let properties: [Malformed] = [
        publish("topic alias 0", 0x30, "s'a' 03 23 0000", .v5, .topicAliasInvalid, "MQTT-3.3.2-8"),
        publish("a client's subscription identifier", 0x30, "s'a' 02 0B 01", .v5, .protocolError, "MQTT-3.3.4-6"),
        publish("subscription identifier 0", 0x30, "s'a' 02 0B 00", .v5, .protocolError),
        publish("long subscription identifier", 0x30, "s'a' 05 0B FFFFFFFF", .v5),
        publish("payload format 2", 0x30, "s'a' 02 01 02", .v5, .protocolError),
        publish("ill-formed user property", 0x30, "s'a' 06 26 0001 FF 0000", .v5, .malformedPacket, "MQTT-1.5.4-1"),
        publish("U+0000 in a value", 0x30, "s'a' 06 26 0000 0001 00", .v5, .malformedPacket, "MQTT-1.5.4-2"),
    ]

    @Test("for its flags, fields or properties", arguments: headers + bodies + properties)
    func refused(_ malformed: Malformed) {
        malformed.expectRefusal()
    }

    @Test("but an empty topic with an alias is fine")
    func aliasOnly() throws {
        let packet = try decoded(ByteBuffer(packet: 0x30, "0000 03 23 0005 'hi'"), .server, .v5)
        guard case .publish(let publish) = packet else { throw DecodingFailure(reasonCode: .success, message: "") }
        #expect(publish.topicAlias == 5)
        #expect(publish.topicLength == 0)
        #expect(publish.payload == ByteBuffer(string: "hi"))
    }

    @Test("but DUP with QoS 0 means nothing in MQTT 3.1")
    func duplicateIn3_1() throws {
        #expect(try decoded(ByteBuffer(packet: 0x38, "s'a'"), .server, .v3_1) != nil)
    }

    @Test("but a server may send several subscription identifiers [MQTT-3.3.4-4]")
    func subscriptionIdentifiers() throws {
        #expect(try decoded(ByteBuffer(packet: 0x30, "s'a' 04 0B01 0B02"), .client, .v5) != nil)
    }
}
