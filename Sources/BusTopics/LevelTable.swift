/// The level names in use, each stored once and known by a number.
///
/// Why: a topic is cut into levels once, each level is hashed once, and everything after that compares numbers. A level
/// that no filter uses has no number, so only wildcards can match it.
///
/// Layout: `slots` is an open-addressed table (linear probing, at most 3/4 full) from hash to entry. It has the hashes,
/// so that a name costs one look at its slots and one at its own entry: with many names each look is a miss of the
/// caches. An entry holds a name of up to eight bytes itself; the bytes of longer ones lie in one arena. Names are
/// counted; when the bytes of forgotten names are half of the arena, it is packed again.
struct LevelTable: Sendable {
    typealias Number = UInt32
    static let none = Number.max

    private struct Entry: Sendable {
        static let inPlaceMax = 8

        /// The bytes of a short name; of a longer one, where they lie in the arena.
        var content: UInt64
        var useCount: UInt32
        var length: UInt16

        var isInPlace: Bool { Int(self.length) <= Self.inPlaceMax }
        var offset: Int { Int(self.content) }
        /// In the arena.
        var range: Range<Int> { self.offset..<self.offset + Int(self.length) }
    }

    private struct Slot: Sendable {
        var hash: UInt32 = 0
        /// `LevelTable.none` marks an empty one.
        var number = LevelTable.none
    }

    private var arena: [UInt8] = []
    private var deadBytes = 0
    private var entries: ContiguousArray<Entry> = []
    private var free: [Number] = []
    private var slots: ContiguousArray<Slot> = []
    private let hashing: ByteHash

    init(hashing: ByteHash) {
        self.hashing = hashing
    }

    var count: Int { self.entries.count - self.free.count }

    /// The number of a name, `none` when nobody uses it.
    func find(_ name: UnsafeRawBufferPointer) -> Number {
        unsafe self.find(name, hash: self.hash(name))
    }

    private func find(_ name: UnsafeRawBufferPointer, hash: UInt32) -> Number {
        guard !self.slots.isEmpty else { return Self.none }
        let mask = self.slots.count - 1
        var place = Int(hash) & mask
        while true {
            let slot = self.slots[place]
            if slot.number == Self.none { return Self.none }
            if slot.hash == hash, unsafe self.isEntry(slot.number, name) { return slot.number }
            place = (place + 1) & mask
        }
    }

    /// The number of a name, counted as used once more; each `retain` is undone by one `release`.
    mutating func retain(_ name: UnsafeRawBufferPointer) -> Number {
        let hash = unsafe self.hash(name)
        let known = unsafe self.find(name, hash: hash)
        if known != Self.none {
            self.entries[Int(known)].useCount += 1
            return known
        }
        if (self.count + 1) * 4 > self.slots.count * 3 { self.grow() }
        let entry = unsafe self.makeEntry(name)
        let number: Number
        if let reused = self.free.popLast() {
            number = reused
            self.entries[Int(reused)] = entry
        } else {
            number = Number(self.entries.count)
            self.entries.append(entry)
        }
        self.place(Slot(hash: hash, number: number))
        return number
    }

    mutating func release(_ number: Number) {
        self.entries[Int(number)].useCount -= 1
        guard self.entries[Int(number)].useCount == 0 else { return }
        self.removeSlot(of: number)
        if !self.entries[Int(number)].isInPlace { self.deadBytes += Int(self.entries[Int(number)].length) }
        self.entries[Int(number)].length = 0
        self.free.append(number)
        if self.deadBytes > 4096, self.deadBytes * 2 > self.arena.count { self.pack() }
    }

    func name(_ number: Number) -> [UInt8] {
        let entry = self.entries[Int(number)]
        return entry.isInPlace ? Self.unpacked(entry.content, Int(entry.length)) : Array(self.arena[entry.range])
    }

    /// Whether a name begins with `$`: then no wildcard at the front of a filter matches it ([MQTT-4.7.2-1]).
    func beginsWithDollar(_ number: Number) -> Bool { self.name(number).first == UInt8(ascii: "$") }

    // MARK: Names

    private mutating func makeEntry(_ name: UnsafeRawBufferPointer) -> Entry {
        guard name.count > Entry.inPlaceMax else {
            return Entry(content: unsafe Self.packed(name), useCount: 1, length: UInt16(name.count))
        }
        let offset = self.arena.count
        unsafe self.arena.append(contentsOf: name)
        return Entry(content: UInt64(offset), useCount: 1, length: UInt16(name.count))
    }

    /// - Parameter name: eight bytes at most.
    private static func packed(_ name: UnsafeRawBufferPointer) -> UInt64 {
        var word: UInt64 = 0
        for index in name.indices { word = word << 8 | UInt64(unsafe name[index]) }
        return word
    }

    private static func unpacked(_ word: UInt64, _ length: Int) -> [UInt8] {
        (0..<length).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * (length - 1 - $0))) }
    }

    private func isEntry(_ number: Number, _ name: UnsafeRawBufferPointer) -> Bool {
        let entry = self.entries[Int(number)]
        guard Int(entry.length) == name.count else { return false }
        if entry.isInPlace { return unsafe entry.content == Self.packed(name) }
        return unsafe self.arena.withUnsafeBytes { arena in
            let stored = unsafe UnsafeRawBufferPointer(rebasing: arena[entry.range])
            return unsafe stored.hasSameBytes(as: name)
        }
    }

    // MARK: Table

    private mutating func place(_ slot: Slot) {
        let mask = self.slots.count - 1
        var place = Int(slot.hash) & mask
        while self.slots[place].number != Self.none { place = (place + 1) & mask }
        self.slots[place] = slot
    }

    /// Takes a name out of the probing chain and moves up those that probed past it.
    private mutating func removeSlot(of number: Number) {
        let mask = self.slots.count - 1
        var hole = Int(self.hash(of: number)) & mask
        while self.slots[hole].number != number { hole = (hole + 1) & mask }
        var next = (hole + 1) & mask
        while self.slots[next].number != Self.none {
            let home = Int(self.slots[next].hash) & mask
            if (next - home) & mask >= (next - hole) & mask {
                self.slots[hole] = self.slots[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        self.slots[hole] = Slot()
    }

    private mutating func grow() {
        let old = self.slots
        self.slots = ContiguousArray(repeating: Slot(), count: max(16, old.count * 2))
        for slot in old where slot.number != Self.none { self.place(slot) }
    }

    private mutating func pack() {
        var packed: [UInt8] = []
        packed.reserveCapacity(self.arena.count - self.deadBytes)
        for index in self.entries.indices where self.entries[index].useCount > 0 && !self.entries[index].isInPlace {
            let range = self.entries[index].range
            self.entries[index].content = UInt64(packed.count)
            packed.append(contentsOf: self.arena[range])
        }
        self.arena = packed
        self.deadBytes = 0
    }

    private func hash(of number: Number) -> UInt32 {
        unsafe self.name(number).withUnsafeBytes { unsafe self.hash($0) }
    }

    private func hash(_ name: UnsafeRawBufferPointer) -> UInt32 {
        let hash = unsafe self.hashing.hash(name)
        return UInt32(truncatingIfNeeded: hash ^ hash >> 32)
    }
}
