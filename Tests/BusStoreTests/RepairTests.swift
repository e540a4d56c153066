import BusCore
import BusStore
import BusTestKit
import Foundation
import Testing

@Suite("Repairing a store")
struct RepairTests {
    /// 200 retained messages, and a session with 200 messages waiting.
    private static let changes: [StoreChange] =
        [.saveSession(Samples.session)]
        + (1...200).flatMap { number -> [StoreChange] in
            let message = StoredMessage(packet: [UInt8](repeating: UInt8(number), count: 300))
            return [
                .saveRetained(topic: "topic/\(number)", message, publisher: ""),
                .saveMessage(number: UInt64(number), message),
                .saveDelivery(session: 7, StoredDelivery(order: UInt64(number), message: UInt64(number), qos: 1)),
            ]
        }

    @Test("A sound store comes out of a repair as it was")
    func sound() throws {
        let directory = try TemporaryDirectory()
        try BusStore.fill(directory, Samples.all)
        let database = FileManager.default.contents(atPath: directory.database)
        let report = try BusStore.repair(directory: directory.store)
        #expect(report.unreadable == 0 && report.kept.isSound)
        #expect(try BusStore.state(of: directory) == StoredState(after: Samples.all))
        #expect(FileManager.default.contents(atPath: report.damagedFile) == database)
    }

    @Test("A damaged page costs the rows that lie on it, those around it are saved (D07)")
    func page() throws {
        let directory = try TemporaryDirectory()
        try BusStore.fill(directory, Self.changes)
        var database = try #require(FileManager.default.contents(atPath: directory.database))
        let middle = database.count / 4096 / 2 * 4096
        database.replaceSubrange(middle..<middle + 4096, with: Data(repeating: 0xFF, count: 4096))
        try database.write(to: URL(filePath: directory.database))
        #expect(try !BusStore.verify(directory: directory.store).isSound)
        let report = try BusStore.repair(directory: directory.store)
        #expect(report.kept.isSound, "\(report.kept.problems)")
        #expect(report.unreadable > 0)
        // A page holds about twelve rows of one table.
        #expect(report.kept.retained + report.kept.messages >= 380)
        #expect(report.kept.sessions == 1 && report.kept.unusedMessages == 0)
        let found = try BusStore.state(of: directory)
        let whole = StoredState(after: Self.changes)
        for (topic, retained) in found.retained { #expect(whole.retained[topic] == retained) }
        for (number, message) in found.messages { #expect(whole.messages[number] == message) }
    }

    @Test(
        "Whatever bits are flipped, a repair ends in a sound store or says that it cannot (D07)",
        arguments: 1...Mutants.count)
    func bits(_ seed: UInt64) throws {
        let directory = try TemporaryDirectory()
        try BusStore.fill(directory, Self.changes)
        var database = try #require(FileManager.default.contents(atPath: directory.database))
        var state = seed
        for _ in 0..<Int(1 + seed % 32) {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            database[Int((state >> 16) % UInt64(database.count))] ^= 1 << UInt8(state >> 60 & 7)
        }
        try database.write(to: URL(filePath: directory.database))
        do {
            let report = try BusStore.repair(directory: directory.store)
            #expect(report.kept.isSound, "\(report.kept.problems)")
            #expect(report.unreadable > 0 || report.kept.messages + report.kept.retained == 400)
            let found = try BusStore.state(of: directory)
            let whole = StoredState(after: Self.changes)
            for (topic, retained) in found.retained { #expect(whole.retained[topic] == retained) }
            for (number, message) in found.messages { #expect(whole.messages[number] == message) }
            #expect(FileManager.default.contents(atPath: report.damagedFile) == database)
        } catch let failure as StoreFailure {
            #expect([.damaged, .foreign, .tooNew].contains(failure.kind), "\(failure)")
            #expect(FileManager.default.contents(atPath: directory.database) == database)
        }
    }

    @Test("A store that has lost its log is repaired to what the database holds")
    func withoutLog() throws {
        let directory = try TemporaryDirectory()
        let probe = try ProbeProcess(appendingTo: directory.store, seed: 9)
        _ = probe.committed(atLeast: 300)
        probe.kill()
        try FileManager.default.removeItem(atPath: directory.log)
        let report = try BusStore.repair(directory: directory.store)
        #expect(report.kept.isSound)
        try BusStore.open(directory).close()
    }

    @Test("A second repair keeps what the first one put aside")
    func twice() throws {
        let directory = try TemporaryDirectory()
        try BusStore.fill(directory, Samples.all)
        let first = try BusStore.repair(directory: directory.store)
        let second = try BusStore.repair(directory: directory.store)
        #expect(first.damagedFile != second.damagedFile)
        #expect(FileManager.default.fileExists(atPath: first.damagedFile))
        #expect(second.kept.sessions == 2)
    }

    @Test("A store that is open is not repaired")
    func inUse() throws {
        let directory = try TemporaryDirectory()
        let store = try BusStore.open(directory)
        defer { store.close() }
        let failure = #expect(throws: StoreFailure.self) { try BusStore.repair(directory: directory.store) }
        #expect(failure?.kind == .inUse)
    }
}
