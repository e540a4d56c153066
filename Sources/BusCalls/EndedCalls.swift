/// Calls that ended, were at an instance and are remembered by nothing else: an answer to one of them is late, and must
/// not pass for a message of another kind.
///
/// Bounded in number and time; the oldest go first. Empty, and asked for at the cost of one comparison, as long as all
/// callers name their calls. A ring of 40 bytes for each: who had it, and hashes of the topic and the correlation data
/// with which its answer would come. That two of the few thousand have the same 64 bits, which are seeded, is left to
/// chance. Instances are sessions, whose numbers are small and close together: an array counts the calls of each.
struct EndedCalls: Sendable {
    private struct Entry: Sendable {
        var hash: UInt64
        var forgottenAt: UInt64
        /// The number of the entry before in the same list.
        var previous: UInt64
        var client: ClientHandle
        var function: FunctionReference
    }

    private var entries: ContiguousArray<Entry> = []
    private var heads: ContiguousArray<UInt64> = []
    /// Entries are numbered as they come, from 1 on.
    private var first: UInt64 = 1
    private var next: UInt64 = 1
    private var countOfClient: ContiguousArray<Int> = []

    var count: Int { Int(self.next - self.first) }

    /// - Parameter hash: of the client, the topic and the correlation data that its answer would have.
    mutating func append(
        _ hash: UInt64, of function: FunctionReference, at client: ClientHandle, until forgottenAt: UInt64
    ) {
        if self.count >= self.entries.count { self.enlarge() }
        let entry = Entry(
            hash: hash, forgottenAt: forgottenAt, previous: self.heads[self.place(hash)], client: client,
            function: function)
        self.enter(entry)
        let index = Int(client.rawValue)
        if index >= self.countOfClient.count {
            let missing = max(index + 1, 2 * self.countOfClient.count) - self.countOfClient.count
            self.countOfClient.append(contentsOf: repeatElement(0, count: missing))
        }
        self.countOfClient[index] += 1
    }

    private mutating func enter(_ entry: Entry) {
        self.entries[self.place(self.next)] = entry
        self.heads[self.place(entry.hash)] = self.next
        self.next += 1
    }

    private mutating func enlarge() {
        let known = (self.first..<self.next).map { self.entries[self.place($0)] }
        let none = Entry(
            hash: 0, forgottenAt: 0, previous: 0, client: .platform, function: FunctionReference(place: -1))
        let capacity = max(64, 2 * self.entries.count)
        self.entries = ContiguousArray(repeating: none, count: capacity)
        self.heads = ContiguousArray(repeating: 0, count: capacity)
        self.next = self.first
        for var entry in known {
            entry.previous = self.heads[self.place(entry.hash)]
            self.enter(entry)
        }
    }

    /// Forgets what is past its time, or too much; entries stand in the order of their ends.
    mutating func advance(to now: UInt64, countMax: Int) {
        while self.first < self.next {
            guard self.entries[self.place(self.first)].forgottenAt <= now || self.count > countMax else { return }
            self.removeFirst()
        }
    }

    func concerns(_ client: ClientHandle) -> Bool {
        let index = Int(client.rawValue)
        return index < self.countOfClient.count && self.countOfClient[index] > 0
    }

    /// The function of such a call, if the client had one.
    func find(_ hash: UInt64, at client: ClientHandle) -> FunctionReference? {
        guard self.concerns(client) else { return nil }
        var number = self.heads[self.place(hash)]
        while number >= self.first {
            let entry = self.entries[self.place(number)]
            if entry.hash == hash, entry.client == client { return entry.function }
            number = entry.previous
        }
        return nil
    }

    mutating func removeAll(of client: ClientHandle) {
        guard self.concerns(client) else { return }
        let others = (self.first..<self.next).map { self.entries[self.place($0)] }.filter { $0.client != client }
        self.countOfClient[Int(client.rawValue)] = 0
        self.heads = ContiguousArray(repeating: 0, count: self.heads.count)
        self.first = self.next
        for var entry in others {
            entry.previous = self.heads[self.place(entry.hash)]
            self.enter(entry)
        }
    }

    private mutating func removeFirst() {
        let client = self.entries[self.place(self.first)].client
        self.countOfClient[Int(client.rawValue)] -= 1
        self.first += 1
    }

    /// Of an entry by its number, and of a list by a hash: there are as many lists as entries.
    private func place(_ number: UInt64) -> Int { Int(truncatingIfNeeded: number) & (self.entries.count - 1) }
}
