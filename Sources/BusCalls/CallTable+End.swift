import BusContract
import DequeModule

/// How a call ends without an answer: by its deadline, its caller, or the loss of its instance.
extension CallTable {
    /// Lets everything happen that is due at `now`.
    package mutating func advance(to now: UInt64, effects: inout [Effect]) {
        var due: [DeadlineWheel.Entry] = []
        self.wheel.advance(to: now, into: &due)
        for entry in due where self.calls[entry.call].generation == entry.generation {
            let call = entry.call
            switch self.calls[call].state {
            case .done:
                if self.calls[call].forgottenAt <= now { self.forget(call) }
            case .queued where self.calls[call].request.deadline <= now,
                .running where self.calls[call].request.deadline <= now:
                self.expire(call, now: now, effects: &effects)
            case .queued where self.calls[call].waitsUntil <= now && !self.hasInstance(call):
                self.finish(
                    call, .failed(.noInstance(self.calls[call].request.function)), now: now, effects: &effects)
            case .queued, .running: break
            }
        }
    }

    private func hasInstance(_ call: Int) -> Bool {
        self.functions[self.calls[call].function].instances.contains { self.instances[$0]?.isDraining == false }
    }

    private mutating func expire(_ call: Int, now: UInt64, effects: inout [Effect]) {
        let name = self.calls[call].request.function
        let instance = self.calls[call].state == .running ? self.calls[call].instance : nil
        if let instance { effects.append(.cancel(name, self.calls[call].request.address, at: instance)) }
        self.functions[self.calls[call].function].statistics.expired += 1
        effects.append(.event(.expired, name, detail: instance == nil ? "while it waited" : "while it ran"))
        self.finish(
            call, .failed(.deadline(name, executed: instance == nil ? .none : .maybe)), now: now, effects: &effects)
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
        self.functions[self.calls[call].function].statistics.cancelled += 1
        self.finish(
            call, .failed(.cancelled(name, executed: instance == nil ? .none : .maybe)), now: now, effects: &effects)
        if let instance { self.dispatchWaiting(servedBy: instance, now: now, effects: &effects) }
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
        while let oldest = self.callers[client]?.done.first { self.forget(oldest.call) }
    }

    private mutating func loseInstance(_ client: ClientHandle, now: UInt64, effects: inout [Effect]) {
        guard let instance = self.instances[client] else { return }
        for function in instance.functions {
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
        for function in instance.functions { self.failWaitingWithoutInstance(function, now: now, effects: &effects) }
    }

    /// The instance of a running call is gone: another one gets it if it may run twice, else the caller learns that it
    /// may have run.
    private mutating func loseCall(_ call: Int, now: UInt64, effects: inout [Effect]) {
        let row = self.calls[call]
        let function = row.function
        let mayRunAgain =
            row.request.isIdempotent == true && row.request.deadline > now && row.attempt < self.limits.attemptsMax
        if mayRunAgain {
            self.unlinkFromInstance(call)
            self.functions[function].runningCount -= 1
            self.calls[call].state = .queued
            self.calls[call].instance = nil
            if self.dispatch(call, now: now, effects: &effects) { return }
            if self.hasInstance(call) {
                self.appendToQueue(call, first: true)
                return
            }
        }
        self.functions[function].statistics.lost += 1
        effects.append(.event(.lost, row.request.function, detail: "its instance left"))
        self.finish(call, .failed(.instanceLost(row.request.function)), now: now, effects: &effects)
    }

    /// The last instance left: calls that are not willing to wait for another one end.
    mutating func failWaitingWithoutInstance(_ function: Int, now: UInt64, effects: inout [Effect]) {
        guard !self.functions[function].instances.contains(where: { self.instances[$0]?.isDraining == false }) else {
            self.dispatchQueue(of: function, now: now, effects: &effects)
            return
        }
        for reference in self.functions[function].queue where self.isQueued(reference) {
            let call = reference.call
            if self.calls[call].waitsUntil > now {
                self.arm(call, at: self.calls[call].waitsUntil)
            } else {
                self.finish(
                    call, .failed(.noInstance(self.calls[call].request.function)), now: now, effects: &effects)
            }
        }
    }
}
