import BusContract
import DequeModule

/// How a call ends without an answer: by its deadline, its caller, or the loss of its instance.
extension CallTable {
    /// Lets everything happen that is due at `now`.
    package mutating func advance(to now: UInt64, effects: inout [Effect]) {
        for entry in self.takeDue(at: now) where self.calls[entry.call].generation == entry.generation {
            let call = entry.call
            switch self.calls[call].state {
            case .done:
                if self.calls[call].forgottenAt <= now { self.forget(call) }
            case .queued where self.calls[call].request.deadline <= now,
                .running where self.calls[call].request.deadline <= now:
                let unblocks = self.mayBlockOthers(call)
                self.expire(call, now: now, effects: &effects)
                if unblocks {
                    self.dispatchQueue(of: self.calls[call].function, now: now, effects: &effects)
                }
            case .queued where self.calls[call].waitsUntil <= now && !self.hasInstance(call):
                self.finish(
                    call, .failed(.noInstance(self.calls[call].request.function)), now: now, effects: &effects)
            case .queued, .running: break
            }
        }
    }

    /// Apart from `advance`, so that the rows are shared only while the wheel looks at them.
    private mutating func takeDue(at now: UInt64) -> [DeadlineWheel.Entry] {
        var due: [DeadlineWheel.Entry] = []
        let calls = self.calls
        self.wheel.advance(to: now, into: &due) { calls[$0.call].generation == $0.generation }
        return due
    }

    /// Whether other calls can wait for this one although an instance has room for them: those of its key do.
    private func mayBlockOthers(_ call: Int) -> Bool {
        self.calls[call].isWaiting && (self.calls[call].request.key != nil || !self.calls[call].refusedBy.isEmpty)
    }

    /// What is known of a call that ends without an answer.
    private func executed(_ call: Int) -> Executed {
        self.calls[call].state == .running || self.calls[call].mayHaveRun ? .maybe : .none
    }

    mutating func expire(_ call: Int, now: UInt64, effects: inout [Effect]) {
        let name = self.calls[call].request.function
        let instance = self.calls[call].state == .running ? self.calls[call].instance : nil
        if let instance { effects.append(.cancel(name, self.calls[call].request.address, at: instance)) }
        self.functions[self.calls[call].function].statistics.expired += 1
        effects.append(.event(.expired, name, detail: instance == nil ? "while it waited" : "while it ran"))
        self.finish(
            call, .failed(.deadline(name, executed: self.executed(call))), now: now, effects: &effects)
        if let instance { self.dispatchWaiting(servedBy: instance, now: now, effects: &effects) }
    }

    /// The caller takes its call back. With `waits` only the instance is told, and its own answer ends the call.
    package mutating func cancel(
        by caller: ClientHandle, _ address: CallAddress, waits: Bool, now: UInt64, effects: inout [Effect]
    ) {
        guard address.identifiesCall, let call = self.callOfAddress[address],
            self.calls[call].request.caller == caller, self.calls[call].state != .done
        else { return }
        self.cancel(call, waits: waits, now: now, effects: &effects)
    }

    private mutating func cancel(_ call: Int, waits: Bool, now: UInt64, effects: inout [Effect]) {
        let name = self.calls[call].request.function
        let instance = self.calls[call].state == .running ? self.calls[call].instance : nil
        if let instance { effects.append(.cancel(name, self.calls[call].request.address, at: instance)) }
        if instance != nil, waits { return }
        let function = self.calls[call].function
        let unblocks = self.mayBlockOthers(call)
        self.functions[function].statistics.cancelled += 1
        self.finish(
            call, .failed(.cancelled(name, executed: self.executed(call))), now: now, effects: &effects)
        if let instance { self.dispatchWaiting(servedBy: instance, now: now, effects: &effects) }
        if unblocks { self.dispatchQueue(of: function, now: now, effects: &effects) }
    }

    /// A client's network connection is gone. As an instance it loses its calls; as a caller without a session nobody is
    /// left to answer.
    package mutating func clientLeft(
        _ client: ClientHandle, hasSession: Bool, now: UInt64, effects: inout [Effect]
    ) {
        self.loseInstance(client, now: now, effects: &effects)
        guard !hasSession else { return }
        while let call = self.callers[client]?.firstOpen, call >= 0 {
            self.cancel(call, waits: false, now: now, effects: &effects)
        }
        while let oldest = self.oldestRemembered(of: client) { self.forget(oldest) }
    }

    private mutating func loseInstance(_ client: ClientHandle, now: UInt64, effects: inout [Effect]) {
        guard let instance = self.instances[client] else { return }
        let served = instance.functions.sorted()
        for function in served {
            self.functions[function].instances.removeAll { $0 == client }
            effects.append(.event(.unregistered, self.functions[function].name, detail: "its instance left"))
        }
        self.instancesOfMany.remove(client)
        var call = instance.firstRunning
        while call >= 0 {
            let next = self.calls[call].nextOfInstance
            self.loseCall(call, now: now, effects: &effects)
            call = next
        }
        self.instances[client] = nil
        for function in served { self.failWaitingWithoutInstance(function, now: now, effects: &effects) }
    }

    /// The instance of a running call is gone: another one gets it if it may run twice, else the caller learns that it
    /// may have run.
    private mutating func loseCall(_ call: Int, now: UInt64, effects: inout [Effect]) {
        let function = self.calls[call].function
        let request = self.calls[call].request
        let mayRunAgain =
            request.isIdempotent == true && request.deadline > now
            && self.calls[call].attempt < self.limits.attemptsMax && self.hasWillingInstance(call)
        if mayRunAgain {
            self.takeBack(call)
            self.calls[call].mayHaveRun = true
            if !self.isBehindItsKey(call), self.dispatch(call, now: now, effects: &effects) { return }
            self.enterQueue(call)
            return
        }
        self.functions[function].statistics.lost += 1
        effects.append(.event(.lost, request.function, detail: "its instance left"))
        self.finish(call, .failed(.instanceLost(request.function)), now: now, effects: &effects)
    }

    /// Takes a running call from its instance, for another one.
    mutating func takeBack(_ call: Int) {
        self.unlinkFromInstance(call)
        self.functions[self.calls[call].function].runningCount -= 1
        self.calls[call].state = .queued
        self.calls[call].instance = nil
    }

    /// An instance left or drains: its waiting calls go to others. If it was the last, those that are not willing to wait
    /// for another one end.
    mutating func failWaitingWithoutInstance(_ function: Int, now: UInt64, effects: inout [Effect]) {
        guard !self.hasInstance(ofFunction: function) else {
            self.dispatchQueue(of: function, now: now, effects: &effects)
            return
        }
        for entry in self.functions[function].queue where self.isQueued(entry) {
            let call = entry.call
            if self.calls[call].waitsUntil > now {
                self.arm(call, at: self.calls[call].waitsUntil)
            } else {
                self.finish(
                    call, .failed(.noInstance(self.calls[call].request.function)), now: now, effects: &effects)
            }
        }
        if self.functions[function].queuedCount > 0, self.functions[function].descriptor?.activation == .onDemand {
            effects.append(.wake(self.functions[function].name))
        }
    }
}
