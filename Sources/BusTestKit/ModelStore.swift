package import BusCore

/// A store in memory that commits when the test says so. A crash keeps what is committed and nothing else.
package struct ModelStore: Sendable {
    /// What a restart finds.
    package private(set) var committed = StoredState()
    private var committedNumber: UInt64 = 0
    private var waiting: [(changes: [StoreChange], number: UInt64)] = []
    /// All changes ever taken, for a test that wants to see them.
    package private(set) var log: [StoreChange] = []

    package init(_ committed: StoredState = StoredState()) {
        self.committed = committed
    }

    package var waitingCount: Int { self.waiting.count }

    package mutating func append(_ changes: [StoreChange], number: UInt64) {
        if let last = self.waiting.last { precondition(last.number < number, "numbers of batches rise") }
        self.waiting.append((changes, number))
        self.log += changes
    }

    /// Commits the oldest batches; returns the number of the last one.
    package mutating func commit(_ count: Int = .max) -> UInt64? {
        let done = self.waiting.prefix(count)
        for batch in done {
            for change in batch.changes { self.committed.apply(change) }
        }
        self.waiting.removeFirst(done.count)
        return done.last?.number
    }

    /// The store with everything that waits, as if it were committed.
    package var latest: StoredState {
        var state = self.committed
        for batch in self.waiting {
            for change in batch.changes { state.apply(change) }
        }
        return state
    }

    package mutating func crash() {
        self.waiting = []
    }

    package mutating func clearLog() {
        self.log = []
    }
}

extension StoredState {
    /// Every record, in the order in which a store hands them over.
    package var records: [StoredRecord] {
        let sessions = self.sessions.sorted { $0.key < $1.key }
        var records: [StoredRecord] = sessions.compactMap { $0.value.session.map(StoredRecord.session) }
        for (number, session) in sessions {
            records += session.subscriptions.values.sorted { $0.filter < $1.filter }
                .map { .subscription(session: number, $0) }
        }
        records += self.messages.sorted { $0.key < $1.key }.map { .message(number: $0.key, $0.value) }
        for (number, session) in sessions {
            records += session.deliveries.map { .delivery(session: number, $0) }
        }
        for (number, session) in sessions {
            records += session.received.sorted().map { .received(session: number, packetIdentifier: $0) }
        }
        records += self.retained.sorted { $0.key.text < $1.key.text }
            .map { .retained(topic: $0.key.text, $0.value.message, publisher: $0.value.publisher) }
        return records + self.tasks.values.sorted { $0.id < $1.id }.map(StoredRecord.task)
    }

    /// Contents that no delivery uses, and deliveries without content: there are none in a sound state.
    package var strays: [String] {
        let used = Set(self.sessions.values.flatMap { $0.deliveries.map(\.message) })
        let unused = self.messages.keys.filter { !used.contains($0) }.map { "message \($0) is used by nobody" }
        let missing = used.filter { self.messages[$0] == nil }.map { "message \($0) is missing" }
        let ownerless = self.sessions.filter { $0.value.session == nil }.map { "session \($0.key) has no record" }
        return unused + missing + ownerless
    }
}

extension ModelStore: CrashingStore {
    package mutating func progress(_ random: inout SeededGenerator) -> UInt64 {
        self.committedNumber = self.commit(random.number(in: 0...3)) ?? self.committedNumber
        return self.committedNumber
    }

    package mutating func sync() -> UInt64 {
        self.committedNumber = self.commit() ?? self.committedNumber
        return self.committedNumber
    }

    /// Batches that were on their way are lost, or were stored and not yet reported.
    package mutating func crash(_ random: inout SeededGenerator) -> [StoredRecord] {
        if random.chance(50) { _ = self.commit(random.number(in: 0...3)) }
        self.crash()
        self.committedNumber = 0
        return self.committed.records
    }
}
