/// Keeps out clients that connect over and over, such as two devices with one client identifier that take each other's
/// session. Off unless a rule is given.
package struct FlapGuard: Sendable {
    /// Fifteen connections within a minute bring a ban of five minutes.
    package static let standard = BanRule(
        attemptsMax: 15, window: .seconds(60), bans: .seconds(300)...(.seconds(300)))

    /// A client identifier may have 64 KiB, so its hash is kept instead; its seed is this process's secret.
    private var ledger: AttemptLedger<Int>?

    package init(_ rule: BanRule? = nil) {
        self.ledger = rule.map { AttemptLedger($0) }
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
