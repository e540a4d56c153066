import BusContract

/// How a call ends without an answer: by its deadline, its caller, or the loss of its instance.
extension CallTable {
    /// Lets everything happen that is due at `now`.
    package mutating func advance(to now: UInt64, effects: inout [Effect]) {
        for entry in self.takeDue(at: now) {
            guard entry.call >= 0 else {
                let place = -1 - entry.call
                if self.callers[place].generation == entry.generation { self.forgetDue(ofCaller: place, now: now) }
                continue
            }
            // A timer that was set to an earlier instant meanwhile.
            guard self.calls[entry.call].armedAt == entry.due else { continue }
            self.calls[entry.call].armedAt = .max
            self.becomeDue(entry.call, now: now, effects: &effects)
            guard self.calls[entry.call].state != .done else { continue }
            self.arm(entry.call, at: self.nextDue(of: entry.call, now: now))
        }
    }

    /// When something must happen to an open call.
    private func nextDue(of call: Int, now: UInt64) -> UInt64 {
        let deadline = self.calls[call].deadline
        if self.calls[call].state == .running { return min(deadline, self.calls[call].attemptEndsAt) }
        return self.calls[call].waitsUntil > now ? min(deadline, self.calls[call].waitsUntil) : deadline
    }

    private mutating func becomeDue(_ call: Int, now: UInt64, effects: inout [Effect]) {
        switch self.calls[call].state {
        case .done: break
        case .queued where self.calls[call].deadline <= now:
            let function = self.calls[call].function
            let unblocks = self.mayBlockOthers(call)
            self.expire(call, now: now, effects: &effects)
            if unblocks { self.dispatchQueue(of: function, now: now, effects: &effects) }
        case .running where self.calls[call].deadline <= now:
            self.expire(call, now: now, effects: &effects)
        case .running where self.calls[call].attemptEndsAt <= now:
            self.expire(call, now: now, effects: &effects)
        case .queued where self.calls[call].waitsUntil <= now && !self.hasInstance(call):
            let name = self.name(of: call)
            self.finish(call, .noInstance(name), now: now, effects: &effects)
        case .queued, .running: break
        }
    }

    /// Apart from `advance`, so that the rows are shared only while the wheel looks at them.
    private mutating func takeDue(at now: UInt64) -> [DeadlineWheel.Entry] {
        var due: [DeadlineWheel.Entry] = []
        let calls = self.calls
        let callers = self.callers
        self.wheel.advance(to: now, into: &due) { entry in
            Self.isAlive(entry, calls, callers)
        }
        return due
    }

    /// Whether other calls can wait for this one although an instance has room for them: those of its key do.
    private func mayBlockOthers(_ call: Int) -> Bool {
        self.calls[call].isWaiting && (self.calls[call].isKeyed || !self.calls[call].refusedBy.isEmpty)
    }

    /// What is known of a call that ends without an answer.
    private func executed(_ call: Int) -> Executed {
        self.calls[call].state == .running || self.calls[call].mayHaveRun ? .maybe : .none
    }

    mutating func expire(_ call: Int, now: UInt64, effects: inout [Effect]) {
        let name = self.name(of: call)
        let function = self.calls[call].function
        let isRunning = self.calls[call].state == .running
        let server = self.calls[call].server
        let wasKeyed = self.calls[call].isKeyed
        var failure = Failure.deadline(
            name, executed: self.executed(call),
            milliseconds: (self.calls[call].deadline - self.calls[call].queuedAt) / 1_000_000)
        if isRunning {
            self.sendCancel(of: call, effects: &effects)
            if self.calls[call].deadline > now,
                let milliseconds = self.functions[function].terms.timeoutMilliseconds
            {
                failure = .executionTimeout(name, milliseconds: milliseconds)
                failure.origin = .broker
            }
        }
        self.functions[function].statistics.expired += 1
        effects.append(.event(.expired, name, detail: isRunning ? "while it ran" : "while it waited"))
        self.finish(call, failure, now: now, effects: &effects)
        guard isRunning, let server else { return }
        self.dispatchAfter(function, at: server, wasKeyed: wasKeyed, now: now, effects: &effects)
    }

    private func sendCancel(of call: Int, effects: inout [Effect]) {
        guard self.calls[call].state == .running, let server = self.calls[call].server else { return }
        effects.append(
            .cancel(
                Cancellation(
                    function: self.name(of: call), address: self.calls[call].address,
                    instance: server, alias: self.calls[call].alias)))
    }

    // MARK: The caller

    /// The caller takes its call back. With `waits` only the instance is told, and its own answer ends the call.
    package mutating func cancel(
        by caller: ClientHandle, _ address: CallAddress, waits: Bool, now: UInt64, effects: inout [Effect]
    ) {
        guard let call = self.findOpen(address, of: caller) else { return }
        self.cancel(call, waits: waits, now: now, effects: &effects)
    }

