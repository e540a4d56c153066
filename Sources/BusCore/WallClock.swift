import BusSession

/// The wall clock against the broker's own: what outlives the process is stored in milliseconds since 1970.
struct WallClock: Sendable {
    private var milliseconds: Int64 = 0
    private var instant = Timestamp(nanoseconds: 0)

    /// - Parameter milliseconds: what the wall clock shows at `instant`.
    init(milliseconds: Int64 = 0, at instant: Timestamp = Timestamp(nanoseconds: 0)) {
        self.milliseconds = milliseconds
        self.instant = instant
    }

    /// `nil` for what never ends.
    func milliseconds(at instant: Timestamp) -> Int64? {
        guard instant < .never else { return nil }
        let ahead = Int64(clamping: instant.nanoseconds(since: self.instant) / 1_000_000)
        let behind = Int64(clamping: self.instant.nanoseconds(since: instant) / 1_000_000)
        return self.milliseconds &+ ahead &- behind
    }

    func instant(of milliseconds: Int64?) -> Timestamp {
        guard let milliseconds else { return .never }
        let (ahead, overflow) = milliseconds.subtractingReportingOverflow(self.milliseconds)
        if overflow { return milliseconds > 0 ? .never : Timestamp(nanoseconds: 0) }
        if ahead >= 0 { return self.instant.adding(milliseconds: UInt64(ahead)) }
        let (nanoseconds, isLong) = ahead.magnitude.multipliedReportingOverflow(by: 1_000_000)
        guard !isLong, nanoseconds <= self.instant.nanoseconds else { return Timestamp(nanoseconds: 0) }
        return Timestamp(nanoseconds: self.instant.nanoseconds - nanoseconds)
    }
}
