#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The minutes that came since the last look at the wall clock.
///
/// Schedules follow the wall clock minute by minute: a time that the change to summer time leaves out does not fire,
/// one that the change back repeats fires twice. After a pause of the machine or a jump of the clock the missed
/// minutes are not made up for, apart from a short lag.
struct MinuteWatch: Sendable {
    /// Minutes that may be made up for after a late wake-up.
    static let lagMax = 3

    private var last: Int

    /// - Parameter now: Seconds since 1970.
    init(now: Double) {
        self.last = Int((now / 60).rounded(.down))
    }

    /// Starts of the minutes to look at, in seconds since 1970, oldest first.
    mutating func advance(to now: Double) -> [Double] {
        let current = Int((now / 60).rounded(.down))
        // Set back by a little, as clocks are corrected: no minute may fire again.
        if current <= self.last, self.last - current <= Self.lagMax { return [] }
        let first = current > self.last && current - self.last <= Self.lagMax ? self.last + 1 : current
        self.last = current
        return (first...current).map { Double($0) * 60 }
    }

    /// Until the next minute begins, with a little more so that the look falls into it.
    static func untilNextMinute(_ now: Double) -> Duration {
        .milliseconds(Int(((now / 60).rounded(.down) * 60 + 60 - now) * 1_000) + 5)
    }

    static func civil(_ seconds: Double, _ calendar: Calendar) -> CivilMinute {
        let parts = calendar.dateComponents(
            [.month, .day, .weekday, .hour, .minute], from: Date(timeIntervalSince1970: seconds))
        return CivilMinute(
            month: parts.month ?? 1, day: parts.day ?? 1, dayOfWeek: (parts.weekday ?? 1) - 1, hour: parts.hour ?? 0,
            minute: parts.minute ?? 0)
    }
}
