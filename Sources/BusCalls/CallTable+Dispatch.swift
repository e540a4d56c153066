import BusContract

/// Who gets a call.
extension CallTable {
    /// Gives the call to the best instance that can take it now; `false` when there is none, or when its time is up.
    mutating func dispatch(_ call: Int, now: UInt64, effects: inout [Effect]) -> Bool {
        let deadline = self.calls[call].deadline
        guard deadline > now, let message = self.calls[call].message, let seat = self.chooseSeat(for: call)
        else { return false }
        let function = self.calls[call].function
        let instance = self.functions[function].seats[seat].instance
        let client = self.functions[function].seats[seat].client
        self.leaveQueue(call)
        self.functions[function].seats[seat].running += 1
        self.functions[function].runningCount += 1
        self.functions[function].statistics.queueTime.record(nanoseconds: now - self.calls[call].queuedAt)
        if self.calls[call].isKeyed, let key = self.calls[call].key {
            self.keyIsServed(key, at: function, by: instance, call: call)
        }
        self.calls[call].state = .running
        self.calls[call].instance = instance
        self.calls[call].server = client
        self.calls[call].attempt += 1
        self.calls[call].dispatchedAt = now
        self.linkToInstance(call, instance)
        effects.append(
            .dispatch(
                Dispatch(
                    call: CallReference(call: call, generation: self.calls[call].generation), message: message,
                    function: self.functions[function].name, instance: client,
                    forms: self.functions[function].seats[seat].forms,
                    remainingNanoseconds: self.limitAttempt(call, remaining: deadline - now, now: now),
                    attempt: self.calls[call].attempt, caller: self.calls[call].caller,
                    address: self.calls[call].address, order: self.calls[call].order)))
        return true
    }

    /// The function's own timeout bounds each attempt, within what the caller asks. The instance says itself that it is
    /// over, and why; the broker only when it does not.
    private mutating func limitAttempt(_ call: Int, remaining: UInt64, now: UInt64) -> UInt64 {
        let deadline = self.calls[call].deadline
        self.calls[call].attemptEndsAt = deadline
        guard let milliseconds = self.functions[self.calls[call].function].terms.timeoutMilliseconds,
            milliseconds < remaining / 1_000_000
        else { return remaining }
        let end = now + (milliseconds + self.limits.timeoutGraceMilliseconds) * 1_000_000
        if end < deadline {
            self.calls[call].attemptEndsAt = end
            self.arm(call, at: end)
        }
        return milliseconds * 1_000_000
    }

    /// The seat with the least work for its capacity, ties in turn; with a key, the one the key belongs to.
    private mutating func chooseSeat(for call: Int) -> Int? {
        let function = self.calls[call].function
        let count = self.functions[function].seats.count
        guard count > 0 else { return nil }
        if self.calls[call].isKeyed, let key = self.calls[call].key {
            return self.keyedSeat(at: function, key: key, call: call)
        }
        var best = -1
        var least = Int.max
        var seat = self.functions[function].turn
        if seat >= count { seat = 0 }
        for _ in 0..<count {
            if let load = self.load(seat, at: function), load < least, self.isWilling(seat, at: function, call) {
                best = seat
                least = load
                if load == 0 { break }
            }
            seat = seat + 1 == count ? 0 : seat + 1
        }
        guard best >= 0 else { return nil }
        self.functions[function].turn = best + 1 == count ? 0 : best + 1
        return best
    }

    /// How much of a seat and of its instance is used, in 65536ths; `nil` when it takes nothing now.
    func load(_ seat: Int, at function: Int) -> Int? {
        let running = self.functions[function].seats[seat].running
        let capacity = self.functions[function].seats[seat].capacity
        guard running < capacity, self.functions[function].seats[seat].isOpen else { return nil }
        let instance = self.functions[function].seats[seat].instance
        let inAll = self.instances[instance].runningCount
        let bound = self.instances[instance].bound
        guard inAll < bound else { return nil }
        return max(running << 16 / capacity, inAll << 16 / bound)
    }

    /// Whether a seat, busy or not, can ever take the call.
    func isWilling(_ seat: Int, at function: Int, _ call: Int) -> Bool {
        guard self.functions[function].seats[seat].isOpen else { return false }
        let instance = self.functions[function].seats[seat].instance
        guard self.calls[call].packetBytes <= self.instances[instance].terms.packetBytesMax else {
            return false
        }
        return self.calls[call].refusedBy.isEmpty
            || !self.calls[call].refusedBy.contains(self.functions[function].seats[seat].client)
    }

    func hasRoom(_ function: Int) -> Bool {
        self.functions[function].seats.indices.contains { self.load($0, at: function) != nil }
    }

    // MARK: Keys

    /// A key stays with its instance while that takes calls, and moves only when none of its calls runs there any more:
    /// so the calls of one key stay in order. A new home is found by rendezvous hashing, which spreads keys evenly.
    private func keyedSeat(at function: Int, key: String, call: Int) -> Int? {
        if let home = self.functions[function].keys[key], home.instance >= 0 {
            if let seat = self.seat(of: home.instance, at: function), self.isWilling(seat, at: function, call) {
                return self.load(seat, at: function) == nil ? nil : seat
            }
            if home.runningCount > 0 { return nil }
        }
        var best = -1
        var greatest = Int.min
        for seat in self.functions[function].seats.indices where self.isWilling(seat, at: function, call) {
            var hasher = StableHash()
            hasher.combine(key)
            hasher.combine(self.functions[function].seats[seat].client.rawValue)
            guard hasher.value > greatest else { continue }
            best = seat
            greatest = hasher.value
        }
        return best >= 0 && self.load(best, at: function) != nil ? best : nil
    }

    private mutating func keyIsServed(_ key: String, at function: Int, by instance: Int, call: Int) {
        self.forgetIdleKeys(function)
        var home = self.functions[function].keys[key] ?? KeyHome()
        home.instance = instance
        home.runningCount += 1
        home.lastOrder = self.calls[call].order
        self.functions[function].keys[key] = home
    }

    /// A key that never had an instance is not worth remembering.
    mutating func keyWaitsLess(_ key: String, at function: Int) {
        self.functions[function].keys[key]?.waitingCount -= 1
        if let home = self.functions[function].keys[key], home.isIdle, home.instance < 0 {
            self.functions[function].keys[key] = nil
        }
    }

    private mutating func forgetIdleKeys(_ function: Int) {
        guard self.functions[function].keys.count > self.limits.keysPerFunctionMax else { return }
        let idle = self.functions[function].keys.filter(\.value.isIdle).sorted {
            $0.value.lastOrder < $1.value.lastOrder
        }
        for (key, _) in idle.prefix(max(1, self.limits.keysPerFunctionMax / 8)) {
            self.functions[function].keys[key] = nil
        }
    }

    /// An instance is gone: the keys that lived there find another one.
    mutating func unhouseKeys(of instance: Int, at function: Int) {
        for (key, home) in self.functions[function].keys where home.instance == instance {
            self.functions[function].keys[key]?.instance = -1
        }
    }
}
