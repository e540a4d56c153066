import Testing

@testable import BusCalls

@Suite("Deadline wheel")
struct DeadlineWheelTests {
    private func entry(_ due: UInt64, _ call: Int = 0) -> DeadlineWheel.Entry {
        DeadlineWheel.Entry(due: due, call: call, generation: 0)
    }

    private func advance(_ wheel: inout DeadlineWheel, to now: UInt64) -> [DeadlineWheel.Entry] {
        var due: [DeadlineWheel.Entry] = []
        wheel.advance(to: now, into: &due)
        return due
    }

    @Test(
        "An entry comes at its instant or at most one tick later, wherever it lies",
        arguments: [0, 1, 3_999_999, 4_000_000, 4_000_001, 16_384_000_000, 16_384_000_001, 86_400_000_000_000]
            as [UInt64]
    )
    func precision(_ due: UInt64) throws {
        var wheel = DeadlineWheel()
        wheel.add(self.entry(due))
        if due > 0 { #expect(self.advance(&wheel, to: due - 1).isEmpty) }
        // Follow the wheel's own wish until the entry comes.
        var now: UInt64 = 0
        while let next = wheel.next {
            #expect(next >= now)
            now = next
            let found = self.advance(&wheel, to: now)
            if !found.isEmpty { #expect(found.map(\.due) == [due]) }
        }
        #expect(now >= due && now <= due + DeadlineWheel.tick)
    }

    @Test("Many entries at random instants come once each, never early, at most one tick late", arguments: 1...6)
    func many(_ seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var wheel = DeadlineWheel()
        var now: UInt64 = 1_000_000_000
        var open: [Int: UInt64] = [:]
        var last = 0
        for call in 0..<5_000 {
            let due = now + random.next() % [1_000, 50_000_000, 40_000_000_000][random.number(below: 3)]
            wheel.add(self.entry(due, call))
            open[call] = due
            guard random.chance(30) else { continue }
            now += random.next() % [100_000, 30_000_000, 20_000_000_000][random.number(below: 3)]
            for found in self.advance(&wheel, to: now) {
                let due = open.removeValue(forKey: found.call)
                #expect(due == found.due && found.due <= now, "seed \(seed)")
            }
            let overdue = open.values.contains { $0 + DeadlineWheel.tick <= now }
            #expect(!overdue, "seed \(seed): an entry is more than a tick late")
            last = call
        }
        let rest = self.advance(&wheel, to: now + 41_000_000_000)
        #expect(Set(rest.map(\.call)) == Set(open.keys), "seed \(seed), last advance after \(last)")
        #expect(rest.count == open.count)
        #expect(wheel.next == nil)
    }

    @Test("Entries of different ticks come in the order of their instants")
    func order() {
        var wheel = DeadlineWheel()
        let instants = (0..<1_000).map { UInt64($0 * 7919 % 1_000) * DeadlineWheel.tick }
        for (call, due) in instants.enumerated() { wheel.add(self.entry(due, call)) }
        #expect(self.advance(&wheel, to: 4_000 * DeadlineWheel.tick).map(\.due) == instants.sorted())
    }

    @Test("An entry that is due already comes with the next tick")
    func overdue() {
        var wheel = DeadlineWheel()
        wheel.add(self.entry(40_000_000_000, 1))
        let now: UInt64 = 30_000_000_000
        #expect(self.advance(&wheel, to: now).isEmpty)
        wheel.add(self.entry(5, 2))
        #expect(self.advance(&wheel, to: now + DeadlineWheel.tick).map(\.call) == [2])
    }

    @Test("An empty wheel wants nothing, however far the clock has gone")
    func empty() {
        var wheel = DeadlineWheel()
        #expect(wheel.next == nil)
        #expect(self.advance(&wheel, to: 1 << 60).isEmpty)
        wheel.add(self.entry(1 << 60))
        #expect(self.advance(&wheel, to: (1 << 60) + DeadlineWheel.tick).count == 1)
        #expect(wheel.next == nil)
    }

    @Test("A far entry that means nothing any more comes out when the wheel passes it; one that does stays")
    func dropped() {
        var wheel = DeadlineWheel()
        for call in 0..<100 { wheel.add(self.entry(86_400_000_000_000 + UInt64(call), call)) }
        var due: [DeadlineWheel.Entry] = []
        wheel.advance(to: 17_000_000_000, into: &due) { $0.call == 7 }
        #expect(due.map(\.call) == Array(0..<7) + Array(8..<100))
        #expect(self.advance(&wheel, to: 86_500_000_000_000).map(\.call) == [7])
    }
}
