import Foundation

/// A measurement as one line of JSON; names say their units.
package struct ResultRecord: Encodable {
    private var work: String
    private var broker: String
    private var unit: String
    private var seconds: Double
    private var count: Int
    private var perSecond: Double
    private var clientMicroseconds: Double
    private var clientBusy: Double
    private var isSaturated: Bool
    private var brokerMicroseconds: Double?
    private var brokerIOCalls: Double?
    private var brokerSwitches: Double?
    private var brokerResidentBytes: Int?
    private var latencyMicroseconds: [String: Double]?
    private var faults: [String: Int]
    private var figures: [String: Double]

    package init(_ result: BenchResult) {
        let count = Double(max(1, result.count))
        self.work = result.work
        self.broker = result.broker
        self.unit = result.unit
        self.seconds = Self.rounded(result.seconds)
        self.count = result.count
        self.perSecond = Self.rounded(result.rate)
        self.clientMicroseconds = Self.rounded(result.clientMicroseconds)
        self.clientBusy = Self.rounded(result.clientBusy)
        self.isSaturated = result.isSaturated
        self.brokerMicroseconds = result.brokerMicroseconds.map(Self.rounded)
        if let usage = result.usage {
            self.brokerIOCalls = Self.rounded(Double(usage.ioCalls) / count)
            self.brokerSwitches = Self.rounded(Double(usage.voluntarySwitches) / count)
            self.brokerResidentBytes = usage.residentBytes
        }
        if let latency = result.latency {
            self.latencyMicroseconds = [
                "p50": Self.microseconds(latency.p50), "p90": Self.microseconds(latency.p90),
                "p99": Self.microseconds(latency.p99), "p999": Self.microseconds(latency.p999),
                "max": Self.microseconds(latency.maximum),
            ]
        }
        self.faults = Dictionary(uniqueKeysWithValues: result.faults.named.map { ($0.name, $0.count) })
        self.figures = Dictionary(result.extras.map { ($0.name, Self.rounded($0.value)) }) { $1 }
    }

    package func line() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    private static func microseconds(_ nanoseconds: UInt64) -> Double { Self.rounded(Double(nanoseconds) / 1000) }

    private static func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
}
