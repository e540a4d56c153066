import BusContract
import BusMosquitto
import Synchronization

extension FunctionBus {
    /// Calls a function and waits for what it returns.
    ///
    /// - Parameter payload: any bytes; the bus does not look into them.
    /// - Throws: `BusError`, whose `executed` says whether the function may have run. A cancelled task stops waiting at
    ///   once and tells the broker.
    public func call(
        _ function: FunctionName, _ payload: Payload = .empty, options: CallOptions = .init()
    ) async throws(BusError) -> Reply {
        try await self.call(function, payload, options: options, onProgress: nil)
    }

    /// Makes the attempts that the call's policy allows, all under one correlation, so that the broker knows a
    /// repetition of what ran already.
    func call(
        _ function: FunctionName, _ payload: Payload, options: CallOptions,
        onProgress: (@Sendable (Reply) -> Void)?
    ) async throws(BusError) -> Reply {
        let scope = CallScope.current
        let deadline = min(.now + options.timeout, scope?.deadline ?? .now + options.timeout)
        if let scope, scope.hops >= ContractLimits.hopsMax { throw BusError(Failure.loop(function.contract)) }
        let correlation = CallIdentifier.make()
        var attempt = 1
        while true {
            do throws(BusError) {
                let call = Attempt(
                    function: function, payload: payload, options: options, scope: scope, deadline: deadline,
                    correlation: correlation, onProgress: onProgress)
                let reply = try await self.make(call)
                if attempt > 1 { self.state.withLock { $0.retryBudgets[function.contract]?.succeeded() } }
                return reply
            } catch {
                guard
                    options.retry.allowsRetry(
                        after: error, attempt: attempt, isIdempotent: options.isIdempotent == true)
                else { throw error }
                let pause = options.retry.pause(after: error, attempt: attempt, random: .random(in: 0...1))
                guard .now + pause < deadline, self.mayRetry(function.contract) else { throw error }
                guard (try? await Task.sleep(for: pause)) != nil else { throw .cancelled }
                attempt += 1
            }
        }
    }

    private func mayRetry(_ function: BusContract.FunctionName) -> Bool {
        self.state.withLock { $0.retryBudgets[function, default: RetryBudget()].take() }
    }

    /// One attempt of a call.
    private struct Attempt: Sendable {
        var function: FunctionName
        var payload: Payload
        var options: CallOptions
        var scope: CallScope?
        var deadline: ContinuousClock.Instant
        var correlation: [UInt8]
        var onProgress: (@Sendable (Reply) -> Void)?
    }

    private func make(_ call: Attempt) async throws(BusError) -> Reply {
        let function = call.function
        try await self.waitForConnection(until: call.deadline)
        try await self.subscribeToReplies(until: call.deadline)
        var options = call.options
        if call.onProgress != nil { options.userProperties.append((PropertyName.progress, "1")) }
        let request = try self.request(
            CallTopic.request(function.contract, nil).string, call.payload, options, scope: call.scope,
            deadline: call.deadline, correlation: call.correlation)
        let timeoutError = BusError(
            .localTimeout, status: 408, executed: .maybe,
            "no answer from \(function) in \(options.timeout): it may still run")
        do throws(BusError) {
            // The broker's own 408 says more than ours: it gets a moment to arrive.
            let outcome = try await self.wait(
                until: call.deadline + .milliseconds(self.isConnectedToFcbus ? 250 : 0), timeoutError: timeoutError,
                onProgress: call.onProgress
            ) { _ throws(BusError) in
                let packet = try self.attempt { () throws(MosquittoFailure) in try self.transport.publish(request) }
                return .reply(correlation: call.correlation, packet: packet)
            }
            return try self.reply(outcome, function: function)
        } catch {
            if error.code == .cancelled || error.code == .localTimeout {
                self.sendCancel(of: function, correlation: call.correlation)
            }
            throw error
        }
    }

    /// Calls a function with text and returns its answer as text.
    public func call(
        _ function: FunctionName, _ text: String, options: CallOptions = .init()
    ) async throws(BusError) -> Reply {
        try await self.call(function, Payload(text), options: options)
    }

    /// Invokes a function without waiting for it: the platform sees to it, with retries.
    ///
    /// - Returns: on fcbus the identifier of the task, elsewhere `nil`.
    /// - Throws: `BusError` when the invocation was not accepted.
    @discardableResult
    public func send(
        _ function: FunctionName, _ payload: Payload = .empty, options: CallOptions = .init()
    ) async throws(BusError) -> String? {
        let deadline = ContinuousClock.now + options.timeout
        try await self.waitForConnection(until: deadline)
        guard self.isConnectedToFcbus else {
            try await self.sendToOtherBroker(function, payload, options, until: deadline)
            return nil
        }
        try await self.subscribeToReplies(until: deadline)
        let correlation = CallIdentifier.make()
        let request = try self.request(
            CallTopic.async(function.contract, nil).string, payload, options, scope: CallScope.current, deadline: nil,
            correlation: correlation)
        let outcome = try await self.wait(
            until: deadline,
            timeoutError: BusError(.localTimeout, "the broker did not accept the invocation of \(function) in time")
        ) { _ throws(BusError) in
            let packet = try self.attempt { () throws(MosquittoFailure) in try self.transport.publish(request) }
            return .reply(correlation: correlation, packet: packet)
        }
        return try self.reply(outcome, function: function).userProperties
            .first { $0.name == PropertyName.task }?.value
    }

