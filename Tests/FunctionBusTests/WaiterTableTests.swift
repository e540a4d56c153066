import Testing

@testable import FunctionBus

@Suite("Who waits for what")
struct WaiterTableTests {
    typealias Table = WaiterTable<String>

    private static let start = ContinuousClock.now

    private static func waiter(_ purpose: Table.Purpose, _ name: String, after seconds: Int = 10) -> Table.Waiter {
        Table.Waiter(purpose: purpose, deadline: Self.start + .seconds(seconds), handle: name)
    }

    @Test("A reply ends its call once; a second one finds nobody")
    func once() {
        var table = Table()
        table.add(Self.waiter(.reply(correlation: [1], packet: 7), "call"), as: 1)
        #expect(table.take(correlation: [2]) == nil)
        #expect(table.take(correlation: [1])?.handle == "call")
        #expect(table.take(correlation: [1]) == nil)
        #expect(table.take(packet: 7) == nil)
        #expect(table.count == 0)
    }

    @Test("An acknowledgement ends a publish, and a call only where no reply will come", arguments: [true, false])
    func acknowledgement(_ endsCalls: Bool) {
        var table = Table()
        table.add(Self.waiter(.acknowledgement(packet: 1), "publish"), as: 1)
        table.add(Self.waiter(.reply(correlation: [1], packet: 2), "call"), as: 2)
        #expect(table.acknowledged(packet: 1, endsCalls: endsCalls)?.handle == "publish")
        #expect(table.acknowledged(packet: 2, endsCalls: endsCalls)?.handle == (endsCalls ? "call" : nil))
        #expect((table.take(correlation: [1]) != nil) == !endsCalls)
    }

    @Test("A packet identifier that is used again belongs to the later packet")
    func reusedPacket() {
        var table = Table()
        table.add(Self.waiter(.reply(correlation: [1], packet: 5), "old"), as: 1)
        #expect(table.acknowledged(packet: 5, endsCalls: false) == nil)
        table.add(Self.waiter(.acknowledgement(packet: 5), "new"), as: 2)
        #expect(table.take(correlation: [1])?.handle == "old")
        #expect(table.take(packet: 5)?.handle == "new")
    }

    @Test("An interim reply leaves the wait open, and tells who has the call")
    func progress() {
        var table = Table()
        table.add(Self.waiter(.reply(correlation: [1], packet: nil), "call"), as: 1)
        #expect(table.progressed(correlation: [1], instance: "i1")?.handle == "call")
        #expect(table.progressed(correlation: [1], instance: nil)?.instance == "i1")
        #expect(table.takeAll { $0.instance == "i1" }.count == 1)
        #expect(table.progressed(correlation: [1], instance: "i1") == nil)
    }

    @Test("Whoever is overdue is taken, the others stay")
    func overdue() {
        var table = Table()
        for number in 1...4 {
            table.add(Self.waiter(.connection, "\(number)", after: number), as: UInt64(number))
        }
        #expect(table.earliestDeadline == Self.start + .seconds(1))
        #expect(table.takeOverdue(at: Self.start + .seconds(2)).map(\.handle) == ["1", "2"])
        #expect(table.earliestDeadline == Self.start + .seconds(3))
    }
}
