/// A request on its way to a hosted function.
package struct HostedCall: Sendable {
    package var payload: [UInt8]
    /// Names the call in log lines and as `context.requestId`.
    package var requestIdentifier: String
    /// The caller's `invokerContext`: JSON text, or what an older client sent instead (base64 of it).
    package var context: String?
    package var contentType: String?
    /// What is left of the caller's deadline; `nil` leaves the function's own timeout as the only limit.
    package var remaining: Duration?
    /// Authenticated user and client id of the caller, where the broker tells them.
    package var caller: String?
    package var callerIdentifier: String?
    package var attempt = 1
    package var hops = 0
    /// The calls that wait for this one.
    package var chain = CallChain()
    /// The task of an async call: the handler's idempotency key.
    package var task: String?
    package var trace: TraceContext?

    package init(payload: [UInt8], requestIdentifier: String, context: String? = nil, remaining: Duration? = nil) {
        self.payload = payload
        self.requestIdentifier = requestIdentifier
        self.context = context
        self.remaining = remaining
    }

    /// W3C trace context.
    package struct TraceContext: Hashable, Sendable, Codable {
        package var parent: String
        package var state: String?

        package init(parent: String, state: String? = nil) {
            self.parent = parent
            self.state = state
        }
    }
}

/// What a function answered.
package struct HostedReply: Hashable, Sendable {
    package var payload: [UInt8]
    package var contentType: String?
    /// 200, or 204 when the handler returned nothing.
    package var status: Int

    package init(payload: [UInt8] = [], contentType: String? = nil, status: Int = 200) {
        self.payload = payload
        self.contentType = contentType
        self.status = status
    }
}
