/// Who gets a call.
extension CallTable {
    /// Gives the call to the best instance that can take it now; `false` when there is none, or when its time is up.
    mutating func dispatch(_ call: Int, now: UInt64, effects: inout [Effect]) -> Bool {
        let deadline = self.calls[call].request.deadline
        guard deadline > now, let message = self.calls[call].request.message,
            let chosen = self.chooseInstance(for: call)
        else { return false }
        self.leaveQueue(call)
        let function = self.calls[call].function
        self.calls[call].state = .running
        self.calls[call].instance = chosen
        self.calls[call].attempt += 1
        self.calls[call].dispatchedAt = now
        self.functions[function].runningCount += 1
        self.functions[function].statistics.queueTime.record(nanoseconds: now - self.calls[call].queuedAt)
        self.linkToInstance(call, chosen)
        effects.append(
            .dispatch(
                message, to: chosen, remainingNanoseconds: deadline - now, attempt: self.calls[call].attempt,
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
            guard let instance = self.instances[candidates[offset]], instance.hasRoom,
                !self.calls[call].refusedBy.contains(candidates[offset])
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
        guard let best, self.instances[best.handle]?.hasRoom == true else { return nil }
        return best.handle
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
