package import BusContract

/// How a call is answered.
extension CallTable {
    /// A client has published to a reply topic.
    package mutating func reply(
        from client: ClientHandle, to address: AnswerAddress, _ outcome: Outcome, message: @autoclosure () -> Message,
        now: UInt64, effects: inout [Effect]
    ) -> Disposition {
        guard let call = self.findCall(address, at: client) else {
            guard let name = self.ended.find(address, at: client, now: now) else { return .noCall }
            if let function = self.functionOfName[name] { return self.late(function, effects: &effects) }
            return .late
        }
        guard self.calls[call].state == .running, self.calls[call].server == client else {
            // Only the instance that had it can be late; another client has no business here.
            guard self.calls[call].server == client else { return .noCall }
            return self.late(self.calls[call].function, effects: &effects)
        }
        if outcome.isInterim {
            return self.calls[call].request.acceptsProgress
                ? .deliverInterim(self.answered(call, now: now)) : .swallowed
        }
        if outcome.isRefusal { return self.passOn(call, from: client, outcome, now: now, effects: &effects) }
        let function = self.calls[call].function
        self.count(outcome, of: call, now: now, effects: &effects)
        let answered = self.answered(call, now: now)
        let wasKeyed = self.calls[call].request.isKeyed
        self.calls[call].endingBytes = outcome.byteCount
        let isKept = self.calls[call].request.isRemembered && self.calls[call].request.address.identifiesCall
        self.end(call, isKept ? .answered(message()) : nil, now: now)
        self.dispatchAfter(function, at: client, wasKeyed: wasKeyed, now: now, effects: &effects)
        return .deliver(answered)
    }

    private mutating func late(_ function: Int, effects: inout [Effect]) -> Disposition {
        self.functions[function].statistics.late += 1
        effects.append(.event(.late, self.functions[function].name, detail: "an answer after the call had ended"))
        return .late
    }

    private mutating func count(_ outcome: Outcome, of call: Int, now: UInt64, effects: inout [Effect]) {
        let function = self.calls[call].function
        self.functions[function].statistics.serviceTime.record(nanoseconds: now - self.calls[call].dispatchedAt)
        self.functions[function].statistics.totalTime.record(nanoseconds: now - self.calls[call].queuedAt)
        self.functions[function].statistics.count(outcome.status)
        if outcome.status.isSuccess {
            self.functions[function].statistics.succeeded += 1
        } else {
            self.functions[function].statistics.failed += 1
            effects.append(.event(.failed, self.functions[function].name, detail: "status \(outcome.status)"))
        }
    }

    private func answered(_ call: Int, now: UInt64) -> Answered {
        var answered = Answered(
            caller: self.calls[call].request.caller, function: self.calls[call].request.function,
            address: self.calls[call].request.address)
        if self.calls[call].request.isTraced {
            let dispatchedAt = self.calls[call].dispatchedAt
            answered.trace = Answered.Trace(
                queueNanoseconds: dispatchedAt - self.calls[call].queuedAt,
                serviceNanoseconds: now - dispatchedAt)
        }
        return answered
    }

    /// What the handler of a function said of a failure, for those who ask what was wrong last.
    package mutating func noteFailure(
        of name: FunctionName, _ status: CallStatus, _ code: CallCode, _ message: String, now: UInt64
    ) {
        guard let function = self.functionOfName[name] else { return }
        self.functions[function].statistics.noteFailure(status, code, message, now: now)
    }

    // MARK: Finding

    /// The call that an answer is for. The response topic wins over the correlation data: a topic of one call needs none,
    /// and an instance that does not echo it is understood where only one call can be meant.
    private func findCall(_ address: AnswerAddress, at client: ClientHandle) -> Int? {
        if let caller = address.caller {
            if !address.correlation.isEmpty,
                let call = self.callOfKey[CallKey(caller: caller, name: address.correlation, isTopicForm: false)],
                self.calls[call].request.address.replyTopic == address.topic
            {
                return call
            }
            if !address.callName.isEmpty,
                let call = self.callOfKey[CallKey(caller: caller, name: address.callName, isTopicForm: true)]
            {
                return call
            }
        }
        if !self.callOfAlias.isEmpty, let reference = self.callOfAlias[address.topic] { return reference.call }
        return self.findRunning(address, at: client)
    }

    /// Looks among the calls that the client runs. Those without correlation data are answered in the order of the
    /// requests.
    private func findRunning(_ address: AnswerAddress, at client: ClientHandle) -> Int? {
        let place = self.placeOfInstance[client]
        guard place >= 0 else { return nil }
        var only: Int?
        var isOnly = true
        var call = self.instances[place].firstRunning
        while call >= 0 {
            if self.calls[call].request.address.replyTopic == address.topic, self.calls[call].alias == nil {
                let correlation = self.calls[call].request.address.correlation
                if correlation.isEmpty || correlation == address.correlation { return call }
                isOnly = only == nil
                only = call
            }
            call = self.calls[call].nextOfInstance
        }
        return isOnly && address.correlation.isEmpty ? only : nil
    }

    /// Notes under which reply topic an instance knows a call.
    package mutating func setAlias(_ topic: String, of reference: CallReference) {
        guard self.calls[reference.call].generation == reference.generation,
            self.calls[reference.call].state == .running
        else { return }
        self.calls[reference.call].alias = topic
        self.callOfAlias[topic] = reference
    }

    /// Keeps a request in the shape in which its instance got it.
    package mutating func setMessage(_ message: Message, of reference: CallReference) {
        guard self.calls[reference.call].generation == reference.generation,
            self.calls[reference.call].state == .running
        else { return }
        self.calls[reference.call].request.message = message
    }

    // MARK: Refusals

    /// An instance would not take the call: the next one is tried, and the caller hears of it only when nobody will.
    private mutating func passOn(
        _ call: Int, from client: ClientHandle, _ outcome: Outcome, now: UInt64, effects: inout [Effect]
    ) -> Disposition {
        let function = self.calls[call].function
        let wasKeyed = self.calls[call].request.isKeyed
        let answered = self.answered(call, now: now)
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
                self.functions[function].statistics.refused += 1
                self.functions[function].statistics.count(outcome.status)
                self.end(call, nil, now: now)
                disposition = .deliver(answered)
            }
        }
        // The refusal is for this call: the instance has room for another one.
        self.dispatchAfter(function, at: client, wasKeyed: wasKeyed, now: now, effects: &effects)
        return disposition
    }
}
