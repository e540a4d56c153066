import BusContract
import DequeModule

/// The calls that wait for an instance of their function.
///
/// A call that ends while it waits only stops counting; its entry is dropped when it is met, or when such entries are
/// the greater part of the queue. So no end searches.
extension CallTable {
    /// Calls that one pass looks at without finding an instance for them.
    private static var passedMax: Int { 256 }

    func isQueued(_ entry: QueueEntry) -> Bool { Self.isQueued(entry, in: self.calls) }

    private static func isQueued(_ entry: QueueEntry, in calls: ContiguousArray<Call>) -> Bool {
        calls[entry.call].order == entry.order && calls[entry.call].isWaiting
    }

    /// Lets a call wait. A new one goes to the end; one that comes back from an instance keeps its turn.
    mutating func enterQueue(_ call: Int) {
        let function = self.calls[call].function
        let entry = QueueEntry(call: call, order: self.calls[call].order)
        self.calls[call].isWaiting = true
        self.functions[function].queuedCount += 1
        if let key = self.calls[call].request.key { self.functions[function].waitingKeys[key, default: 0] += 1 }
        self.waitingFunctions.insert(function)
        guard let last = self.functions[function].queue.last, last.order > entry.order else {
            self.functions[function].queue.append(entry)
            return
        }
        var low = 0
        var high = self.functions[function].queue.count
        while low < high {
            let middle = (low + high) / 2
            if self.functions[function].queue[middle].order < entry.order { low = middle + 1 } else { high = middle }
        }
        self.functions[function].queue.insert(entry, at: low)
    }

    /// The call waits no more.
    mutating func leaveQueue(_ call: Int) {
        guard self.calls[call].isWaiting else { return }
        let function = self.calls[call].function
        self.calls[call].isWaiting = false
        self.functions[function].queuedCount -= 1
        if let key = self.calls[call].request.key {
            let others = (self.functions[function].waitingKeys[key] ?? 1) - 1
            self.functions[function].waitingKeys[key] = others > 0 ? others : nil
        }
        let waiting = self.functions[function].queuedCount
        if waiting == 0 {
            self.functions[function].queue.removeAll()
            self.waitingFunctions.remove(function)
        } else if self.functions[function].queue.count > 2 * waiting + 64 {
            let calls = self.calls
            self.functions[function].queue.removeAll { !Self.isQueued($0, in: calls) }
        }
    }

    /// Whether an older call with the same key waits, which this one must not overtake.
    func isBehindItsKey(_ call: Int) -> Bool {
        guard let key = self.calls[call].request.key else { return false }
        return self.functions[self.calls[call].function].waitingKeys[key] != nil
    }

    /// Gives waiting calls of every function that `handle` serves to whoever can take them, the longest waiting first,
    /// so that no function starves another one of an instance that they share.
    mutating func dispatchWaiting(servedBy handle: ClientHandle, now: UInt64, effects: inout [Effect]) {
        guard !self.waitingFunctions.isEmpty, let instance = self.instances[handle] else { return }
        var heads: [QueueEntry] = []
        for function in self.waitingFunctions where instance.functions.contains(function) {
            heads.append(QueueEntry(call: function, order: self.functions[function].queue.first?.order ?? 0))
        }
        heads.sort { $0.order < $1.order }
        for head in heads {
            self.dispatchQueue(of: head.call, now: now, effects: &effects)
            // Nobody else has more room than before.
            guard self.instances[handle]?.hasRoom == true else { return }
        }
    }

    /// Goes through a function's queue in order. A call that waits for the instance of its key lets others pass it, but
    /// none of its own key.
    mutating func dispatchQueue(of function: Int, now: UInt64, effects: inout [Effect]) {
        guard self.functions[function].queuedCount > 0 else { return }
        var passed: [QueueEntry] = []
        var blockedKeys: Set<String> = []
        while passed.count < Self.passedMax, let entry = self.functions[function].queue.popFirst() {
            guard self.isQueued(entry) else { continue }
            let key = self.calls[entry.call].request.key
            if let key, blockedKeys.contains(key) {
                passed.append(entry)
                continue
            }
            if self.calls[entry.call].request.deadline <= now {
                self.expire(entry.call, now: now, effects: &effects)
                continue
            }
            if self.dispatch(entry.call, now: now, effects: &effects) { continue }
            if self.isRefusedByAll(entry.call) {
                self.finishRefused(entry.call, now: now, effects: &effects)
                continue
            }
            passed.append(entry)
            if let key {
                blockedKeys.insert(key)
            } else if self.calls[entry.call].refusedBy.isEmpty {
                // Nobody has room for it, so nobody has room for any other.
                break
            }
        }
        for entry in passed.reversed() { self.functions[function].queue.prepend(entry) }
    }

    /// Everyone who is there has refused the call: waiting on makes no sense.
    private func isRefusedByAll(_ call: Int) -> Bool {
        !self.calls[call].refusedBy.isEmpty && self.hasInstance(call) && !self.hasWillingInstance(call)
    }

    private mutating func finishRefused(_ call: Int, now: UInt64, effects: inout [Effect]) {
        let function = self.calls[call].function
        let failure = Failure.overloaded(
            self.functions[function].name, retryAfterMilliseconds: self.retryAfter(function))
        self.functions[function].statistics.refused += 1
        self.finish(call, .failed(failure), now: now, effects: &effects)
    }

    /// Instances of the call's function that take calls.
    func hasInstance(_ call: Int) -> Bool { self.hasInstance(ofFunction: self.calls[call].function) }

    func hasInstance(ofFunction function: Int) -> Bool {
        self.functions[function].instances.contains { self.instances[$0]?.isDraining == false }
    }

    /// The same without those that refused this call.
    func hasWillingInstance(_ call: Int) -> Bool {
        self.functions[self.calls[call].function].instances.contains { handle in
            !self.calls[call].refusedBy.contains(handle) && self.instances[handle]?.isDraining == false
        }
    }
}
