import NIOCore
import Testing

@testable import BusWire

@Suite("A malformed acknowledgement, SUBSCRIBE, DISCONNECT or AUTH is refused")
struct MalformedOtherTests {
    private static func packet(
        _ what: String, _ first: UInt8, _ body: String, _ version: ProtocolVersion,
        _ code: ReasonCode = .malformedPacket, _ statement: String? = nil
    ) -> Malformed {
        let isToClient = [0x90, 0xB0, 0xD0].contains(first)
        return Malformed(
            what, ByteBuffer(packet: first, body), version, code, statement, to: isToClient ? .client : .server)
    }

    static let acknowledgements: [Malformed] = [
        packet("PUBACK with a third byte", 0x40, "0001 00", .v3_1_1),
        packet("PUBACK of one byte", 0x40, "00", .v3_1_1),
        packet("PUBACK of nothing", 0x40, "", .v5),
        packet("PUBACK of packet 0", 0x40, "0000", .v5, .protocolError, "MQTT-2.2.1-3"),
        packet("PUBREL of packet 0", 0x62, "0000", .v3_1_1, .protocolError, "MQTT311-2.3.1-1"),
        packet("PUBACK code", 0x40, "0001 92", .v5, .protocolError, "MQTT-3.4.2-1"),
        packet("PUBREC code", 0x50, "0001 01", .v5, .protocolError, "MQTT-3.5.2-1"),
        packet("PUBREL code", 0x62, "0001 80", .v5, .protocolError, "MQTT-3.6.2-1"),
        packet("PUBCOMP code", 0x70, "0001 FF", .v5, .protocolError, "MQTT-3.7.2-1"),
        packet("PUBACK with bytes after its properties", 0x40, "0001 00 00 00", .v5),
        packet("SUBACK code", 0x90, "0001 00 03", .v5, .protocolError, "MQTT-3.9.3-2"),
        packet("SUBACK code", 0x90, "0001 87", .v3_1_1, .protocolError, "MQTT311-3.9.3-2"),
        packet("UNSUBACK code", 0xB0, "0001 00 01", .v5, .protocolError, "MQTT-3.11.3-2"),
        packet("UNSUBACK with a third byte", 0xB0, "0001 00", .v3_1_1),
    ]

    static let subscriptions: [Malformed] = [
        packet("SUBSCRIBE to nothing", 0x82, "0001 00", .v5, .protocolError, "MQTT-3.8.3-2"),
        packet("SUBSCRIBE to nothing", 0x82, "0001", .v3_1_1, .protocolError, "MQTT311-3.8.3-3"),
        packet("SUBSCRIBE of packet 0", 0x82, "0000 00 s'a' 00", .v5, .protocolError, "MQTT-2.2.1-3"),
        packet("SUBSCRIBE without options", 0x82, "0001 s'a'", .v3_1_1),
        packet("SUBSCRIBE with half a filter", 0x82, "0001 0002 'a'", .v3_1_1),
        packet("reserved options", 0x82, "0001 00 s'a' 40", .v5, .malformedPacket, "MQTT-3.8.3-5"),
        packet("reserved options", 0x82, "0001 00 s'a' 80", .v5, .malformedPacket, "MQTT-3.8.3-5"),
        packet("options of 5.0", 0x82, "0001 s'a' 04", .v3_1_1, .malformedPacket, "MQTT311-3.8.3-4"),
        packet("maximum QoS 3", 0x82, "0001 00 s'a' 03", .v5, .protocolError),
        packet("maximum QoS 3", 0x82, "0001 s'a' 03", .v3_1_1, .protocolError, "MQTT311-3.8.3-4"),
        packet("retain handling 3", 0x82, "0001 00 s'a' 30", .v5, .protocolError),
        packet("two subscription identifiers", 0x82, "0001 04 0B01 0B02 s'a' 00", .v5, .protocolError),
        packet("subscription identifier 0", 0x82, "0001 02 0B00 s'a' 00", .v5, .protocolError),
        packet("ill-formed filter", 0x82, "0001 0001 FF 00", .v3_1_1, .malformedPacket, "MQTT311-1.5.3-1"),
        packet("UNSUBSCRIBE from nothing", 0xA2, "0001 00", .v5, .protocolError, "MQTT-3.10.3-2"),
        packet("UNSUBSCRIBE from nothing", 0xA2, "0001", .v3_1_1, .protocolError, "MQTT311-3.10.3-2"),
        packet("UNSUBSCRIBE with half a filter", 0xA2, "0001 00 0005 'a'", .v5),
    ]

    static let ends: [Malformed] = [
        packet("PINGREQ with a body", 0xC0, "00", .v5),
        packet("PINGRESP with a body", 0xD0, "00", .v3_1_1),
        packet("DISCONNECT with a body", 0xE0, "00", .v3_1_1),
        packet("DISCONNECT code", 0xE0, "01", .v5, .protocolError, "MQTT-3.14.2-1"),
        packet("DISCONNECT with bytes after its properties", 0xE0, "00 00 00", .v5),
        packet("AUTH code", 0xF0, "80 00", .v5, .protocolError, "MQTT-3.15.2-1"),
        packet("AUTH of one byte", 0xF0, "18", .v5),
        packet("AUTH with data but no method", 0xF0, "18 04 16 s'x'", .v5, .protocolError),
    ]

    @Test("for its fields or codes", arguments: acknowledgements + subscriptions + ends)
    func refused(_ malformed: Malformed) {
        malformed.expectRefusal()
    }

    @Test("when a server sets a session expiry interval in DISCONNECT [MQTT-3.14.2-2]")
    func sessionExpiryFromServer() {
        let wire = ByteBuffer(packet: 0xE0, "00 05 11 00000001")
        #expect(failure(wire, .client, .v5)?.statement == "MQTT-3.14.2-2")
    }
}
