import BusSession
private import HeapModule

/// Everything the broker waits for, except the deadlines of calls, which the call table keeps.
///
/// An entry is never removed early: when it is due its owner decides whether it still means anything (a keep alive that
/// was refreshed is armed again). So a packet costs a store of its time, not a timer operation.
struct TimerQueue: Sendable {
    enum Kind: Sendable {
        case connectTimeout, keepAlive, loginExpiry, sessionExpiry, willDelay, announcement, system
    }

    struct Entry: Comparable, Sendable {
        var due: Timestamp
        var kind: Kind
        /// The place of the connection or session.
        var index: Int
        var generation: UInt32

        static func < (left: Entry, right: Entry) -> Bool { left.due < right.due }
        static func == (left: Entry, right: Entry) -> Bool { left.due == right.due }
    }

    private var entries = Heap<Entry>()

    var count: Int { self.entries.count }

    var next: Timestamp { self.entries.min?.due ?? .never }

    mutating func arm(_ entry: Entry) {
        guard entry.due < .never else { return }
        self.entries.insert(entry)
    }

    /// The next entry that is due at `now`.
    mutating func popDue(at now: Timestamp) -> Entry? {
        guard let first = self.entries.min, first.due <= now else { return nil }
        return self.entries.popMin()
    }

    /// Throws all entries away for which `isKept` says no.
    mutating func keep(where isKept: (Entry) -> Bool) {
        self.entries = Heap(self.entries.unordered.filter(isKept))
    }
}
