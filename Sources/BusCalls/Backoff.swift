import BusContract

/// How long to wait between attempts: doubled each time, up to a bound, and spread by a fifth so that tasks that failed
/// together do not come back together.
package struct Backoff: Sendable, Equatable {
    package var baseMilliseconds: UInt64 = 1000
    package var maximumMilliseconds: UInt64 = 60_000
    package var jitter = 0.2

    /// However a client spells it, no task comes back sooner (a tenth of a second) or later (a day).
    private static let shortestMilliseconds: UInt64 = 100
    private static let longestMilliseconds: UInt64 = 86_400_000

    package init() {}

    /// Reads `base=1000;max=60000;jitter=0.2`; parts that are missing or unreadable keep their defaults.
    package init(parsing text: String) {
        for part in text.split(separator: ";") {
            let pair = part.split(separator: "=", maxSplits: 1)
            guard pair.count == 2 else { continue }
            switch pair[0] {
            case "base": self.baseMilliseconds = UInt64(pair[1]) ?? self.baseMilliseconds
            case "max": self.maximumMilliseconds = UInt64(pair[1]) ?? self.maximumMilliseconds
            case "jitter": self.jitter = Double(pair[1]).map { min(1, max(0, $0)) } ?? self.jitter
            default: break
            }
        }
    }

    /// The spread comes from a hash of the task and the attempt, so that a replay waits as long as the original.
    func nanoseconds(afterAttempt attempt: Int, of identifier: String) -> UInt64 {
        let doublings = min(20, max(0, attempt - 1))
        let (product, overflow) = self.baseMilliseconds.multipliedReportingOverflow(by: 1 << UInt64(doublings))
        let milliseconds = min(overflow ? .max : product, self.maximumMilliseconds, Self.longestMilliseconds)
        var hash = StableHash()
        hash.combine(identifier)
        hash.combine(UInt32(truncatingIfNeeded: attempt))
        let spread = 1 + self.jitter * (Double(hash.value % 2001) / 1000 - 1)
        let wait = UInt64(Double(milliseconds) * 1_000_000 * spread)
        return max(wait, Self.shortestMilliseconds * 1_000_000)
    }
}
