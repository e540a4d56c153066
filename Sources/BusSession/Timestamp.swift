/// An instant on the broker's monotonic clock, in nanoseconds since an arbitrary origin.
///
/// Pure rooms never read a clock: every input that may depend on time carries `now`.
package struct Timestamp: Hashable, Comparable, Sendable {
    package let nanoseconds: UInt64

    package init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    /// Later than every instant: the deadline of what never ends.
    package static let never = Timestamp(nanoseconds: .max)

    package static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// The instant `seconds` later; saturates at `never`.
    package func adding(seconds: UInt64) -> Timestamp {
        let (duration, durationOverflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, sumOverflow) = self.nanoseconds.addingReportingOverflow(duration)
        return durationOverflow || sumOverflow ? .never : Timestamp(nanoseconds: sum)
    }

    /// The instant `milliseconds` later; saturates at `never`.
    package func adding(milliseconds: UInt64) -> Timestamp {
        let (duration, durationOverflow) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
        let (sum, sumOverflow) = self.nanoseconds.addingReportingOverflow(duration)
        return durationOverflow || sumOverflow ? .never : Timestamp(nanoseconds: sum)
    }

    /// Nanoseconds from `earlier` to this instant, 0 if `earlier` is later.
    package func nanoseconds(since earlier: Timestamp) -> UInt64 {
        self.nanoseconds > earlier.nanoseconds ? self.nanoseconds - earlier.nanoseconds : 0
    }

    /// Whole seconds left until this instant, rounded up, so that a message with any life left says at least 1.
    package func secondsLeft(at now: Timestamp) -> UInt32 {
        let left = self.nanoseconds(since: now)
        return UInt32(clamping: left / 1_000_000_000 + (left % 1_000_000_000 == 0 ? 0 : 1))
    }
}
