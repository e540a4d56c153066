import BusCore
import BusStore
import BusTestKit
import Foundation
import Testing

@Suite("A damaged store")
struct DamageTests {
    /// A store in two files, as a crash leaves it, and the states that its appends went through.
    private struct Sample {
        var database: Data
        var log: Data
        var states: [StoredState]

        /// With `isLogged`, what was stored last is in the log only.
        static func make(seed: UInt64, isLogged: Bool) throws -> Sample {
            let directory = try TemporaryDirectory()
            let reports = Reports()
            var script = StoreScript(seed: seed)
            var states = [StoredState()]
            func append(_ count: Int, to store: BusStore) {
                for _ in 0..<count {
                    var state = states[states.count - 1]
                    let changes = script.next()
                    for change in changes { state.apply(change) }
                    let number = UInt64(states.count)
                    states.append(state)
                    store.append(changes, number: number)
                    if number.isMultiple(of: 5) { reports.waitForCommit(of: number) }
                }
            }
            var store = try BusStore.open(directory, reports: reports)
            append(60, to: store)
            store.close()
            store = try BusStore.open(directory, reports: reports)
            if isLogged { append(60, to: store) } else { store.close() }
            defer { store.close() }
            return Sample(
                database: FileManager.default.contents(atPath: directory.database) ?? Data(),
                log: FileManager.default.contents(atPath: directory.log) ?? Data(), states: states)
        }
    }

    /// Made once: most of the time of a test would go into them.
    private static let closed = (0..<4).map { seed in Result { try Sample.make(seed: seed, isLogged: false) } }
    private static let logged = (0..<4).map { seed in Result { try Sample.make(seed: seed, isLogged: true) } }

    private static func flipped(_ data: Data, count: Int, seed: UInt64) -> Data {
        var data = data
        var state = seed &* 0x9E37_79B9_7F4A_7C15
        for _ in 0..<count {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            data[Int((state >> 16) % UInt64(data.count))] ^= 1 << UInt8(state >> 60 & 7)
        }
        return data
    }

    /// Opens the files: a prefix of what was stored, or a refusal that says what to do; never anything else.
    private static func examine(_ database: Data, _ log: Data, _ states: [StoredState]) throws -> Bool {
        let directory = try TemporaryDirectory()
        try FileManager.default.createDirectory(atPath: directory.store, withIntermediateDirectories: false)
        try database.write(to: URL(filePath: directory.database))
        if !log.isEmpty { try log.write(to: URL(filePath: directory.log)) }
        let report = Result { try BusStore.verify(directory: directory.store) }
        do {
            let found = try BusStore.state(of: directory)
            #expect(states.contains(found), "what was loaded was never stored")
            return true
        } catch let failure as StoreFailure {
            let says = failure.description
            #expect(
                says.contains(directory.database) && (says.contains("copy back") || failure.kind != .damaged), "\(says)"
            )
            if case .success(let report) = report { #expect(!report.isSound, "\(says)") }
            return false
        }
    }

    @Test(
        "Flipped bits in the database are never loaded as if they had been stored (D07)", arguments: 1...Mutants.count)
    func databaseBits(_ seed: UInt64) throws {
        let sample = try Self.closed[Int(seed % 4)].get()
        let count = 1 + Int(seed) % 8 * 3
        _ = try Self.examine(Self.flipped(sample.database, count: count, seed: seed), sample.log, sample.states)
    }

    @Test("Flipped bits in the log leave what was committed before them (D07)", arguments: 1...Mutants.count)
    func logBits(_ seed: UInt64) throws {
        let sample = try Self.logged[Int(seed % 4)].get()
        #expect(!sample.log.isEmpty)
        let log = Self.flipped(sample.log, count: 1 + Int(seed) % 3, seed: seed)
        #expect(try Self.examine(sample.database, log, sample.states))
    }

    @Test("Damage in the middle of the log is told with what it costs (D07)", arguments: [0, 20, 40, 5000, 20_000])
    func logNotice(_ offset: Int) throws {
        let sample = try Self.logged[2].get()
        let directory = try TemporaryDirectory()
        try FileManager.default.createDirectory(atPath: directory.store, withIntermediateDirectories: false)
        try sample.database.write(to: URL(filePath: directory.database))
        try sample.log.write(to: URL(filePath: directory.log))
        let intact = try BusStore.verify(directory: directory.store)
        #expect(intact.isSound, "\(intact.problems)")
        var log = sample.log
        log[offset] ^= 4
        try log.write(to: URL(filePath: directory.log))
        let report = try BusStore.verify(directory: directory.store)
        #expect(report.problems.count == 1 && report.problems.first?.contains("are lost") == true)
        let store = try BusStore.open(directory)
        defer { store.close() }
        #expect(store.notices == report.problems)
        #expect(sample.states.dropLast().contains(try store.state))
    }

    @Test("A log that ends early leaves what was committed before its end (D07)", arguments: 0...20)
    func shortLog(_ twentieths: Int) throws {
        let sample = try Self.logged[3].get()
        let log = sample.log.prefix(sample.log.count * twentieths / 20)
        #expect(try Self.examine(sample.database, log, sample.states))
    }

    @Test("A database that ends early is refused, or has lost nothing (D07)", arguments: 0...20)
    func shortDatabase(_ twentieths: Int) throws {
        let sample = try Self.closed[3].get()
        let database = sample.database.prefix(sample.database.count * twentieths / 20)
        let states = twentieths == 0 ? [StoredState()] : [sample.states[sample.states.count - 1]]
        #expect(try Self.examine(database, sample.log, states) == (twentieths == 0 || twentieths == 20))
    }

    @Test("A database of other bytes is refused and left as it is (D07)")
    func otherBytes() throws {
        let directory = try TemporaryDirectory()
        try BusStore.fill(directory, Samples.all)
        let garbage = Self.flipped(Data(repeating: 0x55, count: 40_960), count: 5000, seed: 1)
        try garbage.write(to: URL(filePath: directory.database))
        let failure = #expect(throws: StoreFailure.self) { try BusStore.open(directory) }
        #expect(failure?.kind == .damaged)
        #expect(FileManager.default.contents(atPath: directory.database) == garbage)
    }

    @Test("A store whose database was emptied is refused, not begun anew")
    func emptied() throws {
        let directory = try TemporaryDirectory()
        try BusStore.fill(directory, Samples.all)
        try Data().write(to: URL(filePath: directory.database))
        let failure = #expect(throws: StoreFailure.self) { try BusStore.open(directory) }
        #expect(failure?.kind == .damaged)
    }

    @Test("A store whose database is gone is refused, not begun anew")
    func removed() throws {
        let directory = try TemporaryDirectory()
        try BusStore.fill(directory, Samples.all)
        try FileManager.default.removeItem(atPath: directory.database)
        let failure = #expect(throws: StoreFailure.self) { try BusStore.open(directory) }
        #expect(failure?.description.contains("store.db") == true)
        #expect(!FileManager.default.fileExists(atPath: directory.database))
    }

    @Test("A store that was not closed and has lost its log is refused")
    func logRemoved() throws {
        let directory = try TemporaryDirectory()
        let probe = try ProbeProcess(appendingTo: directory.store, seed: 5)
        _ = probe.committed(atLeast: 50)
        probe.kill()
        try FileManager.default.removeItem(atPath: directory.log)
        let failure = #expect(throws: StoreFailure.self) { try BusStore.open(directory) }
        #expect(failure?.kind == .damaged)
        #expect(failure?.description.contains("log") == true)
    }
}
