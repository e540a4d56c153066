/// When paced work is due: at a fixed rate from the start, whatever happens.
///
/// A latency is counted from the moment an item was due, not from the moment it was sent: a broker that stalls cannot
/// hide its stall by keeping the generator from sending (no coordinated omission).
package struct Schedule: Sendable {
    private let start: UInt64
    private let interval: Double
    private var taken: UInt64 = 0

    /// - Parameters:
    ///   - start: when the first item is due, in nanoseconds.
    ///   - rate: items per second, above 0.
    package init(start: UInt64, rate: Double) {
        precondition(rate > 0, "a rate is checked when the options are read")
        self.start = start
        self.interval = 1_000_000_000 / rate
    }

    /// When the next item is due.
    package var nextDue: UInt64 { self.start + UInt64(Double(self.taken) * self.interval) }

    /// When the next item was due, if that is not later than `now`; then the one after it is next.
    package mutating func take(now: UInt64) -> UInt64? {
        let due = self.nextDue
        guard due <= now else { return nil }
        self.taken += 1
        return due
    }
}
