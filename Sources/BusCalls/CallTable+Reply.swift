package import BusContract
import DequeModule

/// How a call is answered.
extension CallTable {
    /// What an instance says about a call, as far as the table must know it.
    package struct Outcome: Sendable {
        package var status: CallStatus
        package var executed: Executed
        /// An interim reply: more will follow.
        package var isInterim: Bool
        /// Bytes of the answer, for the memory of answers.
        package var byteCount: Int

        package init(status: CallStatus = .ok, executed: Executed = .yes, isInterim: Bool = false, byteCount: Int) {
            self.status = status
            self.executed = executed
            self.isInterim = isInterim
            self.byteCount = byteCount
        }

        /// The instance gave the call back unread: another one may take it.
        var isRefusal: Bool {
            self.executed == .none && (self.status == .overloaded || self.status == .unavailable)
        }
    }

    package enum Disposition: Equatable, Sendable {
        /// Deliver it: the call has ended.
        case deliver(caller: ClientHandle)
        /// Deliver it: more will follow.
        case deliverInterim(caller: ClientHandle)
        /// Drop it: the call goes on elsewhere.
        case swallowed
        /// Drop it: the call has ended before.
        case late
        /// No call that this client was given has this address.
        case noCall
    }

    /// A client has published to a reply topic.
    package mutating func reply(
        from client: ClientHandle, to address: CallAddress, _ outcome: Outcome, message: Message, now: UInt64,
        effects: inout [Effect]
    ) -> Disposition {
        guard let call = self.findCall(address, at: client) else { return .noCall }
        guard self.calls[call].state == .running, self.calls[call].instance == client else {
            // Only the instance that had it can be late; another client has no business here.
            guard self.calls[call].instance == client else { return .noCall }
            let function = self.calls[call].function
            self.functions[function].statistics.late += 1
            effects.append(.event(.late, self.functions[function].name, detail: "an answer after the call had ended"))
            return .late
        }
        let caller = self.calls[call].request.caller
        if outcome.isInterim {
            return self.calls[call].request.acceptsProgress ? .deliverInterim(caller: caller) : .swallowed
        }
        if outcome.isRefusal { return self.passOn(call, refusal: message, from: client, now: now, effects: &effects) }
        let function = self.calls[call].function
        self.functions[function].statistics.serviceTime.record(nanoseconds: now - self.calls[call].dispatchedAt)
        self.functions[function].statistics.totalTime.record(nanoseconds: now - self.calls[call].queuedAt)
        if outcome.status.isSuccess {
            self.functions[function].statistics.succeeded += 1
        } else {
            self.functions[function].statistics.failed += 1
            effects.append(
                .event(.failed, self.functions[function].name, detail: "status \(outcome.status)"))
        }
        self.calls[call].endingBytes = outcome.byteCount
        self.end(call, .answered(message), now: now)
        self.dispatchWaiting(servedBy: client, now: now, effects: &effects)
        return .deliver(caller: caller)
    }

    private func findCall(_ address: CallAddress, at client: ClientHandle) -> Int? {
        if address.identifiesCall { return self.callOfAddress[address] }
        // Answers without correlation are given in the order of the requests.
        var call = self.instances[client]?.firstRunning ?? -1
        while call >= 0 {
            if self.calls[call].request.address == address { return call }
            call = self.calls[call].nextOfInstance
        }
        return nil
    }

    /// An instance would not take the call: the next one is tried, and the caller hears of it only when nobody will.
    private mutating func passOn(
        _ call: Int, refusal: Message, from client: ClientHandle, now: UInt64, effects: inout [Effect]
    ) -> Disposition {
        let caller = self.calls[call].request.caller
        self.calls[call].refusedBy.append(client)
        self.unlinkFromInstance(call)
        self.functions[self.calls[call].function].runningCount -= 1
        self.calls[call].state = .queued
        self.calls[call].instance = nil
        if self.dispatch(call, now: now, effects: &effects) { return .swallowed }
        let isHope = self.functions[self.calls[call].function].instances.contains { handle in
            !self.calls[call].refusedBy.contains(handle) && self.instances[handle]?.isDraining == false
        }
        if isHope {
            self.appendToQueue(call, first: true)
            return .swallowed
        }
        self.functions[self.calls[call].function].statistics.refused += 1
        self.calls[call].instance = client
        self.end(call, .forgotten, now: now)
        return .deliver(caller: caller)
    }

    // MARK: Endings

    /// Ends a call with a failure of the broker's own.
    mutating func finish(_ call: Int, _ ending: Ending, now: UInt64, effects: inout [Effect]) {
        if case .failed(let failure) = ending {
            effects.append(.fail(failure, self.calls[call].request.address, isReplay: false))
            self.calls[call].endingBytes = 256
        }
        self.end(call, ending, now: now)
    }

    /// Takes a call out of every list and remembers how it ended.
    mutating func end(_ call: Int, _ ending: Ending, now: UInt64) {
        let function = self.calls[call].function
        switch self.calls[call].state {
        case .running:
            self.unlinkFromInstance(call)
            self.functions[function].runningCount -= 1
        case .queued:
            self.removeFromQueue(call)
        case .done:
            preconditionFailure("a call ends once")
        }
        self.calls[call].state = .done
        self.calls[call].refusedBy = []
        self.unlinkFromCaller(call)
        guard self.calls[call].request.address.identifiesCall, self.calls[call].request.isRemembered else {
            self.forget(call)
            return
        }
        self.calls[call].ending = ending
        self.remember(call, now: now)
    }

    private mutating func removeFromQueue(_ call: Int) {
        let function = self.calls[call].function
        let reference = CallReference(call: call, generation: self.calls[call].generation)
        // A call that was just admitted or taken from an instance is queued in name only.
        guard let place = self.functions[function].queue.firstIndex(of: reference) else { return }
        self.functions[function].queue.remove(at: place)
        self.functions[function].queuedCount -= 1
        if self.functions[function].queuedCount == 0 { self.waitingFunctions.remove(function) }
    }

    /// Keeps the ending for repeated requests, within the caller's share of memory.
    private mutating func remember(_ call: Int, now: UInt64) {
        let caller = self.calls[call].request.caller
        let reference = CallReference(call: call, generation: self.calls[call].generation)
        self.callers[caller, default: Caller()].done.append(reference)
        self.callers[caller, default: Caller()].doneBytes += self.rememberedBytes(call)
        // Read through the table: a copy of the share would make every change of its queue copy the queue.
        while self.callers[caller]?.doneBytes ?? 0 > self.limits.replayBytesPerClientMax,
            let oldest = self.callers[caller]?.done.first
        {
            self.forget(oldest.call)
        }
        guard self.calls[call].generation == reference.generation, self.calls[call].state == .done else { return }
        let deadline = self.calls[call].request.deadline
        self.calls[call].forgottenAt = max(deadline, now + self.limits.replaySeconds * 1_000_000_000)
        // The deadline's own timer is still in the wheel, and comes in time if the answer is kept no longer.
        if self.calls[call].forgottenAt > deadline || deadline <= now {
            self.arm(call, at: self.calls[call].forgottenAt)
        }
    }

    func rememberedBytes(_ call: Int) -> Int { self.calls[call].endingBytes + MemoryLayout<Call>.stride }
}
