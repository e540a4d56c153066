import Foundation
import Glibc

/// What a broker costs before it has done anything.
package struct BrokerFacts: Encodable, Sendable {
    package var broker: String
    /// Medians of some starts, from the start of the program until it takes connections.
    package var startMilliseconds: Double
    package var binaryBytes: Int
    package var idleBytes: Int
    package var wakeUpsPerSecond: Double

    /// - Parameter seconds: how long its wake-ups are counted.
    package static func measure(_ recipe: BrokerRecipe, seconds: Double, starts: Int) throws -> BrokerFacts {
        var times: [Double] = []
        for _ in 1..<max(2, starts) {
            let broker = try BrokerProcess.start(recipe)
            times.append(broker.startSeconds * 1000)
            broker.stop()
        }
        let broker = try BrokerProcess.start(recipe)
        defer { broker.stop() }
        times.append(broker.startSeconds * 1000)
        // The connection by which the start was noticed is gone by then, and what the start left to do is done.
        usleep(500_000)
        let before = try ProcessUsage(broker.address.processes)
        usleep(UInt32(seconds * 1_000_000))
        let after = try ProcessUsage(broker.address.processes)
        let attributes = try FileManager.default.attributesOfItem(atPath: recipe.binary)
        return BrokerFacts(
            broker: recipe.name, startMilliseconds: Ratio.median(times),
            binaryBytes: (attributes[.size] as? NSNumber)?.intValue ?? 0, idleBytes: after.residentBytes,
            wakeUpsPerSecond: Double(UsageDifference(before, after).voluntarySwitches) / seconds)
    }

    /// As one line of JSON.
    package func line() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    package static func table(_ facts: [BrokerFacts]) -> String {
        var table = BenchTable(
            ["broker", "start ms", "binary MB", "idle memory MB", "idle wake-ups/s"], wordColumns: 1)
        for fact in facts {
            table.add([
                fact.broker, FigureText.text(fact.startMilliseconds), FigureText.text(Double(fact.binaryBytes) / 1e6),
                FigureText.text(Double(fact.idleBytes) / 1e6), FigureText.text(fact.wakeUpsPerSecond),
            ])
        }
        return table.text
    }
}
