import NIOCore
import Testing

@testable import BusWire

/// Bytes that must be refused, with the answer and the statement that forbids them.
struct Malformed: Sendable, CustomTestStringConvertible {
    var what: String
    var wire: ByteBuffer
    var version: ProtocolVersion?
    var code: ReasonCode
    var statement: String?
    var receiver: PacketDecoder.Role

    init(
        _ what: String, _ wire: ByteBuffer, _ version: ProtocolVersion?, _ code: ReasonCode = .malformedPacket,
        _ statement: String? = nil, to receiver: PacketDecoder.Role = .server
    ) {
        self.what = what
        self.wire = wire
        self.version = version
        self.code = code
        self.statement = statement
        self.receiver = receiver
    }

    var testDescription: String {
        self.what + (self.statement.map { " [\($0)]" } ?? "")
    }

    func expectRefusal() {
        let found = failure(self.wire, self.receiver, self.version)
        #expect(found?.reasonCode == self.code)
        #expect(found?.statement == self.statement)
        #expect(found?.packetType == self.wire.getInteger(at: 0, as: UInt8.self).map { $0 >> 4 })
    }
}

@Suite("A malformed fixed header is refused")
struct MalformedHeaderTests {
    static let reservedFlags: [Malformed] = [
        Malformed("CONNECT", ByteBuffer(wire: "11"), nil, .malformedPacket, "MQTT-2.1.3-1"),
        Malformed("PUBACK", ByteBuffer(wire: "42"), .v3_1_1, .malformedPacket, "MQTT311-2.2.2-2"),
        Malformed("PUBACK", ByteBuffer(wire: "48"), .v5, .malformedPacket, "MQTT-2.1.3-1"),
        Malformed("PUBREC", ByteBuffer(wire: "51"), .v5, .malformedPacket, "MQTT-2.1.3-1"),
        Malformed("PUBREL", ByteBuffer(wire: "60"), .v5, .malformedPacket, "MQTT-3.6.1-1"),
        Malformed("PUBREL", ByteBuffer(wire: "66"), .v3_1_1, .malformedPacket, "MQTT311-3.6.1-1"),
        Malformed("PUBCOMP", ByteBuffer(wire: "7F"), .v5, .malformedPacket, "MQTT-2.1.3-1"),
        Malformed("SUBSCRIBE", ByteBuffer(wire: "80"), .v5, .malformedPacket, "MQTT-3.8.1-1"),
        Malformed("SUBSCRIBE", ByteBuffer(wire: "8A"), .v3_1_1, .malformedPacket, "MQTT311-3.8.1-1"),
        Malformed("UNSUBSCRIBE", ByteBuffer(wire: "A0"), .v5, .malformedPacket, "MQTT-3.10.1-1"),
        Malformed("PINGREQ", ByteBuffer(wire: "C1"), .v5, .malformedPacket, "MQTT-2.1.3-1"),
        Malformed("DISCONNECT", ByteBuffer(wire: "E1"), .v5, .malformedPacket, "MQTT-3.14.1-1"),
        Malformed("AUTH", ByteBuffer(wire: "F4"), .v5, .malformedPacket, "MQTT-3.15.1-1"),
        Malformed("CONNACK", ByteBuffer(wire: "21"), .v5, .malformedPacket, "MQTT-2.1.3-1", to: .client),
        Malformed("SUBACK", ByteBuffer(wire: "92"), .v5, .malformedPacket, "MQTT-2.1.3-1", to: .client),
    ]

    @Test("for reserved flags, from its first byte alone", arguments: reservedFlags)
    func flags(_ malformed: Malformed) {
        malformed.expectRefusal()
    }

