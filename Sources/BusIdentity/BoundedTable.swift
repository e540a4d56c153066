/// A dictionary with room for so many entries: when it is full, the entry that was set longest ago goes.
///
/// The order is a list of (key, stamp) that only grows; what was set again or removed leaves a stale item behind, and
/// the list is swept when it has twice as many items as the table may have entries. So each call costs O(1), amortised.
struct BoundedTable<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct Entry: Sendable {
        var value: Value
        var stamp: UInt64
    }

    private struct Item: Sendable {
        var key: Key
        var stamp: UInt64
    }

    let countMax: Int
    private var entries: [Key: Entry] = [:]
    private var order: [Item] = []
    private var oldest = 0
    private var stamp: UInt64 = 0

    init(countMax: Int) {
        self.countMax = countMax
    }

    var count: Int { self.entries.count }

    func value(for key: Key) -> Value? {
        self.entries[key]?.value
    }

    /// Sets the value and makes the entry the youngest.
    mutating func set(_ value: Value, for key: Key) {
        guard self.countMax > 0 else { return }
        self.stamp += 1
        self.entries[key] = Entry(value: value, stamp: self.stamp)
        self.order.append(Item(key: key, stamp: self.stamp))
        while self.entries.count > self.countMax { self.dropOldest() }
        if self.order.count > 2 * self.countMax { self.sweep() }
    }

    mutating func remove(_ key: Key) {
        self.entries[key] = nil
    }

    mutating func removeAll() {
        self.entries.removeAll()
        self.order.removeAll()
        self.oldest = 0
    }

    private mutating func dropOldest() {
        let item = self.order[self.oldest]
        self.oldest += 1
        if self.entries[item.key]?.stamp == item.stamp { self.entries[item.key] = nil }
    }

    private mutating func sweep() {
        let entries = self.entries
        self.order = self.order[self.oldest...].filter { entries[$0.key]?.stamp == $0.stamp }
        self.oldest = 0
    }
}
