import BusCore
import BusStore
import BusTestKit
import Foundation
import Testing

@Suite("A process that dies", .serialized)
struct CrashTests {
    /// How many of the script's appends a store holds: exactly so many, none by halves.
    private static func appends(in found: StoredState, seed: UInt64, atLeast number: UInt64) -> Int? {
        var script = StoreScript(seed: seed)
        var state = StoredState()
        for count in 0..<500_000 {
            if count >= number, state == found { return count }
            if count > number + 100_000 { return nil }
            for change in script.next() { state.apply(change) }
        }
        return nil
    }

    @Test("After kill -9 at any moment everything that was reported committed is there (D01)", arguments: 1...25)
    func killed(_ seed: UInt64) throws {
        let directory = try TemporaryDirectory()
        let probe = try ProbeProcess(appendingTo: directory.store, seed: seed)
        _ = probe.committed(atLeast: 1 + seed * seed * 4)
        probe.kill()
        let committed = probe.committed(atLeast: .max)
        #expect(committed > seed * seed)
        let found = try BusStore.state(of: directory)
        #expect(Self.appends(in: found, seed: seed, atLeast: committed) != nil, "\(committed) were reported")
        #expect(try BusStore.verify(directory: directory.store).problems.isEmpty)
    }

    @Test("A copy of the files taken at any moment holds everything reported before (D01)", arguments: 1...10)
    func copied(_ seed: UInt64) throws {
        let directory = try TemporaryDirectory()
        let copy = try TemporaryDirectory()
        let probe = try ProbeProcess(appendingTo: directory.store, seed: seed)
        _ = probe.committed(atLeast: seed * 97)
        probe.freeze()
        try FileManager.default.copyItem(atPath: directory.store, toPath: copy.store)
        probe.kill()
        // More may have been said between the reading and the freezing: it was all said before the copy.
        let committed = probe.committed(atLeast: .max)
        let found = try BusStore.state(of: copy)
        #expect(Self.appends(in: found, seed: seed, atLeast: committed) != nil, "\(committed) were reported")
    }

    @Test("A store that another process has open is refused, with that process named")
    func inUse() throws {
        let directory = try TemporaryDirectory()
        let probe = try ProbeProcess(appendingTo: directory.store, seed: 1)
        _ = probe.committed(atLeast: 1)
        let failure = #expect(throws: StoreFailure.self) { try BusStore.open(directory) }
        #expect(failure?.kind == .inUse)
        #expect(failure?.description.contains("process \(probe.processIdentifier)") == true)
        probe.kill()
        try BusStore.open(directory).close()
    }
}
