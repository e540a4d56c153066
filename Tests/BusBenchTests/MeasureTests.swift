import BusWire
import Testing

@testable import BusBench

@Suite("Latency histogram")
struct LatencyHistogramTests {
    @Test("A percentile is off by less than one part in 128", arguments: [1, 100, 127, 128, 5_000, 1_234_567, 1 << 40])
    func precision(_ value: UInt64) {
        var histogram = LatencyHistogram()
        histogram.add(value)
        histogram.add(value * 2)
        let found = histogram.value(at: 0.5)
        let difference = found > value ? found - value : value - found
        #expect(Double(difference) <= Double(value) / 128)
    }

    @Test("Percentiles rank what was counted")
    func ranks() throws {
        var histogram = LatencyHistogram()
        for value in 1...100 { histogram.add(UInt64(value)) }
        let summary = try #require(histogram.summary)
        #expect(summary.count == 100)
        #expect((summary.p50, summary.p90, summary.p99, summary.maximum) == (50, 90, 99, 100))
    }

    @Test("The largest values are not reported above the maximum")
    func largest() {
        var histogram = LatencyHistogram()
        histogram.add(.max)
        #expect(histogram.value(at: 0.999) <= histogram.maximum)
        #expect(histogram.maximum == .max)
    }

    @Test("Nothing counted has no summary")
    func empty() {
        #expect(LatencyHistogram().summary == nil)
        #expect(LatencyHistogram().value(at: 0.5) == 0)
    }
}