    /// The caller's open call with this address; one without a name only where no other could be meant.
    private func findOpen(_ address: CallAddress, of caller: ClientHandle) -> Int? {
        if address.identifiesCall {
            let call = self.openCall(self.key(caller, address.name, isTopicForm: address.isTopicForm))
            return call >= 0 && self.calls[call].address == address ? call : nil
        }
        let place = self.placeOfCaller[caller]
        guard place >= 0 else { return nil }
        var found: Int?
        var call = self.callers[place].firstOpen
        while call >= 0 {
            if self.calls[call].address == address {
                guard found == nil else { return nil }
                found = call
            }
            call = self.calls[call].nextOfCaller
        }
        return found
    }

    private mutating func cancel(_ call: Int, waits: Bool, now: UInt64, effects: inout [Effect]) {
        let name = self.name(of: call)
        let function = self.calls[call].function
        let server = self.calls[call].state == .running ? self.calls[call].server : nil
        let wasKeyed = self.calls[call].isKeyed
        self.sendCancel(of: call, effects: &effects)
        if server != nil, waits { return }
        let unblocks = self.mayBlockOthers(call)
        self.functions[function].statistics.cancelled += 1
        self.finish(call, .cancelled(name, executed: self.executed(call)), now: now, effects: &effects)
        if let server { self.dispatchAfter(function, at: server, wasKeyed: wasKeyed, now: now, effects: &effects) }
        if unblocks { self.dispatchQueue(of: function, now: now, effects: &effects) }
    }

    // MARK: The connection

    /// A client's network connection is gone. As a caller without a session nobody is left to answer; as an instance it
    /// loses its calls. First it gives up its seats, so that nothing more goes to it meanwhile.
    package mutating func clientLeft(
        _ client: ClientHandle, hasSession: Bool, now: UInt64, effects: inout [Effect]
    ) {
        let served = self.giveUpSeats(client, effects: &effects)
        if !hasSession {
            var caller = self.placeOfCaller[client]
            while caller >= 0, self.callers[caller].firstOpen >= 0 {
                self.cancel(self.callers[caller].firstOpen, waits: false, now: now, effects: &effects)
                caller = self.placeOfCaller[client]
            }
            if caller >= 0 {
                self.callers[caller].remembered = RememberedCalls(bytesMax: self.limits.replayBytesPerClientMax)
                self.dropCallerIfIdle(caller)
            }
        }
        self.loseCalls(client, served, now: now, effects: &effects)
        self.ended.removeAll(of: client)
    }

    /// Returns the functions that the client has served.
    private mutating func giveUpSeats(_ client: ClientHandle, effects: inout [Effect]) -> [Int] {
        self.presences[client] = nil
        let place = self.placeOfInstance[client]
        guard place >= 0 else { return [] }
        let served = self.instances[place].functions.sorted()
        for function in served {
            self.removeSeat(of: place, at: function)
            effects.append(.event(.unregistered, self.functions[function].name, detail: "its instance left"))
        }
        self.instances[place].named = [:]
        self.instances[place].wildcards = []
        self.instancesOfMany.remove(place)
        self.dropInstanceIfIdle(place)
        return served
    }

    private mutating func loseCalls(
        _ client: ClientHandle, _ served: [Int], now: UInt64, effects: inout [Effect]
    ) {
        let place = self.placeOfInstance[client]
        guard place >= 0 else {
            for function in served { self.recheckWaiting(function, now: now, effects: &effects) }
            return
        }
        var concerned = Set(served)
        while self.placeOfInstance[client] >= 0, self.instances[place].firstRunning >= 0 {
            let call = self.instances[place].firstRunning
            concerned.insert(self.calls[call].function)
            self.loseCall(call, now: now, effects: &effects)
        }
        // Only now: while calls of a key come back from here, none of it may go elsewhere before them.
        for function in concerned.sorted() {
            self.unhouseKeys(of: place, at: function)
            self.recheckWaiting(function, now: now, effects: &effects)
        }
    }

    /// The instance of a running call is gone: another one gets it if it may run twice, else the caller learns that it
    /// may have run.
    private mutating func loseCall(_ call: Int, now: UInt64, effects: inout [Effect]) {
        let function = self.calls[call].function
        let mayRunAgain =
            self.calls[call].isIdempotent && self.calls[call].deadline > now
            && self.calls[call].attempt < self.limits.attemptsMax && self.hasWillingInstance(call)
        if mayRunAgain {
            self.takeBack(call)
            self.calls[call].mayHaveRun = true
            if !self.isBehindItsKey(call), self.dispatch(call, now: now, effects: &effects) { return }
            self.enterQueue(call)
            return
        }
        let name = self.name(of: call)
        self.functions[function].statistics.lost += 1
        effects.append(.event(.lost, name, detail: "its instance left"))
        self.finish(call, .instanceLost(name), now: now, effects: &effects)
    }

    /// Takes a running call from its instance, for another one.
    mutating func takeBack(_ call: Int) {
        self.unlinkFromInstance(call)
        self.calls[call].state = .queued
    }
}
