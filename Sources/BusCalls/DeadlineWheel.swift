/// Calls by the instant at which something must happen to them.
///
/// Why a wheel: a call almost always ends before its deadline, so an entry must be cheap to make and free to forget. The
/// wheel turns in ticks of 4 ms; an entry lies in the slot of its tick, and one further away than a turn comes round
/// again. Owners check on arrival whether an entry still means anything. A bit for each slot finds the next one.
struct DeadlineWheel: Sendable {
    struct Entry: Sendable {
        var due: UInt64
        var call: Int
        var generation: UInt32 = 0
    }

    static let tick: UInt64 = 4_000_000
    private static let slotCount = 4096

    private var slots: ContiguousArray<[Entry]> = []
    private var occupied: [UInt64] = []
    private var count = 0
    /// The tick that was reached last.
    private var current: UInt64 = 0

    mutating func add(_ entry: Entry) {
        if self.slots.isEmpty {
            self.slots = ContiguousArray(repeating: [], count: Self.slotCount)
            self.occupied = Array(repeating: 0, count: Self.slotCount / 64)
        }
        if self.count == 0 { self.current = min(self.current, entry.due / Self.tick) }
        // Rounded up: never early.
        let tick = max(self.current, (entry.due + Self.tick - 1) / Self.tick)
        let slot = Int(tick % UInt64(Self.slotCount))
        self.slots[slot].append(entry)
        self.occupied[slot / 64] |= 1 << UInt64(slot % 64)
        self.count += 1
    }

    var entryCount: Int { self.count }

    /// The instant at which the next slot that holds anything is reached; `nil` when nothing waits.
    var next: UInt64? {
        guard self.count > 0 else { return nil }
        let start = Int(self.current % UInt64(Self.slotCount))
        var word = self.occupied[start / 64] & (.max << UInt64(start % 64))
        for step in 0...self.occupied.count {
            let index = (start / 64 + step) % self.occupied.count
            if step > 0 { word = self.occupied[index] }
            guard word != 0 else { continue }
            let slot = index * 64 + word.trailingZeroBitCount
            let distance = (slot - start + Self.slotCount) % Self.slotCount
            return (self.current + UInt64(distance)) * Self.tick
        }
        return nil
    }

    /// Takes out everything that is due at `now`. An entry that is met before its time stays only if `isAlive`, and comes
    /// out otherwise: so one that means nothing any more is here for a turn at most, however far away it was.
    mutating func advance(to now: UInt64, into due: inout [Entry], isAlive: (Entry) -> Bool = { _ in true }) {
        let target = now / Self.tick
        guard self.count > 0 else {
            self.current = max(self.current, target)
            return
        }
        while self.count > 0, let next = self.next, next <= now {
            let tick = next / Self.tick
            self.takeSlot(Int(tick % UInt64(Self.slotCount)), now: now, into: &due, isAlive: isAlive)
            self.current = tick + 1
        }
        self.current = max(self.current, target)
    }

    private mutating func takeSlot(_ slot: Int, now: UInt64, into due: inout [Entry], isAlive: (Entry) -> Bool) {
        var kept: [Entry] = []
        for entry in self.slots[slot] {
            if entry.due > now, isAlive(entry) { kept.append(entry) } else { due.append(entry) }
        }
        self.count -= self.slots[slot].count - kept.count
        self.slots[slot] = kept
        if kept.isEmpty { self.occupied[slot / 64] &= ~(1 << UInt64(slot % 64)) }
    }
}
