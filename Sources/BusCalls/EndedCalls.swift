import BusContract
import DequeModule

/// Calls that ended, were at an instance and are remembered by nothing else: an answer to one of them is late, and must
/// not pass for a message of another kind.
///
/// Bounded in number and time; the oldest go first. Empty, and asked for at the cost of one comparison, as long as all
/// callers name their calls.
struct EndedCalls: Sendable {
    private struct Key: Hashable, Sendable {
        var client: ClientHandle
        var topic: String
        var correlation: Correlation
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
    private var countOfClient: [ClientHandle: Int] = [:]

    var count: Int { self.entries.count }

    mutating func append(
        _ address: AnswerAddress, of function: FunctionName, at client: ClientHandle, until forgottenAt: UInt64,
        countMax: Int
    ) {
        let key = Key(client: client, topic: address.topic, correlation: address.correlation)
        self.entries.append(Entry(key: key, forgottenAt: forgottenAt))
        self.calls[key, default: Calls(count: 0, function: function)].count += 1
        self.countOfClient[client, default: 0] += 1
        while self.entries.count > countMax { self.removeFirst() }
    }

    func concerns(_ client: ClientHandle) -> Bool {
        !self.entries.isEmpty && self.countOfClient[client] != nil
    }

    /// The function of such a call, if the client had one; what is past its time is dropped first.
    mutating func find(_ address: AnswerAddress, at client: ClientHandle, now: UInt64) -> FunctionName? {
        while let first = self.entries.first, first.forgottenAt <= now { self.removeFirst() }
        guard self.concerns(client) else { return nil }
        var key = Key(client: client, topic: address.topic, correlation: address.correlation)
        if let calls = self.calls[key] { return calls.function }
        key.correlation = Correlation()
        return self.calls[key]?.function
    }

    mutating func removeAll(of client: ClientHandle) {
        guard self.countOfClient[client] != nil else { return }
        self.entries.removeAll { $0.key.client == client }
        self.calls = self.calls.filter { $0.key.client != client }
        self.countOfClient[client] = nil
    }

    private mutating func removeFirst() {
        let key = self.entries.removeFirst().key
        if let count = self.calls[key]?.count { self.calls[key]?.count = count - 1 }
        if self.calls[key]?.count == 0 { self.calls[key] = nil }
        if let count = self.countOfClient[key.client] { self.countOfClient[key.client] = count > 1 ? count - 1 : nil }
    }
}
