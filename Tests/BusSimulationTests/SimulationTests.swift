import BusCore
import Foundation
import Testing

/// Whole brokers under everything at once. `FCBUS_SIMULATION_SEED=7` runs one seed and tells its story,
/// `FCBUS_SIMULATION_SEEDS=20000` runs as many instead of the usual 300.
@Suite("Simulation")
struct SimulationTests {
    static let seedCount = Self.number("FCBUS_SIMULATION_SEEDS") ?? 300
    static let blockCount = 20
    static let single = Self.number("FCBUS_SIMULATION_SEED")

    private static func number(_ name: String) -> Int? {
        ProcessInfo.processInfo.environment[name].flatMap(Int.init)
    }

    /// Seeds from 2^32 on are crowds.
    private static func world(_ seed: UInt64) -> World {
        World(seed: seed) { terms in
            guard seed >= 1 << 32 else { return }
            terms.clientCount = 200
            terms.stepCount = 15_000
        }
    }

    @Test(
        "Over a network that fails, every message comes as often as its QoS says, in order, to who asked for it",
        .enabled(if: Self.single == nil), arguments: 0..<Self.blockCount)
    func anything(_ block: Int) {
        for seed in stride(from: block + 1, through: Self.seedCount, by: Self.blockCount) {
            let world = Self.world(UInt64(seed))
            world.run()
            if let problem = world.problem {
                Issue.record("FCBUS_SIMULATION_SEED=\(seed): \(problem)")
                return
            }
        }
    }

    @Test("One seed, told in full", .enabled(if: Self.single != nil))
    func story() throws {
        let world = Self.world(UInt64(try #require(Self.single)))
        world.diary = []
        world.run()
        if let problem = world.problem {
            print((world.diary ?? []).suffix(400).joined(separator: "\n"))
            Issue.record("\(problem)")
        }
    }

    @Test("Hundreds of clients at once", .enabled(if: Self.single == nil), arguments: [1])
    func crowd(_ seed: Int) {
        let world = Self.world(UInt64(seed) << 32)
        world.run()
        #expect(world.problem == nil, "FCBUS_SIMULATION_SEED=\(UInt64(seed) << 32)")
        #expect(world.model.sent.count > 500, "\(world.model.sent.count) deliveries are too few")
    }

    @Test("The same seed leads to the same end")
    func replayable() {
        let ends = (0..<2).map { _ in
            let world = World(seed: 4711)
            world.run()
            return "\(world.broker.statistics) \(world.now)"
        }
        #expect(ends[0] == ends[1])
    }
}
