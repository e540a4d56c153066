import BusContract

extension FunctionBus {
    /// Invokes a function without waiting for it: the platform sees to it, with retries.
    ///
    /// - Parameters:
    ///   - options: `timeout` is how long the acceptance may take (default 10 s); `retry` does not count here.
    ///   - terms: how the platform sees to it.
    /// - Returns: on fcbus the identifier of the task, elsewhere `nil`.
    /// - Throws: `BusError` when the invocation was not accepted: `storeFull` (507), `notAuthorized`, `noInstance` where
    ///   the broker is not fcbus and nobody is there to take it, `localTimeout` and the `disconnected` codes.
    @discardableResult
    public func send(
        _ function: FunctionName, _ payload: Payload = .empty, options: CallOptions = .init(),
        terms: TaskTerms = .init()
    ) async throws(BusError) -> String? {
        let deadline = ContinuousClock.now + options.timeout
        try await self.waitForConnection(until: deadline)
        var call = OutgoingCall(
            function: function, payload: payload, options: options, scope: CallScope.current, deadline: nil,
            terms: terms, correlation: nil)
        guard self.isConnectedToFcbus else {
            try await self.sendToOtherBroker(call, until: deadline)
            return nil
        }
        try await self.prepareToCall(until: deadline)
        let correlation = options.correlation ?? CallIdentifier.make()
        call.correlation = correlation
        let request = try call.message(replyTopic: self.replyTopic)
        let outcome = try await self.wait(
            until: deadline,
            BusState.Expectation(
                timeoutError: {
                    BusError(
                        .localTimeout, executed: .maybe,
                        "the broker did not accept the invocation of \(function) in time")
                })
        ) { _ in
            .reply(correlation: correlation, packet: nil)
        } then: { () throws(BusError) in
            _ = try self.attempt { () throws(TransportFailure) in try self.transport.publish(request) }
        }
        return try self.reply(outcome, function: function).userProperties
            .first { $0.name == PropertyName.task }?.value
    }

    /// A broker that does not know calls hands the invocation to an instance as an ordinary message: no task, no retry.
    private func sendToOtherBroker(
        _ call: OutgoingCall, until deadline: ContinuousClock.Instant
    ) async throws(BusError) {
        let code = try await self.publishAndWait(try call.message(replyTopic: self.replyTopic), until: deadline)
        if code == 0x10 { throw BusError(Failure.noInstance(call.function.contract)) }
    }
}