    @Test(
        "for a packet type that this end never receives",
        arguments: [
            Malformed("reserved type 0", ByteBuffer(wire: "0000"), .v5),
            Malformed("CONNACK to a server", ByteBuffer(wire: "2000"), .v5, .protocolError),
            Malformed("SUBACK to a server", ByteBuffer(wire: "9000"), .v5, .protocolError),
            Malformed("UNSUBACK to a server", ByteBuffer(wire: "B000"), .v5, .protocolError),
            Malformed("PINGRESP to a server", ByteBuffer(wire: "D000"), .v5, .protocolError),
            Malformed("AUTH below 5.0", ByteBuffer(wire: "F000"), .v3_1_1, .protocolError),
            Malformed("CONNECT to a client", ByteBuffer(wire: "1000"), .v5, .protocolError, to: .client),
            Malformed("SUBSCRIBE to a client", ByteBuffer(wire: "8200"), .v5, .protocolError, to: .client),
            Malformed("PINGREQ to a client", ByteBuffer(wire: "C000"), .v5, .protocolError, to: .client),
            Malformed("DISCONNECT to a 3.1.1 client", ByteBuffer(wire: "E000"), .v3_1_1, .protocolError, to: .client),
        ])
    func types(_ malformed: Malformed) {
        let found = failure(malformed.wire, malformed.receiver, malformed.version)
        #expect(found?.reasonCode == malformed.code)
    }

    @Test(
        "for a remaining length of more than four bytes",
        arguments: [ProtocolVersion.v3_1, .v3_1_1, .v5], ["30 80808080", "30 FFFFFFFF", "30 FFFFFFFF 7F"])
    func fiveBytes(_ version: ProtocolVersion, _ wire: String) {
        #expect(failure(ByteBuffer(wire: wire), .server, version)?.reasonCode == .malformedPacket)
    }

    @Test(
        "for a remaining length with needless bytes in 5.0 [MQTT-1.5.5-1]",
        arguments: ["C0 80 00", "C0 80 80 80 00", "30 84 00 0001 'a' 00"])
    func notMinimal(_ wire: String) {
        #expect(failure(ByteBuffer(wire: wire), .server, .v5)?.statement == "MQTT-1.5.5-1")
    }

    @Test("for needless length bytes of a 5.0 CONNECT, whose version shows only later [MQTT-1.5.5-1]")
    func connectNotMinimal() {
        let wire = ByteBuffer(wire: "10 8E 00 s'MQTT' 05 02 0000 00 s'a'")
        #expect(failure(wire, .server, nil)?.statement == "MQTT-1.5.5-1")
    }

    @Test("but not for needless length bytes below 5.0, where nothing forbids them")
    func notMinimalBelow() throws {
        #expect(try decoded(ByteBuffer(wire: "C0 80 00"), .server, .v3_1_1) == .pingReq)
    }

    @Test("but not for the DUP flag that 3.1 clients set on what they send again", arguments: ["8A", "AA", "6A"])
    func duplicateFlagIn3_1(_ first: String) throws {
        let body = first == "8A" ? "0001 s'a' 00" : first == "AA" ? "0001 s'a'" : "0001"
        let byte = try #require(UInt8(first, radix: 16))
        #expect(try decoded(ByteBuffer(packet: byte, body), .server, .v3_1) != nil)
    }
}

@Suite("A packet above the maximum packet size")
struct PacketSizeTests {
    @Test("is refused from its header alone, however much was announced [MQTT-3.2.2-15]")
    func refusedEarly() {
        let found = failure(ByteBuffer(wire: "30 FFFFFF7F"), .server, .v5, maximum: 1000)
        #expect(found?.reasonCode == .packetTooLarge)
        #expect(found?.statement == "MQTT-3.2.2-15")
    }

    @Test("is measured with its fixed header", arguments: [ProtocolVersion.v3_1_1, .v5])
    func exact(_ version: ProtocolVersion) throws {
        let publish = Publish(topic: "a", payload: ByteBuffer(repeating: 1, count: 200))
        let bytes = encoded(.publish(publish), version)
        #expect(try decoded(bytes, .server, version, maximum: bytes.readableBytes) == .publish(publish))
        let found = failure(bytes, .server, version, maximum: bytes.readableBytes - 1)
        #expect(found?.reasonCode == .packetTooLarge)
    }

    @Test("may become acceptable when the limit is raised")
    func raised() throws {
        var decoder = PacketDecoder(role: .server, maximumPacketSize: 10, version: .v5)
        decoder.maximumPacketSize = 100
        var buffer = encoded(.publish(Publish(topic: "a topic of some length")), .v5)
        #expect(try decoder.next(in: &buffer) != nil)
    }
}
