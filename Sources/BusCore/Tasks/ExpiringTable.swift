import BusSession
private import HeapModule

/// Values under names, each forgotten at its time; beyond the bound the one that would go first goes.
struct ExpiringTable<Value: Sendable>: Sendable {
    private struct Due: Comparable, Sendable {
        var at: Timestamp
        var name: String

        static func < (left: Due, right: Due) -> Bool { left.at < right.at }
    }

    private var values: [String: (value: Value, until: Timestamp)] = [:]
    /// Holds entries of names that were removed or kept longer since, until they are due.
    private var due = Heap<Due>()
    private let countMax: Int

    init(countMax: Int) {
        self.countMax = countMax
    }

    /// When the next value may be due.
    var next: Timestamp? { self.due.min?.at }
    subscript(name: String) -> Value? { self.values[name]?.value }

    /// Returns what went to make room.
    mutating func insert(_ value: Value, as name: String, until: Timestamp) -> [(name: String, value: Value)] {
        self.values[name] = (value, until)
        self.due.insert(Due(at: until, name: name))
        var removed: [(name: String, value: Value)] = []
        while self.values.count > self.countMax, let first = self.popFirst() { removed.append(first) }
        return removed
    }

    mutating func remove(_ name: String) -> Value? { self.values.removeValue(forKey: name)?.value }

    /// The next one whose time has come.
    mutating func popDue(at now: Timestamp) -> (name: String, value: Value)? {
        while let next = self.due.min, next.at <= now {
            if let first = self.popFirst(upTo: now) { return first }
        }
        return nil
    }

    private mutating func popFirst(upTo limit: Timestamp = .never) -> (name: String, value: Value)? {
        while let next = self.due.min, next.at <= limit {
            self.due.removeMin()
            guard let entry = self.values[next.name], entry.until == next.at else { continue }
            self.values[next.name] = nil
            return (next.name, entry.value)
        }
        return nil
    }
}
