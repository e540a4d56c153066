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

    /// A login failed; returns the ban that it met or brought.
    package mutating func failed(_ address: String, now: UInt64) -> Ban? {
        self.ledger.attempt(AddressKey(address), now: now)
    }

    package mutating func succeeded(_ address: String) {
        self.ledger.clear(AddressKey(address))
    }

    /// The ban that this address is under.
    package func ban(of address: String, now: UInt64) -> Ban? {
        self.ledger.ban(of: AddressKey(address), now: now)
    }

    /// The addresses remembered.
    package var trackedCount: Int { self.ledger.count }
}
