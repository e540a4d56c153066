/// From which count on somebody has to wait, and how long.
package struct BanRule: Equatable, Sendable {
    /// This many attempts within the window bring a ban.
    package var attemptsMax: Int
    package var window: Duration
    /// The same after a first ban, until the offender has been quiet for the longest ban.
    package var attemptsMaxAfterBan: Int
    /// Each further ban lasts twice as long.
    package var firstBan: Duration
    package var longestBan: Duration
    /// The offenders remembered at a time; one more, and the one that was quiet longest is forgotten.
    package var trackedMax: Int

    package init(
        attemptsMax: Int, window: Duration, attemptsMaxAfterBan: Int? = nil, bans: ClosedRange<Duration>,
        trackedMax: Int = 10_000
    ) {
        precondition(attemptsMax > 0, "a rule that bans before the first attempt lets nobody in")
        self.attemptsMax = attemptsMax
        self.window = window
        self.attemptsMaxAfterBan = max(1, attemptsMaxAfterBan ?? attemptsMax)
        self.firstBan = bans.lowerBound
        self.longestBan = bans.upperBound
        self.trackedMax = trackedMax
    }
}

/// Counts attempts by key in a sliding window and bans who makes too many.
///
/// | record | attempt | becomes |
/// |---|---|---|
/// | none, counting | fewer than allowed in the window | counting |
/// | counting | one more | banned for the first ban |
/// | banned | in flight when the ban began: not counted | banned |
/// | after a ban | as many as allowed after a ban | banned for twice the time, up to the longest |
/// | after a ban | quiet for the longest ban | none |
struct AttemptLedger<Key: Hashable & Sendable>: Sendable {
    private struct Record: Sendable {
        /// When the attempts within the window came, oldest first; never more than the rule allows.
        var attempts: [UInt64] = []
        var bans = 0
        var bannedUntil: UInt64 = 0
    }

    private let rule: BanRule
    private let window: UInt64
    private let firstBan: UInt64
    private let longestBan: UInt64
    private var records: BoundedTable<Key, Record>

    init(_ rule: BanRule) {
        self.rule = rule
        self.window = rule.window.nanosecondsClamped
        self.firstBan = rule.firstBan.nanosecondsClamped
        self.longestBan = rule.longestBan.nanosecondsClamped
        self.records = BoundedTable(countMax: rule.trackedMax)
    }

    var count: Int { self.records.count }

    /// One more attempt; returns the nanoseconds that are left of the ban that it met or brought, 0 for none.
    mutating func attempt(_ key: Key, now: UInt64) -> UInt64 {
        var record = self.records.value(for: key) ?? Record()
        if now < record.bannedUntil { return record.bannedUntil - now }
        if record.bans > 0, now - record.bannedUntil >= self.longestBan { record = Record() }
        record.attempts.removeAll { $0 > now || now - $0 >= self.window }
        record.attempts.append(now)
        let allowed = record.bans == 0 ? self.rule.attemptsMax : self.rule.attemptsMaxAfterBan
        if record.attempts.count >= allowed {
            let (until, isOverflown) = now.addingReportingOverflow(self.length(after: record.bans))
            record.bannedUntil = isOverflown ? .max : until
            record.bans += 1
            record.attempts = []
        }
        self.records.set(record, for: key)
        return record.bannedUntil > now ? record.bannedUntil - now : 0
    }

    /// The nanoseconds that are left of the key's ban, 0 for none.
    func remainingBan(of key: Key, now: UInt64) -> UInt64 {
        guard let record = self.records.value(for: key), now < record.bannedUntil else { return 0 }
        return record.bannedUntil - now
    }

    mutating func clear(_ key: Key) {
        self.records.remove(key)
    }

    private func length(after bans: Int) -> UInt64 {
        let (length, isOverflown) = self.firstBan.multipliedReportingOverflow(by: 1 << UInt64(min(bans, 62)))
        return isOverflown ? self.longestBan : min(length, self.longestBan)
    }
}

extension Duration {
    /// Whole nanoseconds; what is negative is none, and what does not fit, the most that does.
    var nanosecondsClamped: UInt64 {
        let (seconds, attoseconds) = self.components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let (whole, isOverflown) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, isOverflownToo) = whole.addingReportingOverflow(UInt64(attoseconds) / 1_000_000_000)
        return isOverflown || isOverflownToo ? .max : sum
    }
}
