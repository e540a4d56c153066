import Foundation

/// Measurements beside each other, as a table for people.
package struct Report {
    package static let heading = [
        "work", "broker", "per second", "CPU us", "p50 us", "p90 us", "p99 us", "p99.9 us", "max us", "lost", "dup",
        "reord", "bad", "rate ratio", "CPU ratio",
    ]

    private var table = BenchTable(Report.heading, wordColumns: 2)
    private var notes: [String] = []
    /// What the broker under test did wrong.
    package private(set) var faults = Faults()

    package init() {}

    /// What could not be measured.
    package mutating func note(failures: [String]) {
        self.notes += failures
    }

    /// One row for each contender that did the work: medians of its rounds, and how the first compares to it.
    package mutating func add(_ results: [[BenchResult]]) {
        guard let ours = results.first else { return }
        for (index, runs) in results.enumerated() where !runs.isEmpty {
            let peer = index == 0 ? nil : runs
            self.table.add(Self.row(runs, isFirst: index == 0 || ours.isEmpty) + Self.ratios(ours, by: peer))
            self.note(runs)
        }
        for run in ours { self.faults += run.faults }
    }

    private static func row(_ runs: [BenchResult], isFirst: Bool) -> [String] {
        guard let first = runs.first else { return [] }
        var faults = Faults()
        for run in runs { faults += run.faults }
        let latency = Self.medianLatency(runs)
        let costs = runs.compactMap(\.brokerMicroseconds)
        let rest = faults.misrouted + faults.corrupted + faults.refused + faults.disconnected
        return [
            isFirst ? first.work : "", first.broker, FigureText.whole(Ratio.median(runs.map(\.rate))),
            FigureText.text(costs.isEmpty ? nil : Ratio.median(costs)), FigureText.microseconds(latency?.p50),
            FigureText.microseconds(latency?.p90), FigureText.microseconds(latency?.p99),
            FigureText.microseconds(latency?.p999), FigureText.microseconds(latency?.maximum), "\(faults.lost)",
            "\(faults.duplicated)", "\(faults.reordered)", "\(rest)",
        ]
    }

    /// Medians of each percentile, and the largest maximum.
    private static func medianLatency(_ runs: [BenchResult]) -> LatencySummary? {
        let all = runs.compactMap(\.latency)
        guard let largest = all.map(\.maximum).max() else { return nil }
        func median(_ path: KeyPath<LatencySummary, UInt64>) -> UInt64 {
            UInt64(Ratio.median(all.map { Double($0[keyPath: path]) }))
        }
        return LatencySummary(
            count: all.reduce(0) { $0 + $1.count }, p50: median(\.p50), p90: median(\.p90), p99: median(\.p99),
            p999: median(\.p999), maximum: largest)
    }

    /// How many times as fast the first is as this one, and how many times its CPU this one takes.
    private static func ratios(_ ours: [BenchResult], by peer: [BenchResult]?) -> [String] {
        guard let peer else { return ["", ""] }
        let rate = Ratio(ours.map(\.rate), by: peer.map(\.rate))
        let cost = Ratio(peer.map { $0.brokerMicroseconds ?? 0 }, by: ours.map { $0.brokerMicroseconds ?? 0 })
        return [rate?.text ?? "-", cost?.text ?? "-"]
    }

    private mutating func note(_ runs: [BenchResult]) {
        guard let first = runs.first else { return }
        let name = "\(first.work), \(first.broker)"
        let extras = first.extras.indices.map { index in
            let values = runs.compactMap { $0.extras.indices.contains(index) ? $0.extras[index].value : nil }
            return "\(first.extras[index].name) \(FigureText.whole(Ratio.median(values)))"
        }
        if !extras.isEmpty { self.notes.append("\(name): \(extras.joined(separator: ", "))") }
        let busiest = runs.max { $0.clientBusy < $1.clientBusy }
        if let busiest, busiest.isSaturated {
            let percent = Int(busiest.clientBusy * 100)
            let cost = FigureText.text(busiest.clientMicroseconds)
            self.notes.append(
                "\(name): the generator was saturated (\(percent) % of a CPU, \(cost) us each): the rate is its own limit"
            )
        }
        var faults = Faults()
        for run in runs { faults += run.faults }
        if !faults.isClean { self.notes.append("\(name): \(faults.description)") }
    }

    package var isEmpty: Bool { self.table.isEmpty && self.notes.isEmpty }

    package var text: String {
        ([self.table.text] + (self.notes.isEmpty ? [] : [""]) + self.notes).joined(separator: "\n")
    }
}
