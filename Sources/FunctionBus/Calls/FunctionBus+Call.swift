import BusContract
import Synchronization

extension FunctionBus {
    /// Calls a function and waits for what it returns.
    ///
    /// Inside of a handler the call inherits the deadline, the trace and the count of nested calls of the one that is
    /// served.
    ///
    /// - Parameter payload: any bytes; the bus does not look into them.
    /// - Throws: `BusError`, whose `executed` says whether the function may have run. A cancelled task stops waiting at
    ///   once and tells the broker.
    public func call(
        _ function: FunctionName, _ payload: Payload = .empty, options: CallOptions = .init()
    ) async throws(BusError) -> Reply {
        try await self.call(function, payload, options: options, onProgress: nil)
    }

    /// Calls a function with text.
    ///
    /// - Throws: `BusError`, as the call with any other payload.
    public func call(
        _ function: FunctionName, _ text: String, options: CallOptions = .init()
    ) async throws(BusError) -> Reply {
        try await self.call(function, Payload(text), options: options)
    }

    /// Makes the attempts that the call's policy allows, all under one correlation, so that the broker knows a
    /// repetition of what ran already.
    func call(
        _ function: FunctionName, _ payload: Payload, options: CallOptions,
        onProgress: (@Sendable (Reply) -> Void)?
    ) async throws(BusError) -> Reply {
        let scope = CallScope.current
        let own = ContinuousClock.now + options.timeout
        let deadline = scope.map { min(own, $0.deadline) } ?? own
        if let scope, scope.hops >= ContractLimits.hopsMax { throw BusError(Failure.loop(function.contract)) }
        let call = OutgoingCall(
            function: function, payload: payload, options: options, scope: scope, deadline: deadline,
            correlation: CallIdentifier.make(), onProgress: onProgress)
        var attempt = 1
        while true {
            do throws(BusError) {
                let reply = try await self.make(call, until: deadline)
                if options.retry.attemptsMax > 1 { self.earnRetry(function.contract) }
                return reply
            } catch {
                guard
                    options.retry.allowsRetry(
                        after: error, attempt: attempt, isIdempotent: options.isIdempotent == true)
                else { throw error }
                let pause = options.retry.pause(after: error, attempt: attempt, random: .random(in: 0...1))
                guard .now + pause < deadline, self.mayRetry(function.contract) else { throw error }
                // The pause ends early only with the task.
                guard (try? await Task.sleep(for: pause)) != nil else { throw error.cancelledMeanwhile }
                attempt += 1
            }
        }
    }

    private func mayRetry(_ function: BusContract.FunctionName) -> Bool {
        self.state.withLock { $0.retryBudgets[function, default: RetryBudget()].take() }
    }

    private func earnRetry(_ function: BusContract.FunctionName) {
        self.state.withLock { $0.retryBudgets[function]?.succeeded() }
    }

    /// One attempt.
    private func make(_ call: OutgoingCall, until deadline: ContinuousClock.Instant) async throws(BusError) -> Reply {
        let isReady = self.state.withLock { $0.isReadyOnFcbus }
        if !isReady { try await self.prepare(call, until: deadline) }
        let isFcbus = isReady || self.isConnectedToFcbus
        let message = try call.message(replyTopic: self.replyTopic)
        do throws(BusError) {
            // The broker's own 408 says more than ours: it gets a moment to arrive.
            let limit = deadline + .milliseconds(isFcbus ? 250 : 0)
            let outcome = try await self.exchange(message, call, until: limit, isFcbus: isFcbus)
            return try self.reply(outcome, function: call.function)
        } catch {
            if error.code == .cancelled || error.code == .localTimeout { self.sendCancel(of: call) }
            throw error
        }
    }

