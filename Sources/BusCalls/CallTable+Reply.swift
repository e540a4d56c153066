package import BusContract

/// How a call is answered.
extension CallTable {
    /// A client has published to a reply topic.
    package mutating func reply(
        from client: ClientHandle, to address: AnswerAddress, _ outcome: Outcome, _ answer: some CallAnswer,
        now: UInt64, effects: inout [Effect]
    ) -> Disposition {
        let call: Int
        switch self.findCall(address, at: client, now: now) {
        case .open(let found): call = found
        case .ended(let function, let server):
            // Only the instance that had it can be late; another client has no business here.
            return server == client ? self.late(function, effects: &effects) : .noCall
        case .none: return .noCall
        }
        guard self.calls[call].server == client else { return .noCall }
        guard self.calls[call].state == .running else {
            return self.late(self.reference(ofFunction: self.calls[call].function), effects: &effects)
        }
        if outcome.isInterim {
            return self.calls[call].acceptsProgress
                ? .deliverInterim(self.answered(call, now: now)) : .swallowed
        }
        if outcome.isRefusal { return self.passOn(call, from: client, outcome, now: now, effects: &effects) }
        let function = self.calls[call].function
        self.count(outcome, of: call, now: now, effects: &effects)
        let answered = self.answered(call, now: now)
        let wasKeyed = self.calls[call].isKeyed
        self.end(call, answer, now: now)
        self.dispatchAfter(function, at: client, wasKeyed: wasKeyed, now: now, effects: &effects)
        return .deliver(answered)
    }

    private mutating func late(_ function: FunctionReference, effects: inout [Effect]) -> Disposition {
        guard self.isKnown(function) else { return .late }
        let place = Int(function.place)
        self.functions[place].statistics.late += 1
        effects.append(.event(.late, self.functions[place].name, detail: "an answer after the call had ended"))
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
            caller: self.calls[call].caller, function: self.name(of: call),
            address: self.calls[call].address)
        if self.calls[call].isTraced {
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

    private enum Found {
        case open(Int)
        case ended(FunctionReference, server: ClientHandle)
        case none
    }

    /// The call that an answer is for. The response topic wins over the correlation data: a topic of one call needs none,
    /// and an instance that does not echo it is understood where only one call can be meant.
    private mutating func findCall(_ address: AnswerAddress, at client: ClientHandle, now: UInt64) -> Found {
        if let caller = address.caller {
            if !address.correlation.isEmpty {
                let found = self.findNamed(self.key(caller, address.correlation, isTopicForm: false), address, now: now)
                if case .none = found {} else { return found }
            }
            if !address.callName.isEmpty {
                let found = self.findNamed(self.key(caller, address.callName, isTopicForm: true), address, now: now)
                if case .none = found {} else { return found }
            }
        }
        if !self.callOfAlias.isEmpty,
            let reference = self.callOfAlias[String(decoding: address.topic, as: UTF8.self)]
        {
            return .open(reference.call)
        }
        let running = self.findRunning(address, at: client)
        if running >= 0 { return .open(running) }
        return self.endedFunction(address, at: client, now: now).map { .ended($0, server: client) } ?? .none
    }

    /// A call by its name, open or remembered. In the topic form the name stands in the topic.
    private func findNamed(_ key: CallKey, _ address: AnswerAddress, now: UInt64) -> Found {
        let call = self.openCall(key)
        if call >= 0 {
            let isMeant = key.isTopicForm || self.calls[call].address.isAt(address.topic)
            return isMeant ? .open(call) : .none
        }
        let place = self.placeOfCaller[key.caller]
        guard place >= 0, let known = self.callers[place].remembered.find(key, now: now),
            key.isTopicForm || known.entry.topicHash == self.topicHash(address.topic)
        else { return .none }
        return .ended(known.entry.function, server: known.entry.server)
    }

    /// Looks among the calls that the client runs. Those without correlation data are answered in the order of the
    /// requests.
    private func findRunning(_ address: AnswerAddress, at client: ClientHandle) -> Int {
        let place = self.placeOfInstance[client]
        guard place >= 0 else { return -1 }
        var only = -1
        var isOnly = true
        var call = self.instances[place].firstRunning
        while call >= 0 {
            if self.calls[call].address.isAt(address.topic), self.calls[call].alias == nil {
                if self.calls[call].address.correlation.isEmpty
                    || self.calls[call].address.correlation == address.correlation
                {
                    return call
                }
                isOnly = only < 0
                only = call
            }
            call = self.calls[call].nextOfInstance
        }
        return isOnly && address.correlation.isEmpty ? only : -1
    }

    /// Notes under which reply topic an instance knows a call.
    package mutating func setAlias(_ topic: String, of reference: CallReference) {
        guard self.calls[reference.call].generation == reference.generation,
            self.calls[reference.call].state == .running
        else { return }
        self.calls[reference.call].alias = topic
        self.callOfAlias[topic] = reference
    }

    // MARK: Refusals

    /// An instance would not take the call: the next one is tried, and the caller hears of it only when nobody will.
    private mutating func passOn(
        _ call: Int, from client: ClientHandle, _ outcome: Outcome, now: UInt64, effects: inout [Effect]
    ) -> Disposition {
        let function = self.calls[call].function
        let wasKeyed = self.calls[call].isKeyed
        let answered = self.answered(call, now: now)
        self.calls[call].refusedBy.append(client)
        self.takeBack(call)
        var disposition = Disposition.swallowed
        if self.isBehindItsKey(call) || !self.dispatch(call, now: now, effects: &effects) {
            if self.hasWillingInstance(call) {
                self.enterQueue(call)
            } else if self.calls[call].mayHaveRun {
                // The refusal would say that nobody ran it.
                let name = self.name(of: call)
                self.finish(call, .instanceLost(name), now: now, effects: &effects)
            } else {
                self.functions[function].statistics.refused += 1
                self.functions[function].statistics.count(outcome.status)
                self.end(call, now: now)
                disposition = .deliver(answered)
            }
        }
        // The refusal is for this call: the instance has room for another one.
        self.dispatchAfter(function, at: client, wasKeyed: wasKeyed, now: now, effects: &effects)
        return disposition
    }
}
