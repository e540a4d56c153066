/// Open calls by the hashes of their keys: where the lists begin that run through the rows.
///
/// Why not a dictionary: each call is entered, found and removed once, its key is some eighty bytes, and the rows hold it
/// anyway. Here a key is hashed once and compared in its row.
struct CallIndex: Sendable {
    /// -1 for an empty list; a power of two of them.
    private var heads: ContiguousArray<Int32> = []
    private(set) var count = 0

    /// The first call of the list that a hash belongs to, -1 for none.
    func first(_ hash: UInt64) -> Int {
        self.heads.isEmpty ? -1 : Int(self.heads[self.place(hash)])
    }

    /// Puts a call before the others of its list; returns the one behind it.
    mutating func prepend(_ call: Int, _ hash: UInt64) -> Int {
        let place = self.place(hash)
        let next = Int(self.heads[place])
        self.heads[place] = Int32(call)
        self.count += 1
        return next
    }

    /// A call leaves; where it was the first of its list, another one is.
    mutating func remove(_ call: Int, _ hash: UInt64, next: Int) {
        let place = self.place(hash)
        if Int(self.heads[place]) == call { self.heads[place] = Int32(next) }
        self.count -= 1
    }

    /// The lists get long: all calls are to be entered again after `enlarge`.
    var isFull: Bool { self.count >= self.heads.count }

    mutating func enlarge() {
        self.heads = ContiguousArray(repeating: -1, count: max(64, 2 * self.heads.count))
        self.count = 0
    }

    private func place(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash) & (self.heads.count - 1) }
}

extension CallTable {
    func key(_ caller: ClientHandle, _ name: Correlation, isTopicForm: Bool) -> CallKey {
        var hash = WordHash(seed: self.seed)
        name.combine(into: &hash)
        hash.combine(UInt64(caller.rawValue) << 1 | (isTopicForm ? 1 : 0))
        return CallKey(caller: caller, name: name, isTopicForm: isTopicForm, hash: hash.value)
    }

    /// The open call with this key, -1 for none.
    func openCall(_ key: CallKey) -> Int {
        var call = self.named.first(key.hash)
        while call >= 0 {
            if self.calls[call].keyHash == key.hash, self.calls[call].caller == key.caller,
                self.calls[call].address.isTopicForm == key.isTopicForm, self.isNamed(call, key.name)
            {
                return call
            }
            call = self.calls[call].nextOfName
        }
        return -1
    }

    private func isNamed(_ call: Int, _ name: Correlation) -> Bool {
        self.calls[call].address.isTopicForm
            ? self.calls[call].address.name == name : self.calls[call].address.correlation == name
    }

    mutating func enterName(_ call: Int, _ hash: UInt64) {
        if self.named.isFull {
            self.named.enlarge()
            for known in self.calls.indices where self.calls[known].isNamed { self.link(known) }
        }
        self.calls[call].keyHash = hash
        self.calls[call].isNamed = true
        self.link(call)
    }

    private mutating func link(_ call: Int) {
        self.calls[call].nextOfName = self.named.prepend(call, self.calls[call].keyHash)
    }

    mutating func removeName(_ call: Int) {
        guard self.calls[call].isNamed else { return }
        self.calls[call].isNamed = false
        let hash = self.calls[call].keyHash
        let next = self.calls[call].nextOfName
        var before = self.named.first(hash)
        while before != call, before >= 0, self.calls[before].nextOfName != call {
            before = self.calls[before].nextOfName
        }
        if before != call, before >= 0 { self.calls[before].nextOfName = next }
        self.named.remove(call, hash, next: next)
    }
}
