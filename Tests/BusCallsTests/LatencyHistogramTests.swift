import Testing

@testable import BusCalls

@Suite("Latency histogram")
struct LatencyHistogramTests {
    @Test("A quantile is never below the true one and at most an eighth above", arguments: [0.0, 0.5, 0.9, 0.99, 1.0])
    func quantiles(_ quantile: Double) {
        var random = SeededGenerator(seed: 42)
        var histogram = LatencyHistogram()
        // From 8 microseconds to about 18 minutes, evenly over the magnitudes.
        let values = (0..<10_000).map { _ in
            8_000 << (random.next() % 27) + random.next() % 8_000
        }
        for value in values { histogram.record(nanoseconds: value) }
        let rank = max(1, Int((Double(values.count) * quantile).rounded(.up)))
        let exact = Double(values.sorted()[rank - 1])
        let found = Double(histogram.nanoseconds(atQuantile: quantile))
        // Whole microseconds are counted: that is the eighth of the smallest value.
        #expect(found >= exact && found <= exact * 1.125 + 1_000, "\(found) for \(exact)")
    }

    @Test("Every magnitude has its bucket", arguments: 3..<39)
    func magnitudes(_ exponent: Int) {
        for step in 0..<16 {
            var histogram = LatencyHistogram()
            let microseconds = (UInt64(16 + step) << UInt64(exponent)) / 16
            histogram.record(nanoseconds: microseconds * 1_000)
            histogram.record(nanoseconds: .max / 4)
            let found = Double(histogram.nanoseconds(atQuantile: 0.5))
            let exact = Double(microseconds) * 1_000
            #expect(found > exact && found <= exact * 1.125, "\(found) for \(exact)")
        }
    }

    @Test("What lies beyond the last bucket counts as the greatest value")
    func beyond() {
        var histogram = LatencyHistogram()
        let greatest = UInt64.max / 4
        for value in [1_000, greatest, greatest] { histogram.record(nanoseconds: value) }
        #expect(histogram.nanoseconds(atQuantile: 0.99) == greatest)
        #expect(histogram.maximumNanoseconds == greatest)
    }

    @Test("Count, mean and maximum are exact; an empty histogram is all zero")
    func moments() {
        var histogram = LatencyHistogram()
        #expect(histogram.meanNanoseconds == 0 && histogram.nanoseconds(atQuantile: 0.5) == 0)
        for value in [100, 200, 600] as [UInt64] { histogram.record(nanoseconds: value) }
        #expect(histogram.count == 3)
        #expect(histogram.meanNanoseconds == 300)
        #expect(histogram.maximumNanoseconds == 600)
    }
}
