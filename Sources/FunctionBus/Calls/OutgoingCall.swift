import BusContract

/// A call on its way out: what every attempt of it has in common.
struct OutgoingCall: Sendable {
    var function: FunctionName
    var payload: Payload
    var options: CallOptions
    /// The call that the caller itself serves.
    var scope: CallScope?
    /// `nil` for one-way calls: they are the platform's problem then.
    var deadline: ContinuousClock.Instant?
    /// Of one-way calls.
    var terms: TaskTerms?
    var correlation: [UInt8]?
    var onProgress: (@Sendable (Reply) -> Void)?

    /// The request as it is published now.
    ///
    /// - Throws: `invalidArgument` for a context that is too long.
    func message(replyTopic: String) throws(BusError) -> ApplicationMessage {
        let topic: CallTopic =
            self.terms == nil ? .request(self.function.contract, nil) : .async(self.function.contract, nil)
        var message = ApplicationMessage(topic: topic.string, payload: self.payload.bytes, qos: 1)
        if let correlation = self.correlation {
            message.properties.correlationData = correlation
            message.properties.responseTopic = replyTopic
        }
        message.properties.contentType = self.options.contentType
        var properties = self.options.userProperties
        properties.reserveCapacity(properties.count + 4)
        if let deadline = self.deadline {
            let milliseconds = max(1, (deadline - .now).milliseconds)
            message.properties.messageExpiryInterval = UInt32(clamping: (milliseconds + 999) / 1000)
            properties.append((PropertyName.ttl, "\(milliseconds)"))
        }
        try self.addOptions(to: &properties)
        self.addScope(to: &properties)
        if let terms = self.terms { terms.add(to: &properties, &message.properties.messageExpiryInterval) }
        message.properties.userProperties = properties
        return message
    }

    private func addOptions(to properties: inout [(name: String, value: String)]) throws(BusError) {
        if let context = self.options.context {
            guard context.utf8.count <= ContractLimits.contextBytesMax else {
                throw BusError(.invalidArgument, "the context has at most \(ContractLimits.contextBytesMax) bytes")
            }
            properties.append((PropertyName.context, context))
        }
        if let key = self.options.key { properties.append((PropertyName.key, key)) }
        if let flag = self.options.isIdempotent { properties.append((PropertyName.idempotent, flag ? "1" : "0")) }
        if self.options.waitForInstance > .zero {
            properties.append((PropertyName.wait, "\(self.options.waitForInstance.milliseconds)"))
        }
        if self.onProgress != nil { properties.append((PropertyName.progress, "1")) }
    }

    /// What is inherited from the call that the caller serves; what the caller says itself comes first.
    private func addScope(to properties: inout [(name: String, value: String)]) {
        if let scope = self.scope { properties.append((PropertyName.hops, "\(scope.hops + 1)")) }
        guard let trace = self.options.trace ?? self.scope?.trace else { return }
        properties.append((PropertyName.traceParent, trace.parent))
        if let state = trace.state { properties.append((PropertyName.traceState, state)) }
    }
}

extension TaskTerms {
    fileprivate func add(
        to properties: inout [(name: String, value: String)], _ expirySeconds: inout UInt32?
    ) {
        if let attempts = self.attemptsMax { properties.append((PropertyName.attemptsMax, "\(attempts)")) }
        if let retry = self.pauses {
            properties.append(
                (
                    PropertyName.backoff,
                    "base=\(retry.firstPause.milliseconds);max=\(retry.longestPause.milliseconds);jitter=\(retry.jitter)"
                ))
        }
        if self.delay > .zero { properties.append((PropertyName.notBefore, "\(self.delay.milliseconds)")) }
        if let target = self.onSuccess { properties.append((PropertyName.onSuccess, target)) }
        if let target = self.onFailure { properties.append((PropertyName.onFailure, target)) }
        if let age = self.ageMax { expirySeconds = UInt32(clamping: (age.milliseconds + 999) / 1000) }
    }
}

extension Duration {
    /// Whole milliseconds, rounded up.
    var milliseconds: Int64 {
        let (seconds, attoseconds) = self.components
        return seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
    }
}
