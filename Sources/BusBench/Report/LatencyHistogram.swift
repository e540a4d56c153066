/// Counts durations in buckets whose width grows with the value: percentiles are off by less than 0.8 %, at a cost of
/// one increment each and 64 KiB in all.
package struct LatencyHistogram: Sendable {
    /// 128 buckets for every power of two.
    private static let precisionBits = 7
    private var buckets: [UInt64]
    package private(set) var count: UInt64 = 0
    package private(set) var maximum: UInt64 = 0

    package init() {
        self.buckets = Array(repeating: 0, count: (65 - Self.precisionBits) << Self.precisionBits)
    }

    package mutating func add(_ nanoseconds: UInt64) {
        self.buckets[Self.index(of: nanoseconds)] += 1
        self.count += 1
        if nanoseconds > self.maximum { self.maximum = nanoseconds }
    }

    package mutating func removeAll() {
        self = LatencyHistogram()
    }

    /// The value that a share `quantile` of all is not above; 0 when nothing was counted.
    package func value(at quantile: Double) -> UInt64 {
        guard self.count > 0 else { return 0 }
        let rank = max(1, min(self.count, UInt64((quantile * Double(self.count)).rounded(.up))))
        var seen: UInt64 = 0
        for (index, count) in self.buckets.enumerated() {
            seen += count
            if seen >= rank { return min(self.maximum, Self.middle(of: index)) }
        }
        return self.maximum
    }

    /// What is reported of a run, `nil` when nothing was counted.
    package var summary: LatencySummary? {
        guard self.count > 0 else { return nil }
        return LatencySummary(
            count: self.count, p50: self.value(at: 0.5), p90: self.value(at: 0.9), p99: self.value(at: 0.99),
            p999: self.value(at: 0.999), maximum: self.maximum)
    }

    private static func index(of value: UInt64) -> Int {
        guard value >= 1 << Self.precisionBits else { return Int(value) }
        let exponent = 63 - value.leadingZeroBitCount
        let shift = exponent - Self.precisionBits
        let fraction = Int(truncatingIfNeeded: value >> UInt64(shift)) & (1 << Self.precisionBits - 1)
        return (shift + 1) << Self.precisionBits + fraction
    }

    private static func middle(of index: Int) -> UInt64 {
        guard index >= 1 << Self.precisionBits else { return UInt64(index) }
        let shift = UInt64(index >> Self.precisionBits - 1)
        let fraction = UInt64(index & (1 << Self.precisionBits - 1))
        let lower = (1 << UInt64(Self.precisionBits) + fraction) << shift
        return lower + (1 << shift) / 2
    }
}

/// Percentiles in nanoseconds.
package struct LatencySummary: Sendable, Equatable {
    package var count: UInt64
    package var p50: UInt64
    package var p90: UInt64
    package var p99: UInt64
    package var p999: UInt64
    package var maximum: UInt64
}
