import BusCore
import BusStore
import Foundation
import Testing

/// A directory that goes when the test ends.
final class TemporaryDirectory {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "store-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        self.path = url.path
    }

    deinit {
        // Nothing depends on the directory being gone.
        try? FileManager.default.removeItem(atPath: self.path)
    }

    /// Where a store may be made.
    var store: String { self.path + "/data" }
    var database: String { self.store + "/store.db" }
    var log: String { self.store + "/store.db-wal" }
    var lock: String { self.store + "/store.lock" }
}

/// What a store reported, for the test to wait for.
final class Reports: @unchecked Sendable {
    private let condition = NSCondition()
    private var results: [CommitResult] = []

    func add(_ result: CommitResult) {
        self.condition.withLock {
            self.results.append(result)
            self.condition.broadcast()
        }
    }

    var all: [CommitResult] { self.condition.withLock { self.results } }

    /// The highest number that was reported committed.
    var committed: UInt64 {
        self.all.reduce(0) { highest, result in
            if case .committed(let number) = result { max(highest, number) } else { highest }
        }
    }

    /// The first report for which `isWanted` holds, or nil after half a minute.
    func wait(for isWanted: (CommitResult) -> Bool) -> CommitResult? {
        let limit = Date(timeIntervalSinceNow: 30)
        return self.condition.withLock {
            while true {
                if let result = self.results.first(where: isWanted) { return result }
                guard self.condition.wait(until: limit) else { return nil }
            }
        }
    }

    @discardableResult
    func waitForCommit(of number: UInt64) -> Bool {
        let result = self.wait { if case .committed(let upTo) = $0 { upTo >= number } else { false } }
        return result != nil
    }
}

extension BusStore {
    static func open(
        _ directory: TemporaryDirectory, options: StoreOptions = StoreOptions(), reports: Reports = Reports()
    ) throws -> BusStore {
        try BusStore.open(directory: directory.store, options: options) { reports.add($0) }
    }

    var state: StoredState {
        get throws {
            var state = StoredState()
            try self.load { state.add($0) }
            return state
        }
    }

    /// What a store holds that nobody has open.
    static func state(of directory: TemporaryDirectory) throws -> StoredState {
        let store = try Self.open(directory)
        defer { store.close() }
        return try store.state
    }

    /// Stores changes, one append each, and closes.
    static func fill(_ directory: TemporaryDirectory, _ changes: [StoreChange]) throws {
        let store = try Self.open(directory)
        for (index, change) in changes.enumerated() { store.append([change], number: UInt64(index + 1)) }
        store.close()
    }
}

extension StoredState {
    init(after changes: [StoreChange]) {
        self.init()
        for change in changes { self.apply(change) }
    }
}
