import BusCore

/// How far a delivery is, as one number that can be rewritten alone: 16 bits of packet identifier, 8 of phase, 24 of
/// check value. SQLite keeps it in six bytes.
struct DeliveryState {
    var packetIdentifier: UInt16
    var phase: StoredDelivery.Phase

    init(packetIdentifier: UInt16, phase: StoredDelivery.Phase) {
        self.packetIdentifier = packetIdentifier
        self.phase = phase
    }

    /// Nil when the number is not one that was made for this delivery.
    init?(sealed value: UInt64, session: UInt64, order: UInt64) {
        guard let phase = StoredDelivery.Phase(rawValue: UInt8(truncatingIfNeeded: value >> 16)) else { return nil }
        self.init(packetIdentifier: UInt16(truncatingIfNeeded: value), phase: phase)
        guard self.sealed(session: session, order: order) == value else { return nil }
    }

    func sealed(session: UInt64, order: UInt64) -> UInt64 {
        let plain = UInt64(self.packetIdentifier) | UInt64(self.phase.rawValue) << 16
        var seal = Seal()
        seal.add(session)
        seal.add(order)
        seal.add(plain)
        return plain | UInt64(seal.value & 0xFF_FFFF) << 24
    }
}

extension StoredDelivery {
    /// Four bytes for each Subscription Identifier, the lowest first.
    var identifierBytes: [UInt8] {
        self.identifiers.flatMap { identifier in (0..<4).map { UInt8(truncatingIfNeeded: identifier >> ($0 * 8)) } }
    }

    /// Nil when the bytes are no whole number of identifiers.
    static func identifiers(from bytes: [UInt8]) -> [UInt32]? {
        guard bytes.count.isMultiple(of: 4) else { return nil }
        return stride(from: 0, to: bytes.count, by: 4).map { start in
            (0..<4).reduce(0) { $0 | UInt32(bytes[start + $1]) << UInt32($1 * 8) }
        }
    }
}
