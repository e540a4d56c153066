import BusCore
import Foundation
import Testing

@testable import BusStore

@Suite("Opening a store")
struct OpeningTests {
    private static func mode(_ path: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return try #require(attributes[.posixPermissions] as? Int)
    }

    /// Runs SQL on a store that nobody has open.
    private static func execute(_ sql: String, in directory: TemporaryDirectory) throws {
        let database = try Database(path: directory.database, fileSystem: nil)
        defer { database.close(keepingLog: false) }
        try database.execute(sql)
    }

    @Test("A new store is empty, and its files are their owner's alone (S11)")
    func new() throws {
        let directory = try TemporaryDirectory()
        let store = try BusStore.open(directory)
        #expect(try store.state == StoredState())
        #expect(try Self.mode(directory.store) == 0o700)
        for file in [directory.database, directory.log, directory.lock] { #expect(try Self.mode(file) == 0o600) }
        store.close()
        #expect(!FileManager.default.fileExists(atPath: directory.log))
    }

    @Test("Files that others could read are closed to them (S11)")
    func looseFiles() throws {
        let directory = try TemporaryDirectory()
        try BusStore.fill(directory, Samples.all)
        for file in [directory.database, directory.lock] {
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file)
        }
        try BusStore.open(directory).close()
        for file in [directory.database, directory.lock] { #expect(try Self.mode(file) == 0o600) }
    }

    @Test("A directory that everybody can write to is refused (S11)")
    func looseDirectory() throws {
        let directory = try TemporaryDirectory()
        try BusStore.fill(directory, Samples.all)
        try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: directory.store)
        let failure = #expect(throws: StoreFailure.self) { try BusStore.open(directory) }
        #expect(failure?.description.contains("chmod o-w \(directory.store)") == true)
    }

    @Test("A link in place of the database is not followed (S11)")
    func link() throws {
        let directory = try TemporaryDirectory()
        let target = directory.path + "/elsewhere"
        try Data("precious".utf8).write(to: URL(filePath: target))
        try FileManager.default.createDirectory(atPath: directory.store, withIntermediateDirectories: false)
        try FileManager.default.createSymbolicLink(atPath: directory.database, withDestinationPath: target)
        #expect(throws: StoreFailure.self) { try BusStore.open(directory) }
        #expect(FileManager.default.contents(atPath: target) == Data("precious".utf8))
    }

    @Test("A second opener in the same process is refused as well")
    func twice() throws {
        let directory = try TemporaryDirectory()
        let store = try BusStore.open(directory)
        let failure = #expect(throws: StoreFailure.self) { try BusStore.open(directory) }
        #expect(failure?.kind == .inUse)
        #expect(failure?.description.contains("process \(getpid())") == true)
        let checking = #expect(throws: StoreFailure.self) { try BusStore.verify(directory: directory.store) }
        #expect(checking?.kind == .inUse)
        store.close()
        try BusStore.open(directory).close()
    }

    @Test("A directory in a place that is not there is refused with what to do")
    func nowhere() throws {
        let directory = try TemporaryDirectory()
        let failure = #expect(throws: StoreFailure.self) {
            try BusStore.open(directory: directory.path + "/a/b") { _ in }
        }
        #expect(failure?.kind == .notAccessible)
        #expect(failure?.description.contains("a/b") == true)
    }

    @Test("A file in place of the directory is refused")
    func file() throws {
        let directory = try TemporaryDirectory()
        try Data().write(to: URL(filePath: directory.store))
        let failure = #expect(throws: StoreFailure.self) { try BusStore.open(directory) }
        #expect(failure?.description.contains("is not a directory") == true)
    }

    // MARK: Versions

    @Test("A store of a later version is refused and left as it is (D12)")
    func later() throws {
        let directory = try TemporaryDirectory()
        try BusStore.fill(directory, Samples.all)
        try Self.execute("PRAGMA user_version = \(Schema.version + 1)", in: directory)
        let before = FileManager.default.contents(atPath: directory.database)
        let failure = #expect(throws: StoreFailure.self) { try BusStore.open(directory) }
        #expect(failure?.kind == .tooNew)
        #expect(failure?.description.contains("version \(Schema.version + 1)") == true)
        #expect(FileManager.default.contents(atPath: directory.database) == before)
    }

    @Test("Another program's database is refused and left as it is")
    func foreign() throws {
        let directory = try TemporaryDirectory()
        try FileManager.default.createDirectory(atPath: directory.store, withIntermediateDirectories: false)
        try Self.execute("CREATE TABLE photographs (name TEXT)", in: directory)
        let before = FileManager.default.contents(atPath: directory.database)
        let failure = #expect(throws: StoreFailure.self) { try BusStore.open(directory) }
        #expect(failure?.kind == .foreign)
        #expect(FileManager.default.contents(atPath: directory.database) == before)
    }

    @Test("Tables that somebody changed are refused")
    func changedTables() throws {
        let directory = try TemporaryDirectory()
        try BusStore.fill(directory, Samples.all)
        try Self.execute("CREATE INDEX extra ON tasks (due)", in: directory)
        let failure = #expect(throws: StoreFailure.self) { try BusStore.open(directory) }
        #expect(failure?.kind == .damaged)
    }

    @Test("A store of every version so far opens with all it holds (D12)", arguments: 1...Schema.version)
    func golden(_ version: Int) throws {
        let directory = try TemporaryDirectory()
        let golden = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/version-\(version)")
        try FileManager.default.copyItem(atPath: golden.path, toPath: directory.store)
        let before = try BusStore.verify(directory: directory.store)
        #expect(before.isSound && before.version == version && before.deliveries == 3, "\(before.problems)")
        #expect(try BusStore.state(of: directory) == StoredState(after: Samples.all))
        #expect(try BusStore.verify(directory: directory.store).version == Schema.version)
    }

    @Test("A store of every version so far can be repaired, which lifts it (D12)", arguments: 1...Schema.version)
    func goldenRepair(_ version: Int) throws {
        let directory = try TemporaryDirectory()
        let golden = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/version-\(version)")
        try FileManager.default.copyItem(atPath: golden.path, toPath: directory.store)
        let report = try BusStore.repair(directory: directory.store)
        #expect(report.unreadable == 0 && report.kept.isSound && report.kept.version == Schema.version)
        #expect(try BusStore.state(of: directory) == StoredState(after: Samples.all))
    }

    @Test("A later version's steps lift an earlier store, all of them or none (D12)")
    func ladder() throws {
        let directory = try TemporaryDirectory()
        try BusStore.fill(directory, Samples.all)
        let database = try Database(path: directory.database, fileSystem: nil)
        defer { database.close(keepingLog: false) }
        let column = "ALTER TABLE tasks ADD COLUMN attempts INTEGER NOT NULL DEFAULT 3"
        #expect(throws: SQLiteFailure.self) {
            try Schema.raise(database, from: Schema.version, by: Schema.steps + [column, "CREATE TABLE tasks (id)"])
        }
        #expect(try Schema.standing(of: database) == .version(Schema.version))
        try Schema.raise(database, from: Schema.version, by: Schema.steps + [column])
        #expect(try Schema.standing(of: database) == .version(Schema.version + 1))
        #expect(try database.integer("SELECT sum(attempts) FROM tasks") == 6)
    }
}
