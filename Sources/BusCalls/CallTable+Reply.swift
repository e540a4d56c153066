package import BusContract

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
        if outcome.isRefusal { return self.passOn(call, from: client, now: now, effects: &effects) }
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
        _ call: Int, from client: ClientHandle, now: UInt64, effects: inout [Effect]
    ) -> Disposition {
        let caller = self.calls[call].request.caller
        self.calls[call].refusedBy.append(client)
        self.takeBack(call)
        var disposition = Disposition.swallowed
        if self.isBehindItsKey(call) || !self.dispatch(call, now: now, effects: &effects) {
            if self.hasWillingInstance(call) {
                self.enterQueue(call)
            } else if self.calls[call].mayHaveRun {
                // The refusal would say that nobody ran it.
                let name = self.calls[call].request.function
                self.finish(call, .failed(.instanceLost(name)), now: now, effects: &effects)
            } else {
                self.functions[self.calls[call].function].statistics.refused += 1
                self.end(call, nil, now: now)
                disposition = .deliver(caller: caller)
            }
        }
        // The refusal is for this call: the instance has room for another one.
        self.dispatchWaiting(servedBy: client, now: now, effects: &effects)
        return disposition
    }

    // MARK: Endings

    /// Ends a call with a failure of the broker's own.
    mutating func finish(_ call: Int, _ ending: Ending, now: UInt64, effects: inout [Effect]) {
        var remembered: Ending? = ending
        if case .failed(var failure) = ending {
            // Nobody who is asked now saw it, but the instance that was lost may have.
            if self.calls[call].mayHaveRun, failure.executed == .none {
                failure.executed = .maybe
                remembered = .failed(failure)
            }
            effects.append(.fail(failure, self.calls[call].request.address, isReplay: false))
            self.calls[call].endingBytes = 256
            // Another attempt comes with the same address and must not be answered from memory. After its deadline there
            // is none.
            let isIdempotent = self.calls[call].request.isIdempotent == true
            if failure.status != .deadline, failure.isRetriable(isIdempotent: isIdempotent) { remembered = nil }
        }
        self.end(call, remembered, now: now)
    }

    /// Takes a call out of every list and remembers how it ended, if anybody may ask.
    mutating func end(_ call: Int, _ ending: Ending?, now: UInt64) {
        switch self.calls[call].state {
        case .running:
            self.unlinkFromInstance(call)
            self.functions[self.calls[call].function].runningCount -= 1
        case .queued:
            self.leaveQueue(call)
        case .done:
            preconditionFailure("a call ends once")
        }
        self.calls[call].state = .done
        self.calls[call].refusedBy = []
        self.calls[call].request.message = nil
        self.unlinkFromCaller(call)
        guard let ending, self.calls[call].request.address.identifiesCall, self.calls[call].request.isRemembered else {
            self.dropCallerIfIdle(self.calls[call].request.caller)
            self.forget(call)
            return
        }
        self.calls[call].ending = ending
        self.remember(call, now: now)
    }

    /// Keeps the ending for repeated requests, within the caller's share of memory.
    private mutating func remember(_ call: Int, now: UInt64) {
        let handle = self.calls[call].request.caller
        let reference = CallReference(call: call, generation: self.calls[call].generation)
        let bytes = self.rememberedBytes(call)
        let total = self.callers[handle, default: Caller()].append(reference, bytes: bytes)
        if total > self.limits.replayBytesPerClientMax {
            while let share = self.callers[handle]?.doneBytes, share > self.limits.replayBytesPerClientMax,
                let oldest = self.oldestRemembered(of: handle)
            {
                self.forget(oldest)
            }
            guard self.calls[call].generation == reference.generation else { return }
        }
        let deadline = self.calls[call].request.deadline
        self.calls[call].forgottenAt = max(deadline, now + self.limits.replaySeconds * 1_000_000_000)
        // The deadline's own timer is still in the wheel, and comes in time if the answer is kept no longer.
        if self.calls[call].forgottenAt > deadline || deadline <= now {
            self.arm(call, at: self.calls[call].forgottenAt)
        }
    }

    func rememberedBytes(_ call: Int) -> Int { self.calls[call].endingBytes + MemoryLayout<Call>.stride }
}
