/// How long things took: counts in buckets that are 1/8 of a power of two wide, so that a percentile from 8
/// microseconds on is at most an eighth too high. Memory is fixed: 304 counts for everything from 1 microsecond to 12 days.
package struct LatencyHistogram: Sendable, Equatable {
    private static let stepsLog2 = 3
    private static let bucketCount = 304

    private var counts: [UInt32] = []
    package private(set) var count = 0
    package private(set) var totalNanoseconds: UInt64 = 0
    package private(set) var maximumNanoseconds: UInt64 = 0

    package init() {}

    package mutating func record(nanoseconds: UInt64) {
        if self.counts.isEmpty { self.counts = Array(repeating: 0, count: Self.bucketCount) }
        self.counts[Self.bucket(of: nanoseconds / 1000)] &+= 1
        self.count += 1
        self.totalNanoseconds &+= nanoseconds
        self.maximumNanoseconds = max(self.maximumNanoseconds, nanoseconds)
    }

    package var meanNanoseconds: UInt64 { self.count == 0 ? 0 : self.totalNanoseconds / UInt64(self.count) }

    /// The upper end of the bucket in which the `quantile` (0...1) lies, in nanoseconds.
    package func nanoseconds(atQuantile quantile: Double) -> UInt64 {
        guard self.count > 0 else { return 0 }
        let rank = max(1, Int((Double(self.count) * quantile).rounded(.up)))
        var seen = 0
        for (bucket, count) in self.counts.enumerated() {
            seen += Int(count)
            // The last bucket has no end.
            if seen >= rank, bucket < Self.bucketCount - 1 {
                return min(Self.upperEnd(of: bucket) * 1000, self.maximumNanoseconds)
            }
        }
        return self.maximumNanoseconds
    }

    private static func bucket(of microseconds: UInt64) -> Int {
        let steps = 1 << Self.stepsLog2
        guard microseconds >= UInt64(steps) else { return Int(microseconds) }
        let exponent = 63 - microseconds.leadingZeroBitCount
        let step = Int(microseconds >> UInt64(exponent - Self.stepsLog2)) & (steps - 1)
        return min((exponent - Self.stepsLog2 + 1) * steps + step, Self.bucketCount - 1)
    }

    private static func upperEnd(of bucket: Int) -> UInt64 {
        let steps = 1 << Self.stepsLog2
        guard bucket >= steps else { return UInt64(bucket + 1) }
        let exponent = bucket / steps - 1
        return UInt64(steps + bucket % steps + 1) << UInt64(exponent)
    }
}
