import BusContract

/// How a call begins.
extension CallTable {
    /// Takes a request in: it is dispatched, queued, joined to the same call that runs already, answered from memory, or
    /// refused. Returns what the acknowledgement of the request says, a reason code of MQTT 5.
    package mutating func request(_ request: Request, now: UInt64, effects: inout [Effect]) -> UInt8 {
        let identifiesCall = request.address.identifiesCall
        let key = self.key(request.caller, request.address.name, isTopicForm: request.address.isTopicForm)
        if identifiesCall, let code = self.repeated(request, key, now: now, effects: &effects) { return code }
        let function: Int
        switch self.findFunction(request.function, of: request.caller, now: now) {
        case .success(let place): function = place
        case .failure(let failure):
            effects.append(.fail(failure, request.address, isReplay: false))
            return failure.publishReasonCode
        }
        self.functions[function].lastUsed = now
        if let failure = self.refusal(of: request, function: function) {
            return self.refuse(request, failure, function: function, now: now, effects: &effects)
        }
        let call = self.admit(request, function: function, now: now)
        if identifiesCall { self.enterName(call, key.hash) }
        if !self.isBehindItsKey(call), self.dispatch(call, now: now, effects: &effects) { return 0x00 }
        return self.enqueue(call, now: now, effects: &effects)
    }

    private mutating func refuse(
        _ request: Request, _ failure: Failure, function: Int, now: UInt64, effects: inout [Effect]
    ) -> UInt8 {
        self.functions[function].statistics.count(failure, now: now)
        if failure.status == .deadline {
            self.functions[function].statistics.expired += 1
            effects.append(.event(.expired, request.function, detail: "before it came"))
        } else {
            self.functions[function].statistics.refused += 1
            if failure.status == .overloaded {
                effects.append(.event(.overload, request.function, detail: failure.message))
            }
        }
        effects.append(.fail(failure, request.address, isReplay: false))
        return failure.publishReasonCode
    }

    /// The same name again: the call that runs will answer, the one that ended answers once more. `nil` for a new name.
    private mutating func repeated(
        _ request: Request, _ key: CallKey, now: UInt64, effects: inout [Effect]
    ) -> UInt8? {
        let open = self.openCall(key)
        if open >= 0 {
            let isSame =
                self.calls[open].digest == request.digest
                && self.name(of: open) == request.function
            return isSame ? 0x00 : self.refuseMismatch(request, effects: &effects)
        }
        let caller = self.placeOfCaller[request.caller]
        guard caller >= 0, let known = self.callers[caller].remembered.find(key, now: now),
            self.isKnown(known.entry.function)
        else { return nil }
        let function = Int(known.entry.function.place)
        guard known.entry.digest == request.digest, self.functions[function].name == request.function else {
            return self.refuseMismatch(request, effects: &effects)
        }
        self.functions[function].statistics.replayed += 1
        switch self.callers[caller].remembered.ending(known.entry, at: known.position) {
        case .answered(let answer):
            let answered = Answered(caller: request.caller, function: request.function, address: request.address)
            effects.append(.replay(answer, answered))
        case .failed(let failure): effects.append(.fail(failure, request.address, isReplay: true))
        }
        return 0x00
    }

    private func refuseMismatch(_ request: Request, effects: inout [Effect]) -> UInt8 {
        let failure = Failure.duplicateMismatch(request.function)
        effects.append(.fail(failure, request.address, isReplay: false))
        return failure.publishReasonCode
    }

    /// What speaks against a call before anybody looks for an instance.
    private func refusal(of request: Request, function: Int) -> Failure? {
        if request.timeoutNanoseconds == 0 {
            return .deadline(request.function, executed: .none, milliseconds: 0)
        }
        if let limit = self.functions[function].terms.requestBytesMax, request.payloadBytes > limit {
            return .requestTooLarge(request.function, bytes: request.payloadBytes, limit: limit)
        }
        let caller = self.placeOfCaller[request.caller]
        // The platform's own calls are bounded where they are stored.
        if caller >= 0, request.caller != .platform, self.callers[caller].openCount >= self.limits.callsPerCallerMax {
            return .tooManyCalls(limit: self.limits.callsPerCallerMax)
        }
        // Field by field: a copy of the row would retain all it holds.
        let calls = self.functions[function].runningCount + self.functions[function].queuedCount
        if calls >= self.limits.callsPerFunctionMax {
            return .overloaded(request.function, retryAfterMilliseconds: self.retryAfter(function))
        }
        return nil
    }

