/// The level names in use, each stored once and known by a number.
///
/// Why: a topic is cut into levels once, each level is hashed once, and everything after that compares numbers. A level
/// that no filter uses has no number, so only wildcards can match it.
///
/// Layout: the bytes of all names lie in one arena; `entries` says where; `slots` is an open-addressed table (linear
/// probing, at most 3/4 full) from hash to entry. Names are counted; when the bytes of forgotten names are half of the
/// arena, it is packed again.
struct LevelTable: Sendable {
    typealias Number = UInt32
    static let none = Number.max

    private struct Entry: Sendable {
        var hash: UInt32
        var useCount: UInt32
        var offset: Int
        var length: UInt16
    }

    private var arena: [UInt8] = []
    private var deadBytes = 0
    private var entries: ContiguousArray<Entry> = []
    private var free: [Number] = []
    private var slots: ContiguousArray<Number> = []
    private let hashing: ByteHash

    init(hashing: ByteHash) {
        self.hashing = hashing
    }

    var count: Int { self.entries.count - self.free.count }

    /// The number of a name, `none` when nobody uses it.
    func find(_ name: UnsafeRawBufferPointer) -> Number {
        guard !self.slots.isEmpty else { return Self.none }
        let hash = unsafe self.hash(name)
        let mask = self.slots.count - 1
        var slot = Int(hash) & mask
        while true {
            let number = self.slots[slot]
            if number == Self.none { return Self.none }
            if unsafe self.isEntry(number, hash: hash, name: name) { return number }
            slot = (slot + 1) & mask
        }
    }

    /// The number of a name, counted as used once more; each `retain` is undone by one `release`.
    mutating func retain(_ name: UnsafeRawBufferPointer) -> Number {
        let known = unsafe self.find(name)
        if known != Self.none {
            self.entries[Int(known)].useCount += 1
            return known
        }
        if (self.count + 1) * 4 > self.slots.count * 3 { self.grow() }
        let entry = Entry(
            hash: unsafe self.hash(name), useCount: 1, offset: self.arena.count, length: UInt16(name.count))
        unsafe self.arena.append(contentsOf: name)
        let number: Number
        if let reused = self.free.popLast() {
            number = reused
            self.entries[Int(reused)] = entry
        } else {
            number = Number(self.entries.count)
            self.entries.append(entry)
        }
        self.place(number)
        return number
    }

    mutating func release(_ number: Number) {
        self.entries[Int(number)].useCount -= 1
        guard self.entries[Int(number)].useCount == 0 else { return }
        self.removeSlot(of: number)
        self.deadBytes += Int(self.entries[Int(number)].length)
        self.entries[Int(number)].length = 0
        self.free.append(number)
        if self.deadBytes > 4096, self.deadBytes * 2 > self.arena.count { self.pack() }
    }

    func name(_ number: Number) -> ArraySlice<UInt8> {
        let entry = self.entries[Int(number)]
        return self.arena[entry.offset..<entry.offset + Int(entry.length)]
    }

    /// Whether a name begins with `$`: then no wildcard at the front of a filter matches it ([MQTT-4.7.2-1]).
    func beginsWithDollar(_ number: Number) -> Bool { self.name(number).first == UInt8(ascii: "$") }

    // MARK: Table

    private func isEntry(_ number: Number, hash: UInt32, name: UnsafeRawBufferPointer) -> Bool {
        let entry = self.entries[Int(number)]
        guard entry.hash == hash, Int(entry.length) == name.count else { return false }
        return unsafe self.arena.withUnsafeBytes { arena in
            let stored = unsafe UnsafeRawBufferPointer(rebasing: arena[entry.offset..<entry.offset + name.count])
            return unsafe stored.hasSameBytes(as: name)
        }
    }

    private mutating func place(_ number: Number) {
        let mask = self.slots.count - 1
        var slot = Int(self.entries[Int(number)].hash) & mask
        while self.slots[slot] != Self.none { slot = (slot + 1) & mask }
        self.slots[slot] = number
    }

    /// Takes a name out of the probing chain and moves up those that probed past it.
    private mutating func removeSlot(of number: Number) {
        let mask = self.slots.count - 1
        var hole = Int(self.entries[Int(number)].hash) & mask
        while self.slots[hole] != number { hole = (hole + 1) & mask }
        var next = (hole + 1) & mask
        while self.slots[next] != Self.none {
            let home = Int(self.entries[Int(self.slots[next])].hash) & mask
            if (next - home) & mask >= (next - hole) & mask {
                self.slots[hole] = self.slots[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        self.slots[hole] = Self.none
    }

    private mutating func grow() {
        self.slots = ContiguousArray(repeating: Self.none, count: max(16, self.slots.count * 2))
        for index in self.entries.indices where self.entries[index].useCount > 0 { self.place(Number(index)) }
    }

    private mutating func pack() {
        var packed: [UInt8] = []
        packed.reserveCapacity(self.arena.count - self.deadBytes)
        for index in self.entries.indices where self.entries[index].useCount > 0 {
            let start = self.entries[index].offset
            self.entries[index].offset = packed.count
            packed.append(contentsOf: self.arena[start..<start + Int(self.entries[index].length)])
        }
        self.arena = packed
        self.deadBytes = 0
    }

    private func hash(_ name: UnsafeRawBufferPointer) -> UInt32 {
        let hash = unsafe self.hashing.hash(name)
        return UInt32(truncatingIfNeeded: hash ^ hash >> 32)
    }
}
