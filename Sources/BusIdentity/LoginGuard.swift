/// Slows down whoever guesses passwords: five failures from an address within a minute, and it has to wait.
///
/// The first ban lasts one second, each further failure doubles it up to ten minutes; a success, or ten minutes without
/// a failure, clears the address. Bans are by address, not by user, so that nobody can lock another one out by name.
package struct LoginGuard: Sendable {
    package static let standard = BanRule(
        attemptsMax: 5, window: .seconds(60), attemptsMaxAfterBan: 1, bans: .seconds(1)...(.seconds(600)))

    private var ledger: AttemptLedger<AddressKey>

    package init(_ rule: BanRule = Self.standard) {
        self.ledger = AttemptLedger(rule)
    }

    /// A login failed; returns the nanoseconds of the ban that this met or brought, 0 for none.
    package mutating func failed(_ address: String, now: UInt64) -> UInt64 {
        self.ledger.attempt(AddressKey(address), now: now)
    }

    package mutating func succeeded(_ address: String) {
        self.ledger.clear(AddressKey(address))
    }

    /// The nanoseconds that this address has to wait, 0 when it may try.
    package func remainingBan(of address: String, now: UInt64) -> UInt64 {
        self.ledger.remainingBan(of: AddressKey(address), now: now)
    }

    /// The addresses remembered.
    package var trackedCount: Int { self.ledger.count }
}
