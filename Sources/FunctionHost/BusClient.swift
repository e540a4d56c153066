/// What the host needs from the bus; `FunctionBus` gives it, and tests put a small stand-in here.
///
/// Calls made in the task that runs a `ServedFunction` handler, or in a child of it, belong to the served call:
/// they inherit its deadline, hop count and trace context.
package protocol BusClient: Sendable {
    func call(_ call: OutgoingCall) async throws(CallFailure) -> HostedReply

    /// Hands an async call to the bus.
    /// - Returns: The task identifier where the broker gives one.
    func send(_ call: OutgoingCall) async throws(CallFailure) -> String?

    func publish(_ message: OutgoingMessage) async throws(CallFailure)

    /// Serves all functions until the task is cancelled, then drains: calls that run are finished.
    /// - Parameter onReady: Called once, when every function is registered.
    func serve(_ functions: [ServedFunction], onReady: @escaping @Sendable () -> Void) async throws

    /// Hands every message of the filters to `onMessage`, one after the other, until the task is cancelled.
    func subscribe(
        _ filters: [String], onReady: @escaping @Sendable () -> Void,
        onMessage: @escaping @Sendable (IncomingMessage) async -> Void
    ) async throws
}

/// A call that a hosted function makes.
package struct OutgoingCall: Sendable {
    package var function: FunctionAddress
    package var payload: [UInt8]
    package var contentType: String?
    /// `invokerContext` as JSON text.
    package var context: String?
    /// `nil` leaves the bus' default, bounded by the deadline of the surrounding call.
    package var timeout: Duration?

    package init(_ function: FunctionAddress, _ payload: [UInt8]) {
        self.function = function
        self.payload = payload
    }
}

/// A message that a hosted function publishes.
package struct OutgoingMessage: Hashable, Sendable {
    package var topic: String
    package var payload: [UInt8]
    /// 0, 1 or 2.
    package var qos: Int
    package var retain: Bool
    package var contentType: String?

    package init(topic: String, payload: [UInt8], qos: Int = 0, retain: Bool = false) {
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain
    }
}

/// A message that came for a subscription.
package struct IncomingMessage: Hashable, Sendable {
    package var topic: String
    package var payload: [UInt8]

    package init(topic: String, payload: [UInt8]) {
        self.topic = topic
        self.payload = payload
    }
}

/// A function as the host registers it on the bus.
package struct ServedFunction: Sendable {
    package var address: FunctionAddress
    /// Calls that the host runs at a time; the bus keeps more than these in its own bounded queue.
    package var concurrency: Int
    /// The function's own limit; the host enforces it, the catalog tells it to callers.
    package var timeout: Duration
    package var description: String?
    package var isOnDemand: Bool
    package var handler: @Sendable (HostedCall) async throws(CallFailure) -> HostedReply

    package init(
        _ address: FunctionAddress, concurrency: Int, timeout: Duration,
        handler: @escaping @Sendable (HostedCall) async throws(CallFailure) -> HostedReply
    ) {
        self.address = address
        self.concurrency = concurrency
        self.timeout = timeout
        self.isOnDemand = false
        self.handler = handler
    }
}