    /// A broker that does not know calls hands the invocation to an instance as an ordinary message: no task, no retry.
    private func sendToOtherBroker(
        _ function: FunctionName, _ payload: Payload, _ options: CallOptions, until deadline: ContinuousClock.Instant
    ) async throws(BusError) {
        let request = try self.request(
            CallTopic.async(function.contract, nil).string, payload, options, scope: CallScope.current, deadline: nil,
            correlation: nil)
        let code = try await self.publishAndWait(request, until: deadline)
        if code == 0x10 { throw BusError(Failure.noInstance(function.contract)) }
    }

    // MARK: Requests

    private func request(
        _ topic: String, _ payload: Payload, _ options: CallOptions, scope: CallScope?,
        deadline: ContinuousClock.Instant?, correlation: [UInt8]?
    ) throws(BusError) -> MosquittoMessage {
        var message = MosquittoMessage(topic: topic, payload: payload.bytes, qos: 1)
        if let correlation {
            message.properties.correlationData = correlation
            message.properties.responseTopic =
                CallTopic.reply(client: ClientName.encode(self.clientIdentifier), call: nil, errorStatus: nil).string
        }
        message.properties.contentType = options.contentType
        var properties = options.userProperties
        if let deadline {
            let milliseconds = max(1, (deadline - .now).milliseconds)
            message.properties.messageExpiryInterval = UInt32(clamping: (milliseconds + 999) / 1000)
            properties.append((PropertyName.ttl, "\(milliseconds)"))
        }
        if let context = options.context {
            guard context.utf8.count <= ContractLimits.contextBytesMax else {
                throw BusError(.invalidArgument, "the context has at most \(ContractLimits.contextBytesMax) bytes")
            }
            properties.append((PropertyName.context, context))
        }
        if let key = options.key { properties.append((PropertyName.key, key)) }
        if let flag = options.isIdempotent { properties.append((PropertyName.idempotent, flag ? "1" : "0")) }
        if options.waitForInstance > .zero {
            properties.append((PropertyName.wait, "\(options.waitForInstance.milliseconds)"))
        }
        if let scope {
            properties.append((PropertyName.hops, "\(scope.hops + 1)"))
            if let trace = scope.traceParent { properties.append((PropertyName.traceParent, trace)) }
            if let trace = scope.traceState { properties.append((PropertyName.traceState, trace)) }
        }
        message.properties.userProperties = properties
        return message
    }

    /// Once for each connection, before the first call. A refusal is final.
    private func subscribeToReplies(until deadline: ContinuousClock.Instant) async throws(BusError) {
        guard !self.state.withLock({ $0.hasReplySubscription }) else { return }
        do throws(BusError) {
            try await self.subscribe(CallFilter.replies(to: self.clientIdentifier), qos: 1, until: deadline)
        } catch {
            guard error.code == .notAuthorized else { throw error }
            throw BusError(.replySubscriptionRefused, status: 403, error.message)
        }
        self.state.withLock { $0.hasReplySubscription = true }
    }

    private func sendCancel(of function: FunctionName, correlation: [UInt8]) {
        var message = MosquittoMessage(topic: CallTopic.cancel(function.contract, nil).string, payload: [])
        message.properties.correlationData = correlation
        message.properties.responseTopic =
            CallTopic.reply(client: ClientName.encode(self.clientIdentifier), call: nil, errorStatus: nil).string
        // Without a connection the broker has cancelled it already.
        _ = try? self.transport.publish(message)
    }

    // MARK: Replies

    private func reply(_ outcome: BusState.Outcome, function: FunctionName) throws(BusError) -> Reply {
        switch outcome {
        case .replied(let message): return try Self.reply(message)
        case .acknowledged(let code): throw Self.error(acknowledgement: code, function: function)
        case .connected, .subscribed: preconditionFailure("a call waits for an answer")
        }
    }

    private static func reply(_ message: MosquittoMessage) throws(BusError) -> Reply {
        let properties = message.properties
        let status = properties.first(PropertyName.status).flatMap { Int($0) } ?? 200
        guard (200..<300).contains(status) else {
            var error = BusError(
                BusError.Code(rawValue: properties.first(PropertyName.code) ?? "UNKNOWN"), status: status,
                executed: properties.first(PropertyName.executed).flatMap(BusError.Executed.init) ?? .maybe,
                properties.first(PropertyName.statusMessage) ?? "the function failed and did not say why")
            error.retryAfter = properties.first(PropertyName.retryAfter).flatMap { Int($0) }.map { .milliseconds($0) }
            error.payload = Payload(message.payload)
            error.isPermanent = properties.first(PropertyName.retry) == "no"
            error.instance = properties.first(PropertyName.instance)
            throw error
        }
        return Reply(
            payload: Payload(message.payload), status: status, instance: properties.first(PropertyName.instance),
            contentType: properties.contentType, userProperties: properties.userProperties)
    }

    /// An interim reply.
    static func report(_ message: MosquittoMessage) -> Reply {
        let properties = message.properties
        return Reply(
            payload: Payload(message.payload), status: properties.first(PropertyName.status).flatMap { Int($0) } ?? 200,
            isInterim: true, instance: properties.first(PropertyName.instance), contentType: properties.contentType,
            userProperties: properties.userProperties)
    }

    /// What a PUBACK of another broker means for a call.
    private static func error(acknowledgement code: Int, function: FunctionName) -> BusError {
        switch code {
        case 0x10:
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

extension Duration {
    /// Whole milliseconds, rounded up.
    var milliseconds: Int64 {
        let (seconds, attoseconds) = self.components
        return seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
    }
}
