/// Slows down who guesses: failures are counted for each address, and beyond five in a minute the address is banned, for
/// one second first, twice as long each time after, at most ten minutes. A success clears the count.
///
/// IPv6 addresses count by their /64 network, which one household has to itself. At most `trackedMax` addresses are
/// known; when more come, the one that was heard of longest ago is forgotten.
package struct LoginGuard: Sendable {
    private struct Record: Sendable {
        var failures = 0
        var windowEnds: UInt64
        var bans = 0
        var bannedUntil: UInt64 = 0
        var lastHeard: UInt64
    }

    private static let failuresMax = 5
    private static let second: UInt64 = 1_000_000_000
    private static let window = 60 * Self.second
    private static let banMax = 600 * Self.second

    private var records: [String: Record] = [:]
    private let trackedMax: Int
    /// Logins refused without a look at their password.
    package private(set) var bannedCount = 0

    package init(trackedMax: Int = 10_000) {
        self.trackedMax = trackedMax
    }

    package var trackedCount: Int { self.records.count }

    /// Nanoseconds that the address has to wait, 0 when it may try.
    package mutating func remainingBan(of address: String, now: UInt64) -> UInt64 {
        guard let record = self.records[Self.key(address)], record.bannedUntil > now else { return 0 }
        self.bannedCount += 1
        return record.bannedUntil - now
    }

    /// Returns the length of the ban that this failure has brought, in nanoseconds; 0 for none yet.
    package mutating func failed(_ address: String, now: UInt64) -> UInt64 {
        let key = Self.key(address)
        if self.records[key] == nil, self.records.count >= self.trackedMax { self.forgetOldest() }
        var record = self.records[key] ?? Record(windowEnds: now + Self.window, lastHeard: now)
        if record.windowEnds <= now {
            record.failures = 0
            record.windowEnds = now + Self.window
        }
        record.failures += 1
        record.lastHeard = now
        var ban: UInt64 = 0
        if record.failures > Self.failuresMax {
            ban = min(Self.second << UInt64(min(record.bans, 10)), Self.banMax)
            record.bans += 1
            record.bannedUntil = now + ban
            // The count goes on through the ban: the next failure brings the next one.
            record.windowEnds = max(record.windowEnds, record.bannedUntil + Self.window)
        }
        self.records[key] = record
        return ban
    }

    package mutating func succeeded(_ address: String) {
        self.records[Self.key(address)] = nil
    }

    private mutating func forgetOldest() {
        guard let oldest = self.records.min(by: { $0.value.lastHeard < $1.value.lastHeard }) else { return }
        self.records[oldest.key] = nil
    }

    /// The part of an address that one person holds.
    static func key(_ address: String) -> String {
        guard address.contains(":"), !address.contains(".") else { return address }
        let halves = address.split(separator: "%")[0].components(separatedBy: "::")
        let left = halves[0].split(separator: ":").map(String.init)
        let right = halves.count > 1 ? halves[1].split(separator: ":").map(String.init) : []
        let zeros = halves.count > 1 ? Array(repeating: "0", count: max(0, 8 - left.count - right.count)) : []
        return (left + zeros + right).prefix(4).joined(separator: ":") + "::/64"
    }
}

extension Substring {
    /// Parts between a separator of several characters.
    fileprivate func components(separatedBy separator: String) -> [String] {
        var parts: [String] = []
        var rest = self
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}
