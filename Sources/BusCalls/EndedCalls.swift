import BusContract
import DequeModule

/// Calls that ended, were at an instance and are remembered by nothing else: an answer to one of them is late, and must
/// not pass for a message of another kind.
///
/// Bounded in number and time; the oldest go first. Empty, and asked for at the cost of one comparison, as long as all
/// callers name their calls. Instances are sessions, whose numbers are small and close together: an array counts the
/// calls of each.
struct EndedCalls: Sendable {
    /// Hashed once: text is dear to hash, and each call is entered, found and removed by its key.
    private struct Key: Hashable, Sendable {
        let client: ClientHandle
        let topic: String
        let correlation: Correlation
        private let digest: Int

        init(_ client: ClientHandle, _ topic: String, _ correlation: Correlation) {
            self.client = client
            self.topic = topic
            self.correlation = correlation
            var hasher = Hasher()
            hasher.combine(client.rawValue)
            hasher.combine(topic)
            hasher.combine(correlation)
            self.digest = hasher.finalize()
        }

        static func == (left: Self, right: Self) -> Bool {
            left.digest == right.digest && left.client == right.client && left.correlation == right.correlation
                && left.topic == right.topic
        }

        func hash(into hasher: inout Hasher) { hasher.combine(self.digest) }
    }

    private struct Entry: Sendable {
        var key: Key
        var forgottenAt: UInt64
    }

    private struct Calls: Sendable {
        var count: Int
        var function: FunctionName
    }

    private var entries: Deque<Entry> = []
    private var calls: [Key: Calls] = [:]
    private var countOfClient: ContiguousArray<Int> = []

    var count: Int { self.entries.count }

    mutating func append(
        _ address: AnswerAddress, of function: FunctionName, at client: ClientHandle, until forgottenAt: UInt64,
        countMax: Int
    ) {
        let key = Key(client, address.topic, address.correlation)
        self.entries.append(Entry(key: key, forgottenAt: forgottenAt))
        self.calls[key, default: Calls(count: 0, function: function)].count += 1
        let index = Int(client.rawValue)
        if index >= self.countOfClient.count {
            let missing = max(index + 1, 2 * self.countOfClient.count) - self.countOfClient.count
            self.countOfClient.append(contentsOf: repeatElement(0, count: missing))
        }
        self.countOfClient[index] += 1
        while self.entries.count > countMax { self.removeFirst() }
    }

    /// Forgets what is past its time; entries stand in the order of their ends.
    mutating func advance(to now: UInt64) {
        while let first = self.entries.first, first.forgottenAt <= now { self.removeFirst() }
    }

    func concerns(_ client: ClientHandle) -> Bool {
        let index = Int(client.rawValue)
        return !self.entries.isEmpty && index < self.countOfClient.count && self.countOfClient[index] > 0
    }

    /// The function of such a call, if the client had one; what is past its time is dropped first.
    mutating func find(_ address: AnswerAddress, at client: ClientHandle, now: UInt64) -> FunctionName? {
        self.advance(to: now)
        guard self.concerns(client) else { return nil }
        if let calls = self.calls[Key(client, address.topic, address.correlation)] { return calls.function }
        return self.calls[Key(client, address.topic, Correlation())]?.function
    }

    mutating func removeAll(of client: ClientHandle) {
        guard self.concerns(client) else { return }
        self.entries.removeAll { $0.key.client == client }
        self.calls = self.calls.filter { $0.key.client != client }
        self.countOfClient[Int(client.rawValue)] = 0
    }

    private mutating func removeFirst() {
        let key = self.entries.removeFirst().key
        guard let place = self.calls.index(forKey: key) else {
            preconditionFailure("entries and their counts come and go together")
        }
        self.calls.values[place].count -= 1
        if self.calls.values[place].count == 0 { self.calls.remove(at: place) }
        self.countOfClient[Int(key.client.rawValue)] -= 1
    }
}
