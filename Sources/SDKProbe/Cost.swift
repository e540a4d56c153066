import CAllocationCount
import Foundation

/// What one call or message cost this process.
struct Cost {
    var processorMicroseconds: Double
    /// Sleeps of its threads.
    var switches: Double
    var perSecond: Double
    /// Blocks that it asked the C library for.
    var allocations: Double

    /// Of a side that was not measured.
    static let none = Cost(processorMicroseconds: .nan, switches: .nan, perSecond: .nan, allocations: .nan)

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

    private typealias Usage = (
        processorMicroseconds: Double, switches: Int, clock: ContinuousClock.Instant, allocations: UInt
    )

    private init(processorMicroseconds: Double, switches: Double, perSecond: Double, allocations: Double) {
        self.processorMicroseconds = processorMicroseconds
        self.switches = switches
        self.perSecond = perSecond
        self.allocations = allocations
    }

    private init(from before: Usage, to after: Usage, _ count: Int) {
        self.processorMicroseconds = (after.processorMicroseconds - before.processorMicroseconds) / Double(count)
        self.switches = Double(after.switches - before.switches) / Double(count)
        self.perSecond = Double(count) / ((after.clock - before.clock) / .seconds(1))
        self.allocations = Double(after.allocations - before.allocations) / Double(count)
    }

    private static func usage() -> Usage {
        var usage = rusage()
        _ = unsafe getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
        let times = [usage.ru_utime, usage.ru_stime]
        return (
            times.reduce(0) { $0 + Double($1.tv_sec) * 1_000_000 + Double($1.tv_usec) }, usage.ru_nvcsw, .now,
            callocation_count()
        )
    }

    /// The one whose processor time is in the middle.
    static func median(_ costs: [Cost]) -> Cost {
        if costs.isEmpty { return .none }
        return costs.sorted { $0.processorMicroseconds < $1.processorMicroseconds }[costs.count / 2]
    }

    var text: String {
        String(
            format: "%6.1f us %4.2f sleeps %4.0f allocations %6.0f/s", self.processorMicroseconds, self.switches,
            self.allocations, self.perSecond)
    }
}
