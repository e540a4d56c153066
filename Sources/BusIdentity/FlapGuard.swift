/// Keeps out clients that connect over and over, such as two devices with one client identifier that take each other's
/// session.
package struct FlapGuard: Sendable {
    /// A client identifier may have 64 KiB, so its hash is kept instead; its seed is this process's secret.
    private var ledger: AttemptLedger<Int>?

    /// - Parameter count: the connections within a minute that bring a ban of five minutes; 0: none do.
    package init(perMinute count: Int) {
        guard count > 0 else { return }
        self.ledger = AttemptLedger(
            BanRule(attemptsMax: count, window: .seconds(60), bans: .seconds(300)...(.seconds(300))))
    }

    /// A client connected; returns the nanoseconds of the ban that this met or brought, 0 for none.
    package mutating func connected(_ client: String, now: UInt64) -> UInt64 {
        self.ledger?.attempt(client.utf8.elementsHash, now: now) ?? 0
    }

    /// The nanoseconds that this client has to wait, 0 when it may connect.
    package func remainingBan(of client: String, now: UInt64) -> UInt64 {
        self.ledger?.remainingBan(of: client.utf8.elementsHash, now: now) ?? 0
    }
}

extension String.UTF8View {
    /// Of the bytes: the hash of a string is that of its normal form, which MQTT does not know.
    fileprivate var elementsHash: Int {
        var hasher = Hasher()
        for byte in self { hasher.combine(byte) }
        return hasher.finalize()
    }
}
