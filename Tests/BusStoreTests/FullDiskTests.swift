import BusCore
import BusStore
import Foundation
import Testing

@Suite("A real disk that fills up", .enabled(if: SmallDisk.isAllowed, "mounting a small disk takes the superuser"))
struct FullDiskTests {
    private static func task(_ number: UInt64) -> StoreChange {
        .saveTask(StoredTask(id: "task-\(number)", record: [UInt8](repeating: 1, count: 9000), state: 0))
    }

    private static func isFull(_ result: CommitResult) -> Bool {
        if case .full = result { true } else { false }
    }

    @Test(
        "What was committed before it was full survives, and room lets the rest in (D08)",
        arguments: [700, 1000, 1503, 2100])
    func fills(_ kilobytes: Int) throws {
        let disk = try #require(SmallDisk(kilobytes: kilobytes))
        let ballast = disk.path + "/ballast"
        // Writing the log back takes as much room as the log holds: with less the disk would stay full.
        try Data(repeating: 1, count: kilobytes * 500).write(to: URL(filePath: ballast))
        let reports = Reports()
        let store = try BusStore.open(directory: disk.path + "/data") { reports.add($0) }
        var number: UInt64 = 0
        while !reports.all.contains(where: Self.isFull) {
            number += 1
            store.append([Self.task(number)], number: number)
            _ = reports.wait { result in
                if case .committed(let upTo) = result { upTo >= number } else { true }
            }
        }
        // The store writes its log back and tries again, so the last one may find room at any moment.
        let before = reports.committed
        #expect(before == number - 1 || before == number)
        var found: UInt64 = 0
        try store.load { _ in found += 1 }
        #expect((before...reports.committed).contains(found))

        let start = ContinuousClock.now
        try FileManager.default.removeItem(atPath: ballast)
        #expect(reports.waitForCommit(of: number))
        #expect(ContinuousClock.now - start < .seconds(5))
        store.close()
        let report = try BusStore.verify(directory: disk.path + "/data")
        #expect(report.isSound && report.tasks == Int(number))
    }

    @Test("A store opens on a disk that is full, and holds all it held (D08)")
    func opensFull() throws {
        let disk = try #require(SmallDisk(kilobytes: 600))
        let path = disk.path + "/data"
        let first = try BusStore.open(directory: path) { _ in }
        for number in 1...UInt64(10) { first.append([Self.task(number)], number: number) }
        first.close()
        // Fails at the last byte that fits, which is what it is for.
        try? Data(repeating: 1, count: 600_000).write(to: URL(filePath: disk.path + "/ballast"))
        let reports = Reports()
        let second = try BusStore.open(directory: path) { reports.add($0) }
        var found = 0
        try second.load { _ in found += 1 }
        #expect(found == 10)
        second.append((1...10).map { .removeTask(id: "task-\($0)") }, number: 1)
        #expect(reports.wait(for: Self.isFull) != nil)
        try FileManager.default.removeItem(atPath: disk.path + "/ballast")
        #expect(reports.waitForCommit(of: 1))
        second.close()
        #expect(try BusStore.verify(directory: path).tasks == 0)
    }
}
