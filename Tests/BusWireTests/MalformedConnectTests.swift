import NIOCore
import Testing

@testable import BusWire

@Suite("A malformed CONNECT or CONNACK is refused")
struct MalformedConnectTests {
    private static func connect(
        _ what: String, _ body: String, _ code: ReasonCode = .malformedPacket, _ statement: String? = nil
    ) -> Malformed {
        Malformed(what, ByteBuffer(packet: 0x10, body), nil, code, statement)
    }

    static let protocols: [Malformed] = [
        connect("wrong name", "s'HTTP' 04 02 0000 s'a'", .protocolError, "MQTT-3.1.2-1"),
        connect("name in lower case", "s'mqtt' 05 02 0000 00 s'a'", .protocolError, "MQTT-3.1.2-1"),
        connect("empty name", "0000 04 02 0000 s'a'", .protocolError, "MQTT-3.1.2-1"),
        connect("level 3 as MQTT", "s'MQTT' 03 02 0000 s'a'", .unsupportedProtocolVersion, "MQTT311-3.1.2-2"),
        connect("level 6", "s'MQTT' 06 02 0000 00 s'a'", .unsupportedProtocolVersion, "MQTT-3.1.2-2"),
        connect("level of a bridge", "s'MQTT' 84 02 0000 s'a'", .unsupportedProtocolVersion, "MQTT311-3.1.2-2"),
        connect("level 4 as MQIsdp", "s'MQIsdp' 04 02 0000 s'a'", .unsupportedProtocolVersion, "MQTT311-3.1.2-2"),
        connect("no level", "s'MQTT'"),
        connect("name past the end", "0010 'MQTT' 04"),
        connect("nothing", ""),
    ]

    static let flags: [Malformed] = [
        connect("reserved flag", "s'MQTT' 05 03 0000 00 s'a'", .malformedPacket, "MQTT-3.1.2-3"),
        connect("reserved flag", "s'MQTT' 04 03 0000 s'a'", .malformedPacket, "MQTT311-3.1.2-3"),
        connect("will QoS without will", "s'MQTT' 05 0A 0000 00 s'a'", .malformedPacket, "MQTT-3.1.2-11"),
        connect("will QoS without will", "s'MQTT' 04 0A 0000 s'a'", .malformedPacket, "MQTT311-3.1.2-13"),
        connect("will retain without will", "s'MQTT' 05 22 0000 00 s'a'", .malformedPacket, "MQTT-3.1.2-13"),
        connect("will retain without will", "s'MQTT' 04 22 0000 s'a'", .malformedPacket, "MQTT311-3.1.2-15"),
        connect("will QoS 3", "s'MQTT' 05 1E 0000 00 s'a' 00 s'w' 0000", .malformedPacket, "MQTT-3.1.2-12"),
        connect("will QoS 3", "s'MQTT' 04 1E 0000 s'a' s'w' 0000", .malformedPacket, "MQTT311-3.1.2-14"),
        connect("password without user", "s'MQTT' 04 42 0000 s'a' s'p'", .malformedPacket, "MQTT311-3.1.2-22"),
    ]

    static let bodies: [Malformed] = [
        connect("no keep alive", "s'MQTT' 04 02 00"),
        connect("no client identifier", "s'MQTT' 04 02 0000"),
        connect("no properties", "s'MQTT' 05 02 0000"),
        connect("will flag without will", "s'MQTT' 04 06 0000 s'a'"),
        connect("user name flag without user name", "s'MQTT' 04 82 0000 s'a'"),
        connect("password flag without password", "s'MQTT' 04 C2 0000 s'a' s'u'"),
        connect("user name without flag", "s'MQTT' 04 02 0000 s'a' s'u'"),
        connect("bytes after the end", "s'MQTT' 05 02 0000 00 s'a' 00"),
        connect("client identifier past the end", "s'MQTT' 04 02 0000 0002 'a'"),
        connect("properties past the end", "s'MQTT' 05 02 0000 7F s'a'"),
        connect("authentication data alone", "s'MQTT' 05 02 0000 04 16 s'x' s'a'", .protocolError),
    ]

    @Test("for its protocol name or level, its flags or its fields", arguments: protocols + flags + bodies)
    func connect(_ malformed: Malformed) {
        malformed.expectRefusal()
    }

    @Test("but MQTT 3.1 lets the remaining length overrule the user name and password flags")
    func missingUserNameIn3_1() throws {
        let packet = try decoded(ByteBuffer(packet: 0x10, "s'MQIsdp' 03 C2 0000 s'a'"), .server, nil)
        #expect(packet == .connect(Connect(version: .v3_1, clientIdentifier: "a")))
    }

    @Test("but MQTT 5.0 allows a password without a user name [MQTT-3.1.2-19]")
    func passwordAlone() throws {
        let packet = try decoded(ByteBuffer(packet: 0x10, "s'MQTT' 05 42 0000 00 s'a' s'p'"), .server, nil)
        #expect(packet == .connect(Connect(clientIdentifier: "a", password: ByteBuffer(string: "p"))))
    }

    static let answers: [Malformed] = [
        Malformed(
            "reserved flags", ByteBuffer(wire: "20 03 02 00 00"), .v5, .malformedPacket, "MQTT-3.2.2-1", to: .client),
        Malformed(
            "session in a refusal", ByteBuffer(wire: "20 03 01 87 00"), .v5, .protocolError, "MQTT-3.2.2-6", to: .client
        ),
        Malformed(
            "session in a refusal", ByteBuffer(wire: "20 02 01 05"), .v3_1_1, .protocolError, "MQTT311-3.2.2-4",
            to: .client),
        Malformed("unknown code", ByteBuffer(wire: "20 03 00 8E 00"), .v5, .protocolError, "MQTT-3.2.2-8", to: .client),
        Malformed("unknown return code", ByteBuffer(wire: "20 02 00 06"), .v3_1_1, .protocolError, to: .client),
        Malformed("too short", ByteBuffer(wire: "20 01 00"), .v3_1_1, to: .client),
        Malformed("too long", ByteBuffer(wire: "20 03 00 00 00"), .v3_1_1, to: .client),
        Malformed("no properties", ByteBuffer(wire: "20 02 00 00"), .v5, to: .client),
    ]

    // Every scripted client reads through this: [MQTT-3.2.2-1] [MQTT-3.2.2-6] [MQTT-3.2.2-8] [MQTT311-3.2.2-4]
    @Test("as the broker's answer", arguments: answers)
    func connAck(_ malformed: Malformed) {
        malformed.expectRefusal()
    }
}