    /// Makes a row for the call and lists it with its caller.
    private mutating func admit(_ request: Request, function: Int, now: UInt64) -> Int {
        let timeout = min(
            request.timeoutNanoseconds ?? self.timeout(ofFunction: function),
            self.limits.timeoutSecondsMax * 1_000_000_000)
        let call = self.makeRow(request)
        self.calls[call].deadline = now + timeout
        self.calls[call].isIdempotent = request.isIdempotent ?? self.functions[function].terms.isIdempotent
        self.calls[call].state = .queued
        self.calls[call].function = function
        self.calls[call].order = self.admittedCount
        self.admittedCount += 1
        self.calls[call].queuedAt = now
        self.calls[call].waitsUntil = now + min(request.waitNanoseconds, timeout)
        self.linkToCaller(call)
        self.arm(call, at: now + timeout)
        return call
    }

    /// A row that was used before is filled in where it lies: it is large. What its last call has left empty or off
    /// stays so.
    private mutating func makeRow(_ request: Request) -> Int {
        let call: Int
        if let reused = self.freeCalls.popLast() {
            call = reused
            self.calls[call].caller = request.caller
            self.calls[call].address = request.address
            self.calls[call].server = nil
            self.calls[call].attempt = 0
            self.calls[call].mayHaveRun = false
        } else {
            call = self.calls.count
            self.calls.append(Call(caller: request.caller, address: request.address))
        }
        self.calls[call].message = request.message
        self.calls[call].key = request.key
        self.calls[call].isKeyed = request.key != nil
        self.calls[call].isRemembered = request.isRemembered
        self.calls[call].isAnsweredElsewhere = request.isAnsweredElsewhere
        self.calls[call].acceptsProgress = request.acceptsProgress
        self.calls[call].isTraced = request.isTraced
        self.calls[call].digest = request.digest
        self.calls[call].packetBytes = request.packetBytes
        return call
    }

    private func timeout(ofFunction function: Int) -> UInt64 {
        let milliseconds = self.functions[function].terms.timeoutMilliseconds
        // A catalog entry may say anything.
        let product = (milliseconds ?? ContractLimits.defaultTimeoutMilliseconds)
            .multipliedReportingOverflow(by: 1_000_000)
        return product.overflow ? .max : product.partialValue
    }

    /// Lets a call wait that no instance can take now, or ends it at once.
    private mutating func enqueue(_ call: Int, now: UInt64, effects: inout [Effect]) -> UInt8 {
        let function = self.calls[call].function
        let hasInstances = self.hasInstance(ofFunction: function)
        if !hasInstances {
            if self.functions[function].descriptor?.activation == .onDemand {
                effects.append(.wake(self.functions[function].name))
            }
            guard self.calls[call].waitsUntil > now else {
                return self.end(call, with: .noInstance(self.functions[function].name), now: now, effects: &effects)
            }
        } else if let failure = self.tooLargeForAll(call) {
            self.functions[function].statistics.refused += 1
            return self.end(call, with: failure, now: now, effects: &effects)
        }
        if self.functions[function].queuedCount >= self.queueLimit(function) {
            let failure = Failure.overloaded(
                self.functions[function].name, retryAfterMilliseconds: self.retryAfter(function))
            effects.append(.event(.overload, self.functions[function].name, detail: "the queue is full"))
            self.functions[function].statistics.refused += 1
            return self.end(call, with: failure, now: now, effects: &effects)
        }
        if !hasInstances, self.calls[call].waitsUntil < self.calls[call].deadline {
            self.arm(call, at: self.calls[call].waitsUntil)
        }
        self.calls[call].message?.keep()
        self.enterQueue(call)
        return 0x00
    }

    private mutating func end(
        _ call: Int, with failure: Failure, now: UInt64, effects: inout [Effect]
    ) -> UInt8 {
        self.finish(call, failure, now: now, effects: &effects)
        return failure.publishReasonCode
    }

    private func queueLimit(_ function: Int) -> Int {
        if let limit = self.functions[function].descriptor?.queueMax { return limit }
        return max(self.limits.queueMin, 2 * self.capacity(ofFunction: function))
    }

    private func capacity(ofFunction function: Int) -> Int {
        self.functions[function].seats.reduce(0) { $0 + ($1.isOpen ? self.capacity(of: $1) : 0) }
    }

    /// How long the calls ahead will take, from the measured mean service time: 1 ms to 30 s.
    func retryAfter(_ function: Int) -> Int {
        let capacity = max(1, self.capacity(ofFunction: function))
        let mean = Double(self.functions[function].statistics.serviceTime.meanNanoseconds) / 1_000_000
        let calls = self.functions[function].queuedCount + self.functions[function].runningCount
        let wait = mean * Double(calls) / Double(capacity)
        return min(30_000, max(1, Int(wait.rounded(.up))))
    }
}