    private func prepare(_ call: OutgoingCall, until deadline: ContinuousClock.Instant) async throws(BusError) {
        do throws(BusError) {
            try await self.prepareToCall(until: deadline)
            try await self.requireInstance(of: call.function, wait: call.options.waitForInstance, until: deadline)
        } catch {
            // Nothing was sent yet.
            throw error.code == .cancelled || error.code == .disconnectedAfterSend ? error.beforeSending : error
        }
    }

    /// On fcbus the reply is the outcome in every case, and the request is published outside of the lock; elsewhere
    /// the acknowledgement may be the outcome, and could come before its packet is known.
    private func exchange(
        _ message: ApplicationMessage, _ call: OutgoingCall, until deadline: ContinuousClock.Instant, isFcbus: Bool
    ) async throws(BusError) -> BusState.Outcome {
        let correlation = call.correlation ?? []
        let publish = { () throws(BusError) in
            try self.attempt { () throws(TransportFailure) in try self.transport.publish(message) }
        }
        let expectation = BusState.Expectation(
            timeoutError: { [function = call.function, timeout = call.options.timeout] in
                self.timeoutError(of: function, after: timeout)
            }, function: isFcbus ? nil : call.function.description, onProgress: call.onProgress)
        guard isFcbus else {
            return try await self.wait(until: deadline, expectation) { _ throws(BusError) in
                .reply(correlation: correlation, packet: try publish())
            }
        }
        return try await self.wait(until: deadline, expectation) { _ in
            .reply(correlation: correlation, packet: nil)
        } then: { () throws(BusError) in
            _ = try publish()
        }
    }

    private func timeoutError(of function: FunctionName, after timeout: Duration) -> BusError {
        let isUnannounced = self.state.withLock { state in
            !state.isFcbus && state.known.isComplete
                && state.known.standing(of: function.contract.description) == .unannounced
        }
        let hint = isUnannounced ? "; nobody has announced it on this broker" : ""
        return BusError(
            .localTimeout, status: 408, executed: .maybe,
            "no answer from \(function) in \(timeout): it may still run\(hint)")
    }

    private func sendCancel(of call: OutgoingCall) {
        var message = ApplicationMessage(topic: CallTopic.cancel(call.function.contract, nil).string, payload: [])
        message.properties.correlationData = call.correlation
        message.properties.responseTopic = self.replyTopic
        // Without a connection the broker has cancelled it already.
        _ = try? self.transport.publish(message)
    }

    // MARK: Replies

    func reply(_ outcome: BusState.Outcome, function: FunctionName) throws(BusError) -> Reply {
        switch outcome {
        case .replied(let message): return try Reply(final: message)
        case .acknowledged(let code): throw self.error(acknowledgement: code, function: function)
        case .reached, .subscribed: preconditionFailure("a call waits for an answer")
        }
    }

    /// What a PUBACK of another broker means for a call.
    private func error(acknowledgement code: Int, function: FunctionName) -> BusError {
        switch code {
        case 0x10:
            let isKnown = self.state.withLock { $0.known.standing(of: function.contract.description) != .unannounced }
            if isKnown { return BusError(Failure.noInstance(function.contract)) }
            var error = BusError(Failure.noFunction(function.contract))
            error.message = "nobody serves \(function): the broker has no subscriber for its requests"
            return error
        case 0x87: return BusError(Failure.notAuthorized("this client may not call \(function)"))
        case 0x97: return BusError(.overloaded, status: 429, "the broker's quota is used up")
        default:
            return BusError(.invalidRequest, status: 400, "the broker refused the request with reason code \(code)")
        }
    }
}

extension BusError {
    /// The same before anything was sent.
    fileprivate var beforeSending: BusError {
        var error = self
        error.executed = .none
        if error.code == .disconnectedAfterSend {
            error.code = .disconnectedBeforeSend
            error.message = "the connection to the broker was lost before the call was sent"
        }
        return error
    }

    /// The task was cancelled in the pause after this failure.
    fileprivate var cancelledMeanwhile: BusError {
        var error = BusError.cancelled
        error.executed = self.executed
        return error
    }
}
