import BusContract
import DequeModule

/// The calls that wait for an instance of their function.
///
/// A call that ends while it waits only stops counting; its entry is dropped when it is met, or when such entries are
/// the greater part of the queue. So no end searches.
extension CallTable {
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
        let count = self.functions[function].queuedCount
        if count > self.functions[function].statistics.queuedMost {
            self.functions[function].statistics.queuedMost = count
        }
        if self.calls[call].isKeyed, let key = self.calls[call].key {
            self.functions[function].keys[key, default: KeyHome()].waitingCount += 1
        }
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
        if self.calls[call].isKeyed, let key = self.calls[call].key {
            self.keyWaitsLess(key, at: function)
        }
        let waiting = self.functions[function].queuedCount
        if waiting == 0 {
            self.functions[function].queue.removeAll(keepingCapacity: true)
            self.waitingFunctions.remove(function)
        } else if self.functions[function].queue.count > 2 * waiting + 64 {
            let calls = self.calls
            self.functions[function].queue.removeAll { !Self.isQueued($0, in: calls) }
        }
    }

    /// Whether an older call with the same key waits, which this one must not overtake.
    func isBehindItsKey(_ call: Int) -> Bool {
        guard self.calls[call].isKeyed, let key = self.calls[call].key else { return false }
        return self.functions[self.calls[call].function].keys[key]?.waitingCount ?? 0 > 0
    }

    // MARK: Serving

    /// A call has left its instance: the instance has room, and the call's key may move.
    mutating func dispatchAfter(
        _ function: Int, at client: ClientHandle, wasKeyed: Bool, now: UInt64, effects: inout [Effect]
    ) {
        guard !self.waitingFunctions.isEmpty else { return }
        self.dispatchWaiting(servedBy: client, now: now, effects: &effects)
        // The key's home may not serve the function any more.
        if wasKeyed { self.dispatchQueue(of: function, now: now, effects: &effects) }
    }

    /// Gives waiting calls of every function that a client serves to whoever can take them, the longest waiting first,
    /// so that no function starves another one of an instance that they share.
    private mutating func dispatchWaiting(
        servedBy client: ClientHandle, now: UInt64, effects: inout [Effect]
    ) {
        let place = self.placeOfInstance[client]
        guard place >= 0 else { return }
        var heads: [QueueEntry] = []
        for function in self.waitingFunctions where self.instances[place].functions.contains(function) {
            heads.append(QueueEntry(call: function, order: self.functions[function].queue.first?.order ?? 0))
        }
        heads.sort { $0.order < $1.order }
        for head in heads { self.dispatchQueue(of: head.call, now: now, effects: &effects) }
    }

    /// Goes through a function's queue in order. A call that waits for the instance of its key lets others pass it, but
    /// none of its own key; so does one that the instances with room have refused, or that is too large for them.
    ///
    /// - Parameter isThorough: look also for calls that nobody there will ever take.
    mutating func dispatchQueue(
        of function: Int, isThorough: Bool = false, now: UInt64, effects: inout [Effect]
    ) {
        guard self.functions[function].queuedCount > 0 else { return }
        var passed: [QueueEntry] = []
        var blockedKeys: Set<String> = []
        while isThorough || self.hasRoom(function), let entry = self.functions[function].queue.popFirst() {
            guard self.isQueued(entry) else { continue }
            let key = self.calls[entry.call].key
            if let key, blockedKeys.contains(key) {
                passed.append(entry)
                continue
            }
            if self.calls[entry.call].deadline <= now {
                self.expire(entry.call, now: now, effects: &effects)
                continue
            }
            if self.dispatch(entry.call, now: now, effects: &effects) { continue }
            if self.finishUnlessWanted(entry.call, now: now, effects: &effects) { continue }
            passed.append(entry)
            if let key { blockedKeys.insert(key) }
        }
        for entry in passed.reversed() { self.functions[function].queue.prepend(entry) }
    }

    /// Ends a waiting call that everyone who is there has refused, or that is too large for them: waiting on makes no
    /// sense.
    private mutating func finishUnlessWanted(_ call: Int, now: UInt64, effects: inout [Effect]) -> Bool {
        guard self.hasInstance(call), !self.hasWillingInstance(call) else { return false }
        if let failure = self.tooLargeForAll(call) {
            self.finish(call, failure, now: now, effects: &effects)
            return true
        }
        let function = self.calls[call].function
        let failure = Failure.overloaded(
            self.functions[function].name, retryAfterMilliseconds: self.retryAfter(function))
        self.functions[function].statistics.refused += 1
        self.finish(call, failure, now: now, effects: &effects)
        return true
    }

    /// 413 where no instance that takes calls takes packets of this size.
    func tooLargeForAll(_ call: Int) -> Failure? {
        let function = self.calls[call].function
        var limit = -1
        for seat in self.functions[function].seats where seat.isOpen {
            limit = max(limit, self.instances[seat.instance].terms.packetBytesMax)
        }
        let bytes = self.calls[call].packetBytes
        guard limit >= 0, bytes > limit else { return nil }
        return .packetTooLarge(self.functions[function].name, bytes: bytes, limit: limit)
    }

    /// An instance left, drains or takes another measure: its waiting calls go to others. If it was the last, those that
    /// are not willing to wait for another one end.
    mutating func recheckWaiting(_ function: Int, now: UInt64, effects: inout [Effect]) {
        guard self.functions[function].queuedCount > 0 else { return }
        guard !self.hasInstance(ofFunction: function) else {
            self.dispatchQueue(of: function, isThorough: true, now: now, effects: &effects)
            return
        }
        for entry in self.functions[function].queue where self.isQueued(entry) {
            let call = entry.call
            if self.calls[call].waitsUntil > now {
                self.arm(call, at: self.calls[call].waitsUntil)
            } else {
                self.finish(call, .noInstance(self.functions[function].name), now: now, effects: &effects)
            }
        }
        if self.functions[function].queuedCount > 0, self.functions[function].descriptor?.activation == .onDemand {
            effects.append(.wake(self.functions[function].name))
        }
    }

    // MARK: Who is there

    /// Instances of the call's function that take calls.
    func hasInstance(_ call: Int) -> Bool { self.hasInstance(ofFunction: self.calls[call].function) }

    func hasInstance(ofFunction function: Int) -> Bool { self.functions[function].seats.contains(where: \.isOpen) }

    /// The same without those that refused this call, or cannot take its packet.
    func hasWillingInstance(_ call: Int) -> Bool {
        let function = self.calls[call].function
        return self.functions[function].seats.indices.contains { self.isWilling($0, at: function, call) }
    }
}
