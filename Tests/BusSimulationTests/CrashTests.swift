import BusSession
import BusTestKit
import BusWire
import Foundation
import NIOCore
import Testing

@testable import BusCore

/// Brokers that die again and again over a store that is late, loses what it has not reported, and fills up.
/// `FCBUS_CRASH_SEEDS=20000` runs as many seeds instead of the usual 300, `FCBUS_CRASH_SEED=7` one.
@Suite("Crashes")
struct CrashTests {
    static let seedCount = Self.number("FCBUS_CRASH_SEEDS") ?? 300
    static let single = Self.number("FCBUS_CRASH_SEED")
    static let blockCount = 20

    private static func number(_ name: String) -> Int? {
        ProcessInfo.processInfo.environment[name].flatMap(Int.init)
    }

    @Test(
        "What was acknowledged is delivered, QoS 2 once, whenever the broker dies (D01, D02)",
        arguments: 0..<Self.blockCount)
    func crashes(_ block: Int) {
        var crashes = 0
        var deliveries = 0
        for seed in stride(from: block + 1, through: Self.seedCount, by: Self.blockCount) {
            if let single = Self.single, seed != single { continue }
            let world = CrashWorld(seed: UInt64(seed), store: ModelStore())
            world.run(steps: 400)
            crashes += world.crashCount
            deliveries += world.deliveredCount
            if let problem = world.problem {
                Issue.record("FCBUS_CRASH_SEED=\(seed): \(problem)")
                return
            }
        }
        #expect(Self.single != nil || crashes > 0 && deliveries > 100)
    }

    @Test("At every moment the changes so far lead to the state that the broker has", arguments: 1...20)
    func replay(_ seed: UInt64) {
        let world = CrashWorld(seed: seed << 32, store: ModelStore())
        var steps = 0
        world.run(steps: 300) { broker, store in
            steps += 1
            guard steps.isMultiple(of: 5) else { return nil }
            let state = store.latest
            if let stray = state.strays.first { return stray }
            var other = Broker(limits: broker.limits, seed: 1)
            let now = Timestamp(nanoseconds: 1 << 60)
            other.attachStore(wallMilliseconds: 1_700_000_000_000, now: now)
            var loader = StoreLoader(now: now)
            for record in state.records { loader.take(record, into: &other) }
            if loader.skippedCount > 0 { return "\(loader.skippedCount) records belong to nothing" }
            loader.finish(into: &other)
            let (live, replayed) = (broker.storedSummary, other.storedSummary)
            guard live != replayed else { return nil }
            let difference = Set(live).symmetricDifference(replayed).sorted().prefix(6)
            return "live and replayed differ in \(difference.joined(separator: "\n"))"
        }
        #expect(world.problem == nil, "seed \(seed)")
    }

    @Test("The same seed leads to the same end")
    func replayable() {
        let ends = (0..<2).map { _ in
            let world = CrashWorld(seed: 4711, store: ModelStore())
            world.run(steps: 300)
            return "\(world.deliveredCount) \(world.acceptedCount) \(world.crashCount) \(world.broker.statistics)"
        }
        #expect(ends[0] == ends[1])
    }
}

extension Broker {
    /// Everything that is stored, in lines.
    var storedSummary: [String] {
        var lines = ["\(self.retained.count) retained"]
        for place in self.sessions.indices where self.sessions[place].storage.isOn {
            let session = self.sessions[place]
            let name = "\(session.storage.number) \(session.clientIdentifier)"
            lines.append("\(name) lasts \(session.expirySeconds)")
            for record in session.subscriptions.records {
                lines.append("\(name) subscribes \(record.filter) \(record.options.rawValue) \(record.identifier)")
            }
            for message in session.waitingMessages where message.record.isStored {
                lines.append("\(name) waits \(message.summary)")
            }
            for raw in 1...300 as ClosedRange<UInt16> {
                guard let identifier = PacketIdentifier(rawValue: raw) else { continue }
                if session.inbound.hasUnreleased(identifier) { lines.append("\(name) received \(raw)") }
                let record = session.window.record(of: identifier)
                guard record.isStored else { continue }
                let message = session.window.message(of: identifier)?.summary ?? "released \(record)"
                lines.append("\(name) sent \(raw) \(message)")
            }
        }
        return lines.sorted()
    }
}

extension OutgoingMessage {
    fileprivate var summary: String {
        "\(self.record) \(self.publish.topic) \(String(buffer: self.publish.payload)) \(self.qos) \(self.isRetained)"
    }
}
