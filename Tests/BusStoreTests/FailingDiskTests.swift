import BusCore
import BusStore
import BusTestKit
import Foundation
import Testing

@Suite("A disk that fails")
struct FailingDiskTests {
    private static func task(_ id: String) -> [StoreChange] {
        [.saveTask(StoredTask(id: id, record: [UInt8](repeating: 7, count: 500), state: 0))]
    }

    private static func isFailure(_ result: CommitResult) -> Bool {
        if case .failed = result { true } else { false }
    }

    private static func options(_ disk: FaultyDisk) -> StoreOptions {
        var options = StoreOptions()
        options.fileSystem = disk.name
        options.retryInterval = .milliseconds(5)
        return options
    }

    @Test("A full disk is reported once, reads go on, and what waited is stored when there is room (D08)")
    func full() throws {
        let disk = FaultyDisk()
        let directory = try TemporaryDirectory()
        let reports = Reports()
        let store = try BusStore.open(directory, options: Self.options(disk), reports: reports)
        store.append(Self.task("before"), number: 1)
        #expect(reports.waitForCommit(of: 1))
        disk.set(.full)
        store.append(Self.task("held"), number: 2)
        #expect(reports.wait { $0 == .full(upTo: 2) } != nil)
        #expect(store.figures.isFull)
        #expect(try store.state.tasks.count == 1)
        // Retries meanwhile; a change that comes now waits with the others.
        store.append(Self.task("also held"), number: 3)
        #expect(store.backlogBytes > 0)
        disk.set(.works)
        #expect(reports.waitForCommit(of: 3))
        #expect(!store.figures.isFull)
        #expect(store.backlogBytes == 0)
        store.close()
        #expect(reports.all.filter { if case .full = $0 { true } else { false } } == [.full(upTo: 2)])
        #expect(try BusStore.state(of: directory).tasks.count == 3)
    }

    @Test("While the disk is full, what is removed again no longer needs room")
    func fullCancels() throws {
        let disk = FaultyDisk()
        let directory = try TemporaryDirectory()
        let reports = Reports()
        let store = try BusStore.open(directory, options: Self.options(disk), reports: reports)
        disk.set(.full)
        store.append([.saveMessage(number: 1, Samples.message)], number: 1)
        #expect(reports.wait { $0 == .full(upTo: 1) } != nil)
        store.append([.removeMessage(number: 1)], number: 2)
        // Nothing is left to write, so that even the full disk takes it.
        #expect(reports.waitForCommit(of: 2))
        disk.set(.works)
        store.close()
    }

    @Test("Closing on a full disk ends, says what is lost, and keeps what was committed")
    func fullAtClose() throws {
        let disk = FaultyDisk()
        let directory = try TemporaryDirectory()
        let reports = Reports()
        let store = try BusStore.open(directory, options: Self.options(disk), reports: reports)
        store.append(Self.task("before"), number: 1)
        #expect(reports.waitForCommit(of: 1))
        disk.set(.full)
        store.append(Self.task("lost"), number: 2)
        store.close()
        guard case .failed(let message) = reports.all.last else { return #expect(Bool(false), "\(reports.all)") }
        #expect(message.contains("disk was full"))
        #expect(try BusStore.state(of: directory).tasks.keys.map(\.text) == ["before"])
    }

    @Test("After a sync that failed nothing is ever reported committed again, though the disk works (D09)")
    func failedSync() throws {
        let disk = FaultyDisk()
        let directory = try TemporaryDirectory()
        let reports = Reports()
        let store = try BusStore.open(directory, options: Self.options(disk), reports: reports)
        store.append(Self.task("before"), number: 1)
        #expect(reports.waitForCommit(of: 1))
        disk.set(.failsOneSync(of: "store.db-wal"))
        store.append(Self.task("unknown"), number: 2)
        guard case .failed(let message) = reports.wait(for: Self.isFailure) else { return #expect(Bool(false)) }
        #expect(message.contains(directory.database) && message.contains("start again"))
        #expect(store.figures.failure == message)
        store.append(Self.task("after"), number: 3)
        #expect(store.backlogBytes == 0)
        store.close()
        #expect(reports.all.count == 2)
        #expect(try BusStore.state(of: directory).tasks[ExactText("before")] != nil)
    }

    @Test("A sync that fails while the log is written back fails the store, with the commit before it kept (D09)")
    func failedCheckpoint() throws {
        let disk = FaultyDisk()
        let directory = try TemporaryDirectory()
        let reports = Reports()
        var options = Self.options(disk)
        options.logPagesMax = 1
        let store = try BusStore.open(directory, options: options, reports: reports)
        disk.set(.failsOneSync(of: "store.db"))
        store.append(Self.task("a"), number: 1)
        #expect(reports.wait(for: Self.isFailure) != nil)
        store.append(Self.task("b"), number: 2)
        store.close()
        #expect(reports.all.count == 2 && reports.all.first == .committed(upTo: 1))
        #expect(try BusStore.state(of: directory).tasks.keys.map(\.text) == ["a"])
    }

    @Test("A write that fails for another reason than room fails the store")
    func failedWrite() throws {
        let disk = FaultyDisk()
        let directory = try TemporaryDirectory()
        let reports = Reports()
        let store = try BusStore.open(directory, options: Self.options(disk), reports: reports)
        disk.set(.failsWrites)
        store.append(Self.task("a"), number: 1)
        #expect(reports.wait(for: Self.isFailure) != nil)
        disk.set(.works)
        store.append(Self.task("b"), number: 2)
        store.close()
        #expect(reports.all.count == 1)
        #expect(try BusStore.state(of: directory) == StoredState())
    }

    @Test("A store that cannot be loaded because it has failed says so")
    func loadAfterFailure() throws {
        let disk = FaultyDisk()
        let directory = try TemporaryDirectory()
        let reports = Reports()
        let store = try BusStore.open(directory, options: Self.options(disk), reports: reports)
        disk.set(.failsWrites)
        store.append(Self.task("a"), number: 1)
        store.close()
        #expect(throws: StoreFailure.self) { try store.load { _ in } }
    }
}
