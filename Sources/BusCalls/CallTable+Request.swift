import BusContract

/// How a call begins.
extension CallTable {
    /// Takes a request in: it is dispatched, queued, joined to the same call that runs already, answered from memory, or
    /// refused. Returns what the acknowledgement of the request says, a reason code of MQTT 5.
    package mutating func request(_ request: Request, now: UInt64, effects: inout [Effect]) -> UInt8 {
        if request.address.identifiesCall, let known = self.callOfAddress[request.address] {
            return self.repeated(request, of: known, effects: &effects)
        }
        let function: Int
        switch self.findFunction(request.function, now: now) {
        case .success(let place): function = place
        case .failure(let failure): return self.refuse(request, failure, effects: &effects)
        }
        self.functions[function].lastUsed = now
        if let failure = self.refusal(of: request, function: function) {
            self.functions[function].statistics.refused += 1
            effects.append(.event(.overload, request.function, detail: failure.message))
            return self.refuse(request, failure, effects: &effects)
        }
        let call = self.admit(request, function: function, now: now)
        if !self.isBehindItsKey(call), self.dispatch(call, now: now, effects: &effects) { return 0x00 }
        return self.enqueue(call, now: now, effects: &effects)
    }

    private func refuse(_ request: Request, _ failure: Failure, effects: inout [Effect]) -> UInt8 {
        effects.append(.fail(failure, request.address, isReplay: false))
        return failure.publishReasonCode
    }

    /// The same address again: the call that runs will answer, the one that ended answers once more.
    private mutating func repeated(_ request: Request, of known: Int, effects: inout [Effect]) -> UInt8 {
        let call = self.calls[known]
        guard call.request.digest == request.digest, call.request.function == request.function,
            call.request.caller == request.caller
        else { return self.refuse(request, .duplicateMismatch(request.function), effects: &effects) }
        guard call.state == .done else { return 0x00 }
        self.functions[call.function].statistics.replayed += 1
        switch call.ending {
        case .answered(let message): effects.append(.replay(message))
        case .failed(let failure): effects.append(.fail(failure, request.address, isReplay: true))
        case nil: preconditionFailure("a call that is found after its end is remembered")
        }
        return 0x00
    }

    private func refusal(of request: Request, function: Int) -> Failure? {
        let open = self.callers[request.caller]?.openCount ?? 0
        if open >= self.limits.callsPerCallerMax { return .tooManyCalls(limit: self.limits.callsPerCallerMax) }
        // Field by field: a copy of the row would retain all it holds.
        let calls = self.functions[function].runningCount + self.functions[function].queuedCount
        if calls >= self.limits.callsPerFunctionMax {
            return .overloaded(request.function, retryAfterMilliseconds: self.retryAfter(function))
        }
        return nil
    }

    /// Makes a row for the call and lists it with its caller.
    private mutating func admit(_ request: Request, function: Int, now: UInt64) -> Int {
        var request = request
        let timeout = min(
            request.timeoutNanoseconds ?? self.timeout(ofFunction: function),
            self.limits.timeoutSecondsMax * 1_000_000_000)
        request.deadline = now + timeout
        if request.isIdempotent == nil {
            request.isIdempotent = self.functions[function].descriptor?.isIdempotent ?? false
        }
        var call = Call(request: request)
        call.state = .queued
        call.function = function
        call.order = self.admittedCount
        self.admittedCount += 1
        call.queuedAt = now
        call.waitsUntil = now + min(request.waitNanoseconds, timeout)
        let place: Int
        if let reused = self.freeCalls.popLast() {
            call.generation = self.calls[reused].generation &+ 1
            self.calls[reused] = call
            place = reused
        } else {
            self.calls.append(call)
            place = self.calls.count - 1
        }
        if request.address.identifiesCall { self.callOfAddress[request.address] = place }
        self.linkToCaller(place)
        self.arm(place, at: request.deadline)
        return place
    }

    private func timeout(ofFunction function: Int) -> UInt64 {
        let milliseconds = self.functions[function].descriptor?.timeoutMilliseconds
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
                let failure = Failure.noInstance(self.functions[function].name)
                self.finish(call, .failed(failure), now: now, effects: &effects)
                return failure.publishReasonCode
            }
        }
        if self.functions[function].queuedCount >= self.queueLimit(function) {
            let failure = Failure.overloaded(
                self.functions[function].name, retryAfterMilliseconds: self.retryAfter(function))
            effects.append(.event(.overload, self.functions[function].name, detail: "the queue is full"))
            self.functions[function].statistics.refused += 1
            self.finish(call, .failed(failure), now: now, effects: &effects)
            return failure.publishReasonCode
        }
        if !hasInstances, self.calls[call].waitsUntil < self.calls[call].request.deadline {
            self.arm(call, at: self.calls[call].waitsUntil)
        }
        self.enterQueue(call)
        return 0x00
    }

    private func queueLimit(_ function: Int) -> Int {
        if let limit = self.functions[function].descriptor?.queueMax { return limit }
        return max(self.limits.queueMin, 2 * self.capacity(ofFunction: function))
    }

    private func capacity(ofFunction function: Int) -> Int {
        self.functions[function].instances.reduce(0) { $0 + (self.instances[$1]?.capacity ?? 0) }
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
