import BusCore
import BusStore
import Foundation
import Testing

@Suite("Group commit")
struct GroupCommitTests {
    @Test("Commits are reported in order, the last one last")
    func order() throws {
        let directory = try TemporaryDirectory()
        let reports = Reports()
        let store = try BusStore.open(directory, reports: reports)
        for number in 1...UInt64(500) { store.append([.removeTask(id: "t\(number)")], number: number) }
        store.close()
        let numbers = reports.all.compactMap { if case .committed(let number) = $0 { number } else { nil } }
        #expect(numbers.count == reports.all.count)
        #expect(numbers == numbers.sorted())
        #expect(Set(numbers).count == numbers.count)
        #expect(numbers.last == 500)
    }

    @Test("An append without changes, or whose changes cancel out, is reported like any other")
    func empty() throws {
        let directory = try TemporaryDirectory()
        let reports = Reports()
        let store = try BusStore.open(directory, reports: reports)
        defer { store.close() }
        store.append([], number: 1)
        #expect(reports.waitForCommit(of: 1))
        store.append([.saveMessage(number: 1, Samples.message), .removeMessage(number: 1)], number: 2)
        #expect(reports.waitForCommit(of: 2))
        #expect(store.figures.cancelled == 2)
        #expect(store.figures.changes == 2)
    }

    @Test("While a commit runs, whatever is appended becomes the next one")
    func grouping() throws {
        let directory = try TemporaryDirectory()
        let reports = Reports()
        let isHeld = NSLock()
        isHeld.lock()
        let store = try BusStore.open(directory: directory.store) { result in
            reports.add(result)
            // The first report holds the writer until a hundred more are appended.
            isHeld.withLock {}
        }
        store.append([.saveTask(StoredTask(id: "first", record: [], state: 0))], number: 1)
        #expect(reports.waitForCommit(of: 1))
        for number in 2...UInt64(101) {
            store.append([.saveTask(StoredTask(id: "t\(number)", record: [], state: 0))], number: number)
        }
        isHeld.unlock()
        store.close()
        #expect(reports.all == [.committed(upTo: 1), .committed(upTo: 101)])
    }

    @Test("The backlog is counted until it is committed, and says when there is no room")
    func backlog() throws {
        let directory = try TemporaryDirectory()
        let reports = Reports()
        let isHeld = NSLock()
        isHeld.lock()
        var options = StoreOptions()
        options.backlogBytesMax = 10_000
        let store = try BusStore.open(directory: directory.store, options: options) { result in
            reports.add(result)
            isHeld.withLock {}
        }
        #expect(store.hasRoom && store.backlogBytes == 0)
        let task = StoreChange.saveTask(StoredTask(id: "t", record: [UInt8](repeating: 1, count: 10_000), state: 0))
        store.append([task], number: 1)
        #expect(reports.waitForCommit(of: 1))
        // The writer is held in its report; what comes now waits.
        store.append([task], number: 2)
        #expect(!store.hasRoom)
        isHeld.unlock()
        #expect(reports.waitForCommit(of: 2))
        #expect(store.hasRoom && store.backlogBytes == 0)
        store.close()
    }

    @Test("What is appended before closing is committed; what is appended afterwards is not taken")
    func closing() throws {
        let directory = try TemporaryDirectory()
        let reports = Reports()
        let store = try BusStore.open(directory, reports: reports)
        store.append(Samples.all, number: 1)
        store.close()
        store.append([.saveTask(StoredTask(id: "late", record: [], state: 0))], number: 2)
        store.close()
        #expect(reports.all == [.committed(upTo: 1)])
        #expect(try BusStore.state(of: directory) == StoredState(after: Samples.all))
    }
}
