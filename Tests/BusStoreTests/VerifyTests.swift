import BusCore
import Foundation
import Testing

@testable import BusStore

@Suite("Checking a store")
struct VerifyTests {
    @Test("A sound store is counted and left as it is")
    func sound() throws {
        let directory = try TemporaryDirectory()
        try BusStore.fill(directory, Samples.all)
        let before = FileManager.default.contents(atPath: directory.database)
        let report = try BusStore.verify(directory: directory.store)
        #expect(report.isSound, "\(report.problems)")
        var expected = StoreReport()
        expected.version = Schema.version
        expected.sessions = 2
        expected.subscriptions = 2
        expected.messages = 2
        expected.messageBytes = 256
        expected.deliveries = 3
        expected.received = 2
        expected.retained = 2
        expected.retainedBytes = 256
        expected.tasks = 2
        expected.deadTasks = 1
        // A page of the tables of version 1.
        expected.freeBytes = 4096
        expected.databaseBytes = try #require(before).count
        #expect(report == expected)
        #expect(FileManager.default.contents(atPath: directory.database) == before)
    }

    @Test(
        "Records that belong to nothing are found",
        arguments: [
            (
                [StoreChange.saveSubscription(session: 99, StoredSubscription(filter: "a", options: 0))],
                "1 subscriptions"
            ),
            ([.saveDelivery(session: 99, StoredDelivery(order: 1, message: 1, qos: 1))], "1 deliveries belong"),
            ([.saveReceived(session: 99, packetIdentifier: 1)], "1 received"),
            (
                [.saveDelivery(session: 7, StoredDelivery(order: 9, message: 99, qos: 1))],
                "1 deliveries have no message"
            ),
        ])
    func orphans(_ changes: [StoreChange], _ problem: String) throws {
        let directory = try TemporaryDirectory()
        try BusStore.fill(directory, Samples.all + changes)
        let report = try BusStore.verify(directory: directory.store)
        #expect(report.problems.count == 1)
        #expect(report.problems.first?.hasPrefix(problem) == true, "\(report.problems)")
    }

    @Test("Content without a delivery is counted, and is no damage")
    func unused() throws {
        let directory = try TemporaryDirectory()
        try BusStore.fill(directory, [.saveMessage(number: 1, Samples.message)])
        let report = try BusStore.verify(directory: directory.store)
        #expect(report.isSound)
        #expect(report.unusedMessages == 1)
    }

    @Test(
        "A row that somebody changed is found, and is not loaded",
        arguments: [
            "UPDATE sessions SET client = 'other'", "UPDATE sessions SET user = NULL",
            "UPDATE subscriptions SET options = 0",
            "UPDATE messages SET packet = x'00'", "UPDATE deliveries SET state = state + 1",
            "UPDATE deliveries SET message = 2 WHERE message = 1", "UPDATE received SET packet = 2 WHERE packet = 1",
            "UPDATE retained SET publisher = 'admin'", "UPDATE tasks SET dead = 0 WHERE dead = 1",
        ])
    func changedRow(_ sql: String) throws {
        let directory = try TemporaryDirectory()
        try BusStore.fill(directory, Samples.all)
        let database = try Database(path: directory.database, fileSystem: nil)
        try database.execute(sql)
        database.close(keepingLog: false)
        let report = try BusStore.verify(directory: directory.store)
        #expect(report.problems.count == 1)
        let store = try BusStore.open(directory)
        defer { store.close() }
        let failure = #expect(throws: StoreFailure.self) { try store.load { _ in } }
        #expect(failure?.kind == .damaged)
    }

    @Test("A directory without a store is refused, and none is made there")
    func nothing() throws {
        let directory = try TemporaryDirectory()
        #expect(throws: StoreFailure.self) { try BusStore.verify(directory: directory.store) }
        #expect(!FileManager.default.fileExists(atPath: directory.store))
        try FileManager.default.createDirectory(atPath: directory.store, withIntermediateDirectories: false)
        #expect(throws: StoreFailure.self) { try BusStore.verify(directory: directory.store) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.store).isEmpty)
    }
}
