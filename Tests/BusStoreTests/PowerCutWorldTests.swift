import BusCore
import BusTestKit
import Foundation
import Testing

/// Whole brokers with the real store on a disk that loses power again and again.
/// `FCBUS_POWER_CUT_SEEDS=20000` runs as many seeds instead of the usual 60 of each world, `FCBUS_POWER_CUT_SEED=7` one.
@Suite("Brokers whose power goes")
struct PowerCutWorldTests {
    private static let seedCount = Self.number("FCBUS_POWER_CUT_SEEDS") ?? 60
    private static let single = Self.number("FCBUS_POWER_CUT_SEED")
    static let blockCount = 10

    private static func number(_ name: String) -> Int? {
        ProcessInfo.processInfo.environment[name].flatMap(Int.init)
    }

    private static func seeds(of block: Int) -> [Int] {
        let seeds = Array(stride(from: block + 1, through: Self.seedCount, by: Self.blockCount))
        guard let single = Self.single else { return seeds }
        return block == 0 ? [single] : []
    }

    @Test(
        "What was acknowledged is delivered, QoS 2 once, whenever the power goes (D06, D01, D02)",
        arguments: 0..<Self.blockCount)
    func messages(_ block: Int) throws {
        var counts = (crashes: 0, torn: 0, delivered: 0)
        for seed in Self.seeds(of: block) {
            let disk = try CrashingDisk()
            let world = CrashWorld(seed: UInt64(seed), store: disk)
            world.run(steps: 300) { _, _ in disk.problem }
            let problem = try world.problem ?? disk.verify().first
            if let problem { return Self.fail(seed, problem) }
            counts.crashes += world.crashCount
            counts.torn += disk.tornCount
            counts.delivered += world.deliveredCount
        }
        #expect(Self.single != nil || counts.crashes > 10 && counts.delivered > 50, "\(counts)")
    }

    @Test(
        "One-way calls run to their end, and operators are told the truth, whenever the power goes (D06, D03)",
        arguments: 0..<Self.blockCount)
    func tasks(_ block: Int) throws {
        var counts = (crashes: 0, torn: 0, accepted: 0)
        for seed in Self.seeds(of: block) {
            let disk = try CrashingDisk()
            let world = try TaskCrashWorld(seed: UInt64(seed), store: disk)
            world.run(steps: 100)
            let problem = try world.problem ?? disk.problem ?? disk.verify().first
            if let problem { return Self.fail(seed, problem) }
            counts.crashes += world.crashCount
            counts.torn += disk.tornCount
            counts.accepted += world.accepted.count
        }
        #expect(Self.single != nil || counts.crashes > 10 && counts.torn > 0 && counts.accepted > 20, "\(counts)")
    }

    private static func fail(_ seed: Int, _ problem: String) {
        Issue.record("FCBUS_POWER_CUT_SEED=\(seed): \(problem)")
    }

    @Test("The same seed leads to the same end, on the disk as well")
    func replayable() throws {
        let ends = try (0..<2).map { _ in
            let disk = try CrashingDisk()
            let world = CrashWorld(seed: 4711, store: disk)
            world.run(steps: 300)
            return "\(world.deliveredCount) \(world.crashCount) \(disk.tornCount) \(world.broker.statistics)"
        }
        #expect(ends[0] == ends[1])
    }
}
