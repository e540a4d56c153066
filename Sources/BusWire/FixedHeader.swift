/// The first two to five bytes of a packet (MQTT 5.0, 2.1.1).
struct FixedHeader {
    var type: PacketType
    var flags: UInt8
    /// Index of the first byte after the header.
    var bodyStart: Int
    /// Length of the whole packet.
    var byteCount: Int
    /// False when the remaining length could be shorter, which MQTT 5.0 forbids [MQTT-1.5.5-1].
    var isMinimal: Bool

    /// Returns `nil` when bytes are missing. What can be refused is refused from the bytes there are.
    static func read(
        _ bytes: Span<UInt8>, version: ProtocolVersion?
    ) throws(DecodingFailure) -> FixedHeader? {
        guard bytes.count > 0 else { return nil }
        let flags = bytes[0] & 0x0F
        guard let type = PacketType(rawValue: bytes[0] >> 4) else {
            throw Violation.reservedPacketType.failure(version)
        }
        guard type == .publish || flags == type.requiredFlags || version == .v3_1 else {
            // MQTT 3.1 leaves the flags of the other packets undefined, and its clients set DUP here and there.
            throw Violation.reservedFlags(of: type).failure(version).attributed(to: type, version: version)
        }
        switch VariableByteInteger.read(bytes, at: 1, end: bytes.count) {
        case .needsMoreBytes: return nil
        case .tooLong: throw Violation.remainingLengthTooLong.failure(version).attributed(to: type, version: version)
        case .complete(let remaining):
            let bodyStart = 1 + remaining.byteCount
            return FixedHeader(
                type: type, flags: flags, bodyStart: bodyStart, byteCount: bodyStart + remaining.value,
                isMinimal: remaining.isMinimal)
        }
    }
}

extension PacketType {
    /// What the flags of every packet but PUBLISH must be [MQTT-2.1.3-1].
    var requiredFlags: UInt8 {
        switch self {
        case .pubRel, .subscribe, .unsubscribe: 0x02
        case .connect, .connAck, .publish, .pubAck, .pubRec, .pubComp, .subAck, .unsubAck, .pingReq, .pingResp,
            .disconnect, .auth:
            0x00
        }
    }
}
