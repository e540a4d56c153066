import BusContract
import DequeModule

/// Who gets a call.
extension CallTable {
    /// Gives the call to the best instance that can take it now; `false` when there is none.
    mutating func dispatch(_ call: Int, now: UInt64, effects: inout [Effect]) -> Bool {
        guard let chosen = self.chooseInstance(for: call) else { return false }
        let function = self.calls[call].function
        self.calls[call].state = .running
        self.calls[call].instance = chosen
        self.calls[call].attempt += 1
        self.calls[call].dispatchedAt = now
        self.functions[function].runningCount += 1
        self.functions[function].statistics.queueTime.record(nanoseconds: now - self.calls[call].queuedAt)
        self.linkToInstance(call, chosen)
        let deadline = self.calls[call].request.deadline
        effects.append(
            .dispatch(
                self.calls[call].request.message, to: chosen,
                remainingNanoseconds: deadline > now ? deadline - now : 0, attempt: self.calls[call].attempt,
                caller: self.calls[call].request.caller))
        return true
    }

    /// The instance with the least work for its capacity, ties in turn; with a key, the one the key belongs to.
    private mutating func chooseInstance(for call: Int) -> ClientHandle? {
        let function = self.calls[call].function
        if let key = self.calls[call].request.key { return self.keyedInstance(of: function, key: key, call: call) }
        let candidates = self.functions[function].instances
        guard !candidates.isEmpty else { return nil }
        let turn = self.functions[function].turn
        var best: (handle: ClientHandle, offset: Int, running: Int, capacity: Int)?
        for step in 0..<candidates.count {
            let offset = (turn + step) % candidates.count
            guard let instance = self.instances[candidates[offset]], !instance.isDraining,
                instance.runningCount < instance.capacity, !self.calls[call].refusedBy.contains(candidates[offset])
            else { continue }
            if let best, best.running * instance.capacity <= instance.runningCount * best.capacity { continue }
            best = (candidates[offset], offset, instance.runningCount, instance.capacity)
            if instance.runningCount == 0 { break }
        }
        guard let best else { return nil }
        self.functions[function].turn = (best.offset + 1) % candidates.count
        return best.handle
    }

    /// Rendezvous hashing: a key stays with its instance while that is there, and only the keys of one that left move.
    private func keyedInstance(of function: Int, key: String, call: Int) -> ClientHandle? {
        var best: (handle: ClientHandle, weight: Int)?
        for handle in self.functions[function].instances {
            guard let instance = self.instances[handle], !instance.isDraining,
                !self.calls[call].refusedBy.contains(handle)
            else { continue }
            var hasher = StableHash()
            hasher.combine(key)
            hasher.combine(handle.rawValue)
            if let best, best.weight >= hasher.value { continue }
            best = (handle, hasher.value)
        }
        guard let best, let instance = self.instances[best.handle], instance.runningCount < instance.capacity else {
            return nil
        }
        return best.handle
    }

    /// Gives waiting calls of every function that `handle` serves to whoever can take them.
    mutating func dispatchWaiting(servedBy handle: ClientHandle, now: UInt64, effects: inout [Effect]) {
        guard !self.waitingFunctions.isEmpty, let instance = self.instances[handle] else { return }
        for function in self.waitingFunctions where instance.functions.contains(function) {
            self.dispatchQueue(of: function, now: now, effects: &effects)
        }
    }

    /// Goes through a function's queue in order. A call that waits for the instance of its key lets others pass it, but
    /// none of its own key.
    mutating func dispatchQueue(of function: Int, now: UInt64, effects: inout [Effect]) {
        var passed: [CallReference] = []
        var blockedKeys: Set<String> = []
        while passed.count < 256, let reference = self.functions[function].queue.popFirst() {
            guard self.isQueued(reference) else { continue }
            let key = self.calls[reference.call].request.key
            if let key, blockedKeys.contains(key) {
                passed.append(reference)
                continue
            }
            if self.dispatch(reference.call, now: now, effects: &effects) {
                self.functions[function].queuedCount -= 1
                continue
            }
            passed.append(reference)
            guard let key else {
                // Without a key nobody can take it, so nobody can take any other call without one; keyed calls behind
                // it wait too, which keeps the queue fair.
                break
            }
            blockedKeys.insert(key)
        }
        for reference in passed.reversed() { self.functions[function].queue.prepend(reference) }
        if self.functions[function].queuedCount == 0 {
            self.functions[function].queue.removeAll()
            self.waitingFunctions.remove(function)
        }
    }

    func isQueued(_ reference: CallReference) -> Bool {
        let call = self.calls[reference.call]
        return call.generation == reference.generation && call.state == .queued
    }
}

/// FNV-1a with a final mix: the same on every run, for choices that must not move with the process.
struct StableHash {
    private var hash: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func combine(_ text: String) {
        for byte in text.utf8 { self.hash = (self.hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    }

    mutating func combine(_ number: UInt32) {
        for shift in [0, 8, 16, 24] {
            self.hash = (self.hash ^ UInt64(number >> UInt32(shift) & 0xFF)) &* 0x0000_0100_0000_01B3
        }
    }

    var value: Int {
        var mixed = self.hash
        mixed = (mixed ^ mixed >> 33) &* 0xFF51_AFD7_ED55_8CCD
        return Int(truncatingIfNeeded: (mixed ^ mixed >> 33) >> 1)
    }
}
