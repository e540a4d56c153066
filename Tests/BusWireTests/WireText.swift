import NIOCore

@testable import BusWire

extension ByteBuffer {
    /// Bytes written for people: hexadecimal, `'text'` for its bytes, `s'text'` for a string field with its length.
    init(wire: String) {
        self.init()
        for token in wire.split(separator: " ") {
            if token.hasPrefix("s'") {
                self.writeMQTTString(String(token.dropFirst(2).dropLast()))
            } else if token.hasPrefix("'") {
                self.writeString(String(token.dropFirst().dropLast()))
            } else {
                var digits = token[...]
                while !digits.isEmpty {
                    self.writeInteger(UInt8(digits.prefix(2), radix: 16) ?? 0xFF)
                    digits = digits.dropFirst(2)
                }
            }
        }
    }

    /// A packet of this first byte around a body, with the remaining length computed.
    init(packet firstByte: UInt8, _ body: String) {
        let bytes = ByteBuffer(wire: body)
        self.init(integer: firstByte)
        self.writeVariableByteInteger(bytes.readableBytes)
        self.writeImmutableBuffer(bytes)
    }

    /// As in the specification's figures, for readable expectations.
    var hex: String {
        self.readableBytesView.map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }
            .joined(separator: " ")
    }
}

/// One packet, alone in a buffer.
func encoded(_ packet: Packet, _ version: ProtocolVersion) -> ByteBuffer {
    var buffer = ByteBuffer()
    buffer.writePacket(packet, version: version)
    return buffer
}

/// Decodes the first packet as the given end would.
func decoded(
    _ bytes: ByteBuffer, _ role: PacketDecoder.Role, _ version: ProtocolVersion?, maximum: Int = 1 << 20
) throws(DecodingFailure) -> Packet? {
    var decoder = PacketDecoder(role: role, maximumPacketSize: maximum, version: version)
    var buffer = bytes
    return try decoder.next(in: &buffer)
}

/// Why decoding fails, or `nil` when it does not.
func failure(
    _ bytes: ByteBuffer, _ role: PacketDecoder.Role, _ version: ProtocolVersion?, maximum: Int = 1 << 20
) -> DecodingFailure? {
    do throws(DecodingFailure) {
        _ = try decoded(bytes, role, version, maximum: maximum)
        return nil
    } catch {
        return error
    }
}

extension PacketIdentifier: ExpressibleByIntegerLiteral {
    package init(integerLiteral value: UInt16) {
        guard let identifier = PacketIdentifier(value) else { preconditionFailure("test identifiers are not zero") }
        self = identifier
    }
}

/// The generator of the random tests (SplitMix64), so that a failure repeats from its seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        self.state = seed
    }

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
