import Foundation

/// What one call or message cost this process.
struct Cost {
    var processorMicroseconds: Double
    /// Sleeps of its threads.
    var switches: Double
    var perSecond: Double

    static func of(_ count: Int, _ body: () async throws -> Void) async rethrows -> Cost {
        let before = Self.usage()
        try await body()
        return Cost(from: before, to: Self.usage(), count)
    }

    static func of(_ count: Int, _ body: () throws -> Void) rethrows -> Cost {
        let before = Self.usage()
        try body()
        return Cost(from: before, to: Self.usage(), count)
    }

    private typealias Usage = (processorMicroseconds: Double, switches: Int, clock: ContinuousClock.Instant)

    private init(processorMicroseconds: Double, switches: Double, perSecond: Double) {
        self.processorMicroseconds = processorMicroseconds
        self.switches = switches
        self.perSecond = perSecond
    }

    private init(from before: Usage, to after: Usage, _ count: Int) {
        self.processorMicroseconds = (after.processorMicroseconds - before.processorMicroseconds) / Double(count)
        self.switches = Double(after.switches - before.switches) / Double(count)
        self.perSecond = Double(count) / ((after.clock - before.clock) / .seconds(1))
    }

    private static func usage() -> Usage {
        var usage = rusage()
        _ = unsafe getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
        let times = [usage.ru_utime, usage.ru_stime]
        return (
            times.reduce(0) { $0 + Double($1.tv_sec) * 1_000_000 + Double($1.tv_usec) }, usage.ru_nvcsw, .now
        )
    }

    /// The one whose processor time is in the middle.
    static func median(_ costs: [Cost]) -> Cost {
        if costs.isEmpty { return Cost(processorMicroseconds: .nan, switches: .nan, perSecond: .nan) }
        return costs.sorted { $0.processorMicroseconds < $1.processorMicroseconds }[costs.count / 2]
    }

    var text: String {
        String(format: "%6.1f us %4.2f sleeps %6.0f/s", self.processorMicroseconds, self.switches, self.perSecond)
    }
}
