import Testing

@testable import BusServer

@Suite("Lines of the log")
struct LineBudgetTests {
    private let second: UInt64 = 1_000_000_000

    @Test("A kind of line is written so often in a second, and the next second tells what was left out")
    func flood() {
        var budget = LineBudget()
        let first = (0..<1_000).map { budget.admit("overload", nanoseconds: UInt64($0)) }
        #expect(first.count { $0 == 0 } == LineBudget.linesPerSecond)
        #expect(first.count { $0 == nil } == 1_000 - LineBudget.linesPerSecond)
        #expect(budget.admit("overload", nanoseconds: self.second) == 1_000 - LineBudget.linesPerSecond)
        #expect(budget.admit("overload", nanoseconds: self.second) == 0)
    }

    @Test("Kinds do not take each other's lines")
    func kinds() {
        var budget = LineBudget()
        for _ in 0..<100 { _ = budget.admit("overload", nanoseconds: 0) }
        #expect(budget.admit("denied", nanoseconds: 0) == 0)
    }
}
