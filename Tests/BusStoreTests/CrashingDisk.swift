import BusCore
import BusStore
import BusTestKit
import Foundation

/// The real store for a crashing world, on a disk that loses power: of what was not synced, sectors are lost, kept or torn
/// apart.
///
/// It commits what it is told to, one append at a time, and writes its log back after so many pages, so that the same
/// seed leads to the same image on the disk.
final class CrashingDisk: CrashingStore {
    private(set) var committed = StoredState()
    /// What should not have happened to the store itself.
    private(set) var problem: String?
    private(set) var tornCount = 0
    private let disk = FaultyDisk()
    private var directory: TemporaryDirectory
    private var store: BusStore
    private var reports = Reports()
    private var waiting: [(changes: [StoreChange], number: UInt64)] = []
    /// The number of the last batch that is on disk.
    private var committedNumber: UInt64 = 0
    private var appended: UInt64 = 0

    /// The disk as the power left it.
    private final class Moment: @unchecked Sendable {
        var image: FaultyDisk.Image?
    }

    init() throws {
        self.directory = try TemporaryDirectory()
        self.store = try Self.open(self.directory, on: self.disk, self.reports)
    }

    deinit {
        self.store.close()
    }

    private static func open(
        _ directory: TemporaryDirectory, on disk: FaultyDisk, _ reports: Reports
    ) throws -> BusStore {
        var options = StoreOptions()
        options.fileSystem = disk.name
        options.logPagesIdle = .max
        options.logPagesMax = 30
        return try BusStore.open(directory, options: options, reports: reports)
    }

    func append(_ changes: [StoreChange], number: UInt64) {
        self.waiting.append((changes, number))
    }

    func progress(_ random: inout SeededGenerator) -> UInt64 {
        let before = self.committedNumber
        self.commit(random.number(in: 0...3))
        // Now and then the word that a commit is done comes late.
        return random.chance(20) ? before : self.committedNumber
    }

    func sync() -> UInt64 {
        self.commit(.max)
        return self.committedNumber
    }

    /// Stores the oldest batches as one commit.
    private func commit(_ count: Int) {
        let batches = Array(self.waiting.prefix(count))
        guard let last = batches.last else { return }
        self.waiting.removeFirst(batches.count)
        let changes = batches.flatMap(\.changes)
        self.store(changes)
        for change in changes { self.committed.apply(change) }
        self.committedNumber = last.number
    }

    private func store(_ changes: [StoreChange]) {
        self.appended += 1
        self.store.append(changes, number: self.appended)
        if !self.reports.waitForCommit(of: self.appended) { self.fail("a commit did not end") }
    }

    private func fail(_ problem: String) {
        if self.problem == nil { self.problem = problem }
    }

    // MARK: The power goes

    func crash(_ random: inout SeededGenerator) -> [StoredRecord] {
        let begun = self.waiting.prefix(random.number(in: 0...3)).flatMap(\.changes)
        let image = self.image(storing: begun, seed: random.next(), operations: random.number(in: 1...40))
        self.waiting = []
        self.committedNumber = 0
        do {
            try self.restart(with: image)
            let found = try self.store.state
            var whole = self.committed
            for change in begun { whole.apply(change) }
            if found != self.committed, found != whole { self.fail("what is on the disk was never stored") }
            self.committed = found
        } catch {
            self.fail("\(error)")
        }
        return self.committed.records
    }

    /// What the disk holds if the power goes some operations after the commit of these changes has begun.
    private func image(storing changes: [StoreChange], seed: UInt64, operations: Int) -> FaultyDisk.Image {
        let moment = Moment()
        var tear = SeededGenerator(seed: seed)
        if !changes.isEmpty {
            self.disk.cut(after: operations) { moment.image = self.disk.image { tear.chance(50) } }
            self.store(changes)
        }
        // Its answer comes after the log was written back, where it was.
        self.store([])
        self.disk.forgetCut()
        if moment.image != nil { self.tornCount += 1 }
        return moment.image ?? self.disk.image { tear.chance(50) }
    }

    private func restart(with image: FaultyDisk.Image) throws {
        let lock = FileManager.default.contents(atPath: self.directory.lock)
        self.store.close()
        let after = try TemporaryDirectory()
        try FileManager.default.createDirectory(atPath: after.store, withIntermediateDirectories: false)
        for (path, bytes) in image.files where path.hasPrefix(self.directory.store) {
            try Data(bytes).write(to: URL(filePath: after.store + path.dropFirst(self.directory.store.count)))
        }
        try lock?.write(to: URL(filePath: after.lock))
        self.directory = after
        self.reports = Reports()
        self.appended = 0
        self.store = try Self.open(after, on: self.disk, self.reports)
        if let notice = self.store.notices.first { self.fail("a torn commit is no damage: \(notice)") }
    }

    /// Ends the store and looks at everything in it.
    func verify() throws -> [String] {
        self.store.close()
        return try BusStore.verify(directory: self.directory.store).problems
    }
}
