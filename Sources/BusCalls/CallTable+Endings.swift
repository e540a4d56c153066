import BusContract

/// What becomes of a call that ends.
extension CallTable {
    /// Ends a call that its instance has answered.
    mutating func end(_ call: Int, _ answer: some CallAnswer, now: UInt64) {
        let isKept = self.mayBeAskedAgain(call)
        let caller = self.close(call, isKept: isKept, now: now)
        if isKept {
            let entry = self.entry(of: call, now: now)
            let isRemembered = self.callers[caller].remembered.append(
                entry, self.calls[call].address.name, answer)
            if isRemembered { self.armForgetting(caller, at: entry.forgottenAt) }
        }
        self.free(call)
        self.dropCallerIfIdle(caller)
    }

    /// Ends a call that nobody has answered, or whose answer is not to be given again.
    mutating func end(_ call: Int, remembering failure: Failure? = nil, now: UInt64) {
        let isKept = failure != nil && self.mayBeAskedAgain(call)
        let caller = self.close(call, isKept: isKept, now: now)
        if isKept, let failure {
            let entry = self.entry(of: call, now: now)
            let isRemembered = self.callers[caller].remembered.append(
                entry, self.calls[call].address.name, failure)
            if isRemembered { self.armForgetting(caller, at: entry.forgottenAt) }
        }
        self.free(call)
        self.dropCallerIfIdle(caller)
    }

    /// Ends a call with a failure of the broker's own.
    mutating func finish(_ call: Int, _ failure: Failure, now: UInt64, effects: inout [Effect]) {
        var failure = failure
        // Nobody who is asked now saw it, but the instance that was lost may have.
        if self.calls[call].mayHaveRun, failure.executed == .none { failure.executed = .maybe }
        self.functions[self.calls[call].function].statistics.count(failure, now: now)
        effects.append(.fail(failure, self.calls[call].address, isReplay: false))
        // Another attempt comes with the same address and must not be answered from memory. After its deadline there is
        // none.
        let isIdempotent = self.calls[call].isIdempotent
        let isFinal = failure.status == .deadline || !failure.isRetriable(isIdempotent: isIdempotent)
        self.end(call, remembering: isFinal ? failure : nil, now: now)
    }

    private func mayBeAskedAgain(_ call: Int) -> Bool {
        self.calls[call].isRemembered && self.calls[call].isNamed
    }

    /// Takes a call out of every list but the index of names; returns the place of its caller.
    private mutating func close(_ call: Int, isKept: Bool, now: UInt64) -> Int {
        let alias = self.callOfAlias.isEmpty ? nil : self.calls[call].alias
        switch self.calls[call].state {
        case .running: self.unlinkFromInstance(call)
        case .queued: self.leaveQueue(call)
        case .done: preconditionFailure("a call ends once")
        }
        self.calls[call].state = .done
        if !self.calls[call].refusedBy.isEmpty { self.calls[call].refusedBy = [] }
        self.calls[call].message = nil
        let caller = self.placeOfCaller[self.calls[call].caller]
        self.unlinkFromCaller(call, caller)
        // What is remembered is found by the caller, whom only the reply space names.
        let isFound = isKept && alias == nil && !self.calls[call].isAnsweredElsewhere
        if !isFound, let server = self.calls[call].server {
            self.ended.advance(to: now, countMax: self.limits.endedCallsMax - 1)
            self.ended.append(
                self.answerHash(of: call, alias: alias, at: server),
                of: self.reference(ofFunction: self.calls[call].function), at: server,
                until: now + self.limits.replaySeconds * 1_000_000_000)
        }
        return caller
    }

    /// Of the topic and the correlation data with which the answer of a call would come.
    private func answerHash(of call: Int, alias: String?, at server: ClientHandle) -> UInt64 {
        var hash = WordHash(seed: self.seed)
        hash.combine(alias ?? self.calls[call].address.replyTopic)
        (alias == nil ? self.calls[call].address.correlation : Correlation()).combine(into: &hash)
        hash.combine(UInt64(server.rawValue))
        return hash.value
    }

    /// The function of a call that ended and that nothing else remembers. An answer may lack the correlation data.
    mutating func endedFunction(_ address: AnswerAddress, at client: ClientHandle, now: UInt64) -> FunctionReference? {
        self.ended.advance(to: now, countMax: self.limits.endedCallsMax)
        guard self.ended.concerns(client) else { return nil }
        var hash = WordHash(seed: self.seed)
        hash.combine(address.topic)
        var whole = hash
        address.correlation.combine(into: &whole)
        whole.combine(UInt64(client.rawValue))
        if let known = self.ended.find(whole.value, at: client) { return known }
        Correlation().combine(into: &hash)
        hash.combine(UInt64(client.rawValue))
        return self.ended.find(hash.value, at: client)
    }

    // MARK: Memory

    func topicHash(_ topic: [UInt8]) -> UInt64 {
        var hash = WordHash(seed: self.seed)
        hash.combine(topic)
        return hash.value
    }

    private func entry(of call: Int, now: UInt64) -> RememberedCalls.Entry {
        let name = self.calls[call].address.name
        var entry = RememberedCalls.Entry(
            CallKey(
                caller: self.calls[call].caller, name: name,
                isTopicForm: self.calls[call].address.isTopicForm, hash: self.calls[call].keyHash),
            function: self.reference(ofFunction: self.calls[call].function), server: self.calls[call].server)
        entry.digest = self.calls[call].digest
        // Answers from elsewhere do not look for it here.
        if !self.calls[call].isAnsweredElsewhere {
            var hash = WordHash(seed: self.seed)
            hash.combine(self.calls[call].address.replyTopic)
            entry.topicHash = hash.value
        }
        entry.forgottenAt = max(
            self.calls[call].deadline, now + self.limits.replaySeconds * 1_000_000_000)
        return entry
    }

    private mutating func armForgetting(_ caller: Int, at due: UInt64) {
        if self.callers[caller].armedAt > due { self.arm(caller: caller, at: due) }
    }
}
