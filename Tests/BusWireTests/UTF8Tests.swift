import NIOCore
import Testing

@testable import BusWire

/// S07: every boundary of the one- to four-byte forms (Unicode, tables 3-6 and 3-7), in every string field.
@Suite("A string on the wire")
struct UTF8Tests {
    static let accepted: [[UInt8]] = [
        [], [0x01], [0x1F], [0x7F], [0xC2, 0x80], [0xDF, 0xBF], [0xE0, 0xA0, 0x80], [0xE0, 0xBF, 0xBF],
        [0xE1, 0x80, 0x80], [0xEC, 0xBF, 0xBF], [0xED, 0x80, 0x80], [0xED, 0x9F, 0xBF], [0xEE, 0x80, 0x80],
        [0xEF, 0xBF, 0xBF], [0xEF, 0xBF, 0xBE], [0xEF, 0xB7, 0x90], [0xEF, 0xBB, 0xBF], [0xF0, 0x90, 0x80, 0x80],
        [0xF0, 0xBF, 0xBF, 0xBF], [0xF1, 0x80, 0x80, 0x80], [0xF3, 0xBF, 0xBF, 0xBF], [0xF4, 0x80, 0x80, 0x80],
        [0xF4, 0x8F, 0xBF, 0xBF], [0xF0, 0x9F, 0x98, 0x80],
    ]
    static let refused: [[UInt8]] = [
        // U+0000, lone continuation bytes, leads that do not exist.
        [0x00], [0x80], [0xBF], [0xFE], [0xFF], [0xF5, 0x80, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80],
        // Overlong forms.
        [0xC0, 0x80], [0xC0, 0xAF], [0xC1, 0xBF], [0xE0, 0x80, 0x80], [0xE0, 0x80, 0xAF], [0xE0, 0x9F, 0xBF],
        [0xF0, 0x80, 0x80, 0x80], [0xF0, 0x80, 0x80, 0xAF], [0xF0, 0x8F, 0xBF, 0xBF],
        // Surrogates, alone and as a pair.
        [0xED, 0xA0, 0x80], [0xED, 0xAF, 0xBF], [0xED, 0xB0, 0x80], [0xED, 0xBF, 0xBF],
        [0xED, 0xA0, 0xBD, 0xED, 0xB8, 0x80],
        // Above U+10FFFF.
        [0xF4, 0x90, 0x80, 0x80], [0xF4, 0xBF, 0xBF, 0xBF],
        // Truncated, at the end and before another character.
        [0xC2], [0xDF], [0xE0], [0xE0, 0xA0], [0xE1, 0x80], [0xED, 0x9F], [0xF0], [0xF0, 0x90], [0xF0, 0x90, 0x80],
        [0xF4, 0x8F, 0xBF], [0xC2, 0x41], [0xE1, 0x80, 0x41], [0xF1, 0x80, 0x80, 0x41], [0xC2, 0xC2],
        // A bad continuation byte in each place.
        [0xC2, 0x7F], [0xC2, 0xC0], [0xE1, 0x7F, 0x80], [0xE1, 0xC0, 0x80], [0xE1, 0x80, 0x7F], [0xE1, 0x80, 0xC0],
        [0xF1, 0x7F, 0x80, 0x80], [0xF1, 0x80, 0x7F, 0x80], [0xF1, 0x80, 0x80, 0xC0],
    ]

    /// A packet with `string` in one of its string fields.
    struct Field: Sendable, CustomTestStringConvertible {
        var name: String
        var first: UInt8
        var before: String
        var after: String
        var block: String?
        var version: ProtocolVersion?

        init(
            _ name: String, _ first: UInt8, _ before: String, _ after: String = "", property block: String? = nil,
            in version: ProtocolVersion = .v5
        ) {
            (self.name, self.first, self.before, self.after) = (name, first, before, after)
            self.block = block
            // A CONNECT says its version itself.
            self.version = first == 0x10 ? nil : version
        }

        var testDescription: String { self.name }

        func packet(_ string: [UInt8]) -> ByteBuffer {
            var field = ByteBuffer(integer: UInt16(string.count))
            field.writeBytes(string)
            var body = ByteBuffer(wire: self.before)
            if let block = self.block {
                let start = ByteBuffer(wire: block)
                // The other half of a pair.
                let end = ByteBuffer(wire: block == "26" ? "0000" : "")
                body.writeVariableByteInteger(start.readableBytes + field.readableBytes + end.readableBytes)
                body.writeImmutableBuffer(start)
                body.writeImmutableBuffer(field)
                body.writeImmutableBuffer(end)
            } else {
                body.writeImmutableBuffer(field)
            }
            body.writeImmutableBuffer(ByteBuffer(wire: self.after))
            var packet = ByteBuffer(integer: self.first)
            packet.writeVariableByteInteger(body.readableBytes)
            packet.writeImmutableBuffer(body)
            return packet
        }

