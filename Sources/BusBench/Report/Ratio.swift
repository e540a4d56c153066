import Foundation

/// How one broker compares to another: a ratio from each round of measurements that were made in turns, so that
/// whatever else the machine did harmed both.
package struct Ratio: Sendable, Equatable {
    package let median: Double
    package let lowest: Double
    package let highest: Double

    /// `nil` without a single round in which both are above 0.
    package init?(_ numerators: [Double], by denominators: [Double]) {
        let rounds = zip(numerators, denominators).filter { $0 > 0 && $1 > 0 }.map { $0 / $1 }.sorted()
        guard let lowest = rounds.first, let highest = rounds.last else { return nil }
        self.lowest = lowest
        self.highest = highest
        self.median = Self.median(ofSorted: rounds)
    }

    package static func median(_ values: [Double]) -> Double {
        values.isEmpty ? 0 : Self.median(ofSorted: values.sorted())
    }

    private static func median(ofSorted values: [Double]) -> Double {
        let middle = values.count / 2
        return values.count % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2
    }

    /// `2.1x (1.9-2.4)`; one round has no spread.
    package var text: String {
        let spread = self.lowest == self.highest ? "" : String(format: " (%.2f-%.2f)", self.lowest, self.highest)
        return String(format: "%.2fx", self.median) + spread
    }
}

/// How a cost grows with a size: the exponent of the power law that fits best, the slope of a line through the
/// logarithms of both. 0: it does not grow; 1: in proportion.
package struct PowerLaw: Sendable, Equatable {
    package let exponent: Double

    /// `nil` with fewer than two different sizes.
    package init?(_ points: [(size: Double, cost: Double)]) {
        let logs = points.filter { $0.size > 0 && $0.cost > 0 }.map { (x: log($0.size), y: log($0.cost)) }
        let count = Double(logs.count)
        guard count >= 2 else { return nil }
        let meanX = logs.reduce(0) { $0 + $1.x } / count
        let meanY = logs.reduce(0) { $0 + $1.y } / count
        let spread = logs.reduce(0) { $0 + ($1.x - meanX) * ($1.x - meanX) }
        guard spread > 0 else { return nil }
        self.exponent = logs.reduce(0) { $0 + ($1.x - meanX) * ($1.y - meanY) } / spread
    }
}
