import BusCore
import BusStore
import BusTestKit
import Foundation
import Testing

@Suite("A power cut")
struct PowerCutTests {
    /// What was on the disk and what had been reported at the moment of the cut.
    private final class Moment: @unchecked Sendable {
        var image: FaultyDisk.Image?
        var committed: UInt64 = 0
    }

    /// Everything that happens is decided by the seed.
    private struct Dice: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            self.state = self.state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (self.state ^ self.state >> 29) &* 0xBF58_476D_1CE4_E5B9
        }
    }

    /// Sectors that were not synced are lost, kept or torn apart at random.
    @Test("What was reported committed survives, and nothing survives by halves (D06)", arguments: 1...150)
    func sectors(_ seed: UInt64) throws {
        var dice = Dice(state: seed)
        let disk = FaultyDisk()
        let directory = try TemporaryDirectory()
        let reports = Reports()
        var options = StoreOptions()
        options.fileSystem = disk.name
        options.logPagesIdle = 6
        options.logPagesMax = 12
        let moment = Moment()
        var tear = dice
        // The first operations make the store; a cut among them leaves a store without content, or none.
        disk.cut(before: Int.random(in: 1...300, using: &dice)) {
            moment.committed = reports.committed
            moment.image = disk.image { Bool.random(using: &tear) }
        }
        let store = try BusStore.open(directory, options: options, reports: reports)
        let lock = FileManager.default.contents(atPath: directory.lock)
        var script = StoreScript(seed: seed)
        var states = [StoredState()]
        for number in 1...UInt64(2000) where disk.isCutAwaited {
            let changes = script.next()
            var state = states[states.count - 1]
            for change in changes { state.apply(change) }
            states.append(state)
            store.append(changes, number: number)
            if number.isMultiple(of: 50) || Bool.random(using: &dice) { reports.waitForCommit(of: number) }
        }
        store.close()
        let image = try #require(moment.image)

        let after = try TemporaryDirectory()
        try FileManager.default.createDirectory(atPath: after.store, withIntermediateDirectories: false)
        for (path, bytes) in image.files {
            let name = after.store + path.dropFirst(directory.store.count)
            try Data(bytes).write(to: URL(filePath: name))
        }
        // Until the store was made the marker is empty; a cut while it was being made may also find it so.
        if moment.committed > 0 { try lock?.write(to: URL(filePath: after.lock)) }
        let reopened = try BusStore.open(after)
        #expect(reopened.notices.isEmpty, "a torn commit is no damage")
        let found = try reopened.state
        reopened.close()
        let prefixes = states.indices.filter { states[$0] == found }
        #expect(prefixes.contains { $0 >= Int(moment.committed) }, "seed \(seed): \(moment.committed) was reported")
        #expect(try BusStore.verify(directory: after.store).problems.isEmpty)
    }
}