        var receiver: PacketDecoder.Role { self.first == 0x20 ? .client : .server }
    }

    static let fields: [Field] = [
        Field("client identifier", 0x10, "s'MQTT' 05 02 0000 00"),
        Field("client identifier of 3.1.1", 0x10, "s'MQTT' 04 02 0000"),
        Field("user name", 0x10, "s'MQTT' 05 82 0000 00 s'a'"),
        Field("will topic", 0x10, "s'MQTT' 04 06 0000 s'a'", "0000"),
        Field("authentication method", 0x10, "s'MQTT' 05 02 0000", "s'a'", property: "15"),
        Field("content type of the will", 0x10, "s'MQTT' 05 06 0000 00 s'a'", "s'w' 0000", property: "03"),
        Field("topic", 0x30, "", "03 23 0001"),
        Field("content type", 0x30, "s'a'", property: "03"),
        Field("response topic", 0x30, "s'a'", property: "08"),
        Field("name of a user property", 0x30, "s'a'", property: "26"),
        Field("value of a user property", 0x30, "s'a'", property: "26 s'k'"),
        Field("filter in SUBSCRIBE", 0x82, "0001 00", "00"),
        Field("filter in UNSUBSCRIBE", 0xA2, "0001", in: .v3_1_1),
        Field("reason string", 0x40, "0001 00", property: "1F"),
        Field("assigned client identifier", 0x20, "00 00", property: "12"),
        Field("response information", 0x20, "00 00", property: "1A"),
        Field("server reference", 0xE0, "9C", property: "1C"),
    ]

    @Test("may hold every scalar value but U+0000 [MQTT-1.5.4-1] (S07)", arguments: fields)
    func wellFormed(_ field: Field) {
        for string in Self.accepted {
            for (before, after) in Self.surroundings {
                let found = failure(field.packet(before + string + after), field.receiver, field.version)
                #expect(found == nil, "\(before + string + after)")
            }
        }
    }

    // [MQTT-1.5.7-1] [MQTT-3.3.2-13] [MQTT-3.3.2-19] [MQTT311-1.5.3-1] [MQTT311-1.5.3-2]
    @Test("must be well-formed and without U+0000 [MQTT-1.5.4-1] [MQTT-1.5.4-2] (S07)", arguments: fields)
    func illFormed(_ field: Field) {
        for string in Self.refused {
            for (before, after) in Self.surroundings {
                let found = failure(field.packet(before + string + after), field.receiver, field.version)
                #expect(found?.reasonCode == .malformedPacket, "\(before + string + after)")
            }
        }
    }

    /// The same character at other places of the eight bytes that the ASCII path looks at together.
    static let surroundings: [([UInt8], [UInt8])] = [
        ([], []), ([0x61], [0x62]), (Array("abcdefg".utf8), []), (Array("abcdefgh".utf8), Array("ijklmnopq".utf8)),
        ([], Array("abcdefghijkl".utf8)), (Array("abcdef".utf8), Array("gh".utf8)),
    ]

    @Test("is kept byte for byte, a leading U+FEFF included [MQTT-1.5.4-3] [MQTT311-1.5.3-3]")
    func byteOrderMark() throws {
        let packet = try decoded(ByteBuffer(packet: 0xA2, "0001 0004 EFBBBF61"), .server, .v3_1_1)
        #expect(packet == .unsubscribe(Unsubscribe(packetIdentifier: 1, filters: ["\u{FEFF}a"])))
        guard case .unsubscribe(let unsubscribe) = packet else { return }
        #expect(Array(unsubscribe.filters[0].utf8) == [0xEF, 0xBB, 0xBF, 0x61])
    }

    @Test("with U+0000 anywhere among ASCII is found out", arguments: 0..<40)
    func nullPosition(_ position: Int) {
        var bytes = [UInt8](repeating: 0x61, count: 40)
        bytes[position] = 0
        #expect(UTF8Validation.verdict(on: bytes.span, from: 0, to: 40) == .holdsNull)
    }

    @Test("agrees with the standard library on random bytes")
    func random() {
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<20_000 {
            let leads: [UInt8] = [0x41, 0x7F, 0x80, 0x9F, 0xA0, 0xBF, 0xC2, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5]
            let bytes = (0..<Int.random(in: 1...12, using: &generator)).map { _ in
                leads.randomElement(using: &generator) ?? 0x41
            }
            let isWellFormed = UTF8Validation.verdict(on: bytes.span, from: 0, to: bytes.count) == .wellFormed
            #expect(isWellFormed == (String(validating: bytes, as: UTF8.self) != nil), "\(bytes)")
        }
    }
}
