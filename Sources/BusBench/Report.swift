import Foundation

/// Measurements of two brokers beside each other.
package struct Report {
    private var rows: [[String]] = []

    package init() {
        self.rows = [["work", "broker", "messages/s", "CPU us/message", "rate ratio", "CPU ratio", "lost", "faults"]]
    }

    /// - Parameter pairs: for each round, ours and the peer's measurement; medians are printed.
    package mutating func add(ours: [BenchResult], peer: [BenchResult]) {
        guard let first = ours.first, let other = peer.first else { return }
        let rate = (Self.median(ours.map(\.rate)), Self.median(peer.map(\.rate)))
        let cpu = (Self.median(ours.map(\.brokerMicroseconds)), Self.median(peer.map(\.brokerMicroseconds)))
        self.add(first.scenario.name, ours, rate.0, cpu.0, ratios: (rate.0 / rate.1, cpu.1 / cpu.0))
        self.add("", peer, rate.1, cpu.1, ratios: nil)
        _ = other
    }

    private mutating func add(
        _ name: String, _ runs: [BenchResult], _ rate: Double, _ cpu: Double, ratios: (rate: Double, cpu: Double)?
    ) {
        self.rows.append([
            name, runs.first?.broker ?? "", Int(rate).formatted(.number.grouping(.automatic)),
            String(format: "%.2f", cpu), ratios.map { String(format: "%.1f x", $0.rate) } ?? "",
            ratios.map { String(format: "%.1f x", $0.cpu) } ?? "", "\(runs.reduce(0) { $0 + $1.lost })",
            "\(runs.reduce(0) { $0 + $1.faults })",
        ])
    }

    /// Lines of equal columns, numbers to the right.
    package var text: String {
        let widths = self.rows[0].indices.map { column in self.rows.map { $0[column].count }.max() ?? 0 }
        return self.rows.map { row in
            row.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                return column < 2 ? row[column] + padding : padding + row[column]
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }

    private static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        return sorted.isEmpty ? 0 : sorted[sorted.count / 2]
    }
}