@Suite("Sequence tracker")
struct SequenceTrackerTests {
    @Test("Numbers in their order miss nothing")
    func inOrder() {
        var tracker = SequenceTracker()
        for number in 0..<10 { #expect(tracker.see(UInt64(number)) == .inOrder) }
        #expect(tracker.missingCount(of: 10) == 0)
        #expect(tracker.missingCount(of: 12) == 2)
    }

    @Test("A gap is missing until it is filled, and filling it is out of order")
    func gap() {
        var tracker = SequenceTracker()
        _ = tracker.see(0)
        #expect(tracker.see(5) == .inOrder)
        #expect(tracker.missingCount(of: 6) == 4)
        #expect(tracker.see(3) == .late)
        #expect(tracker.missingCount(of: 6) == 3)
        for number in [1, 2, 4] { #expect(tracker.see(UInt64(number)) == .late) }
        #expect(tracker.missingCount(of: 6) == 0)
    }

    @Test("A number seen before is a duplicate, also inside a filled gap", arguments: [0, 3, 5] as [UInt64])
    func duplicate(_ number: UInt64) {
        var tracker = SequenceTracker()
        for seen in [0, 5, 3] as [UInt64] { _ = tracker.see(seen) }
        #expect(tracker.see(number) == .duplicate)
    }

    @Test("Any shuffle of a sequence ends with nothing missing", arguments: 0..<20 as Range<UInt64>)
    func shuffles(_ seed: UInt64) {
        var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        var numbers = Array(0..<200 as Range<UInt64>)
        for index in numbers.indices.reversed() {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            numbers.swapAt(index, Int(state >> 33) % (index + 1))
        }
        var tracker = SequenceTracker()
        for number in numbers { #expect(tracker.see(number) != .duplicate) }
        #expect(tracker.missingCount(of: 200) == 0)
        for number in numbers { #expect(tracker.see(number) == .duplicate) }
    }

    @Test("Members of a group see each number once, each in its order")
    func shared() {
        var tracker = SharedTracker(memberCount: 2)
        #expect(tracker.see(0, by: 0) == .inOrder)
        #expect(tracker.see(5000, by: 1) == .inOrder)
        #expect(tracker.see(7, by: 0) == .inOrder)
        #expect(tracker.see(6, by: 0) == .late)
        #expect(tracker.see(5000, by: 0) == .duplicate)
        #expect(tracker.seenCount == 4)
    }
}

@Suite("Schedule")
struct ScheduleTests {
    @Test("Items are due at the rate, and none before its time")
    func rate() {
        var schedule = Schedule(start: 1000, rate: 1_000_000)
        #expect(schedule.take(now: 999) == nil)
        #expect(schedule.take(now: 1000) == 1000)
        #expect(schedule.take(now: 1000) == nil)
        #expect(schedule.nextDue == 2000)
    }

    @Test("After a stall all missed items are taken at once, each with the moment it was due")
    func stall() {
        var schedule = Schedule(start: 0, rate: 1_000_000)
        var due: [UInt64] = []
        while let moment = schedule.take(now: 4500) { due.append(moment) }
        #expect(due == [0, 1000, 2000, 3000, 4000])
    }

    @Test("An interval that is no whole number of nanoseconds does not drift")
    func drift() {
        var schedule = Schedule(start: 0, rate: 30_000)
        for _ in 0..<3_000_000 { _ = schedule.take(now: .max) }
        #expect(abs(Int64(schedule.nextDue) - 100_000_000_000) <= 1)
    }
}

@Suite("Ratio and exponent")
struct RatioTests {
    @Test("The ratio is the median of the rounds, with the lowest and the highest")
    func median() throws {
        let ratio = try #require(Ratio([200, 300, 100], by: [100, 100, 100]))
        #expect((ratio.median, ratio.lowest, ratio.highest) == (2, 1, 3))
        #expect(ratio.text == "2.00x (1.00-3.00)")
    }

    @Test("Rounds are compared with their own partner, so what slows both leaves the ratio alone")
    func paired() throws {
        let ratio = try #require(Ratio([200, 20], by: [100, 10]))
        #expect((ratio.lowest, ratio.highest) == (2, 2))
    }

    @Test("Without a round in which both did something there is no ratio")
    func none() {
        #expect(Ratio([], by: []) == nil)
        #expect(Ratio([1], by: [0]) == nil)
    }

    @Test("An even number of values has the middle of the middle two as median")
    func evenMedian() {
        #expect(Ratio.median([4, 1, 3, 2]) == 2.5)
        #expect(Ratio.median([]) == 0)
    }

    @Test("The exponent of a power law is found", arguments: [0, 0.5, 1, 2])
    func exponent(_ exponent: Double) throws {
        let points = [1.0, 2, 4, 8, 16].map { (size: $0, cost: 3 * $0) }
        // In proportion to the size: exponent 1; taken to a power, that power.
        let raised = points.map { (size: $0.size, cost: Self.power($0.cost, exponent)) }
        let law = try #require(PowerLaw(raised))
        #expect(abs(law.exponent - exponent) < 1e-9)
    }

    private static func power(_ value: Double, _ exponent: Double) -> Double {
        switch exponent {
        case 0: 1
        case 0.5: value.squareRoot()
        case 1: value
        default: value * value
        }
    }

    @Test("One size has no exponent")
    func oneSize() {
        #expect(PowerLaw([(size: 4, cost: 1)]) == nil)
        #expect(PowerLaw([(size: 4, cost: 1), (size: 4, cost: 2)]) == nil)
    }
}

@Suite("Comparison")
struct ComparisonTests {
    @Test("A broker that cannot be reached is told for each round, and the others are measured all the same")
    func failure() throws {
        let nobody = Contender.running(try BrokerAddress(url: "mqtt://127.0.0.1:1"))
        var asked: [String] = []
        let outcome = try Comparison(Workload("p2p", .p2p), [nobody, nobody], rounds: 2).run { asked.append($0) }
        #expect(asked.count == 4)
        #expect(outcome.results.map { $0.count } == [0, 0])
        #expect(outcome.failures.map { $0.count } == [2, 2])
        #expect(outcome.failures[0][0].hasPrefix("p2p, 127.0.0.1:1: no broker answers"))
    }

    @Test("What a contender cannot do is not asked of it")
    func objection() throws {
        var old = try BrokerAddress(url: "mqtt://127.0.0.1:1")
        old.version = .v3_1_1
        let outcome = try Comparison(Workload("shared", .shared), [.running(old)], rounds: 1).run { _ in }
        #expect(outcome.results.map { $0.count } == [0])
    }
}
