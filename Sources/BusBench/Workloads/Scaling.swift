/// How the cost of a message grows with the size of something: the same work at several sizes.
package struct ScalingSeries: Sendable {
    package let name: String
    /// What the size counts.
    package let measure: String
    package let points: [(size: Int, workload: Workload)]

    private init(
        _ name: String, _ measure: String, sizes: [Int], _ workload: Workload,
        _ change: (inout Workload, Int) -> Void
    ) {
        self.name = name
        self.measure = measure
        self.points = sizes.map { size in (size, workload.with { change(&$0, size) }) }
    }

    /// - Parameter isQuick: fewer and smaller sizes.
    package static func all(isQuick: Bool) -> [ScalingSeries] {
        let pair = Workload("pair", .p2p)
        return [
            ScalingSeries(
                "fan-out", "subscribers", sizes: [1, 10, 100] + (isQuick ? [] : [1000]), Workload("f", .fanout)
            ) {
                $0.subscribers = $1
                $0.window = max(4, min(1000, 4000 / $1))
            },
            ScalingSeries("topic depth", "levels", sizes: [3, 8, 32] + (isQuick ? [] : [120]), pair) {
                $0.extraLevels = $1 - 3
            },
            ScalingSeries("other filters", "filters", sizes: [100, 1000, 10_000] + (isQuick ? [] : [100_000]), pair) {
                $0.filters = $1
            },
            ScalingSeries(
                "wildcard filters", "filters", sizes: [100, 1000, 10_000] + (isQuick ? [] : [100_000]),
                Workload("w", .wildcard).with { ($0.publishers, $0.subscribers, $0.window) = (4, 4, 100) }
            ) { $0.filters = $1 },
            ScalingSeries("idle sessions", "sessions", sizes: [10, 100, 1000] + (isQuick ? [] : [5000]), pair) {
                $0.idleSessions = $1
            },
            ScalingSeries("payload", "bytes", sizes: [64, 512, 4096] + (isQuick ? [] : [32_768]), pair) {
                $0.payloadBytes = $1
                $0.window = max(50, min(1000, 1_000_000 / $1))
            },
            ScalingSeries(
                "calls in flight", "calls", sizes: [1, 4, 16, 64] + (isQuick ? [] : [256]), Workload("c", .call)
            ) { ($0.callers, $0.inFlight) = (min(16, $1), max(1, $1 / 16)) },
        ]
    }

    /// Where rows of `row` go.
    package static let table = BenchTable(
        ["cost of a message by", "broker", "us at each size", "exponent"], wordColumns: 3)

    /// A cost for each size, and how it grows.
    package func row(_ broker: String, _ points: [(size: Double, cost: Double)]) -> [String] {
        let costs = points.map { "\(Int($0.size)): \(FigureText.text($0.cost))" }.joined(separator: "  ")
        return ["\(self.name) (\(self.measure))", broker, costs, FigureText.text(PowerLaw(points)?.exponent)]
    }
}
