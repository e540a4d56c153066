import BusTestKit
import Testing

/// One-way calls of brokers that die again and again: what was accepted runs to its end, what has succeeded stays so.
@Suite("Asynchronous calls across crashes")
struct TaskCrashTests {
    @Test("Every accepted task is found again, in one state, ends, and never runs after an end that is on disk (D03)")
    func crashes() throws {
        var accepted = 0
        var crashes = 0
        var told = 0
        for seed in 0..<60 as Range<UInt64> {
            let world = try TaskCrashWorld(seed: seed, store: ModelStore())
            world.run(steps: 100)
            #expect(world.problem == nil, "seed \(seed)")
            accepted += world.accepted.count
            crashes += world.crashCount
            told += world.toldCount
        }
        #expect(accepted > 500)
        #expect(crashes > 200)
        #expect(told > 20)
    }
}
