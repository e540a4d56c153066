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
    ///
    /// A message that several filters of one client match may come once for each pair of them: MQTT does not tell
    /// which subscription a copy belongs to.
    func subscribe(
        _ filters: [String], onReady: @escaping @Sendable () -> Void,
        onMessage: @escaping @Sendable (IncomingMessage) async -> Void
    ) async throws

    /// What operators are told of the triggers when they ask for statistics.
    func reportTriggers(_ statistics: TriggerStatistics)

    /// Runs `body` with a connection of its own, on which no other subscription gets in the way.
    func withSeparateClient(_ body: @Sendable (any BusClient) async throws -> Void) async throws
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
    /// The calls that wait for this one.
    package var chain = CallChain()
    /// What set this call off was nested so deep; `nil` where the bus counts by itself.
    package var hops: Int?
    /// Attempts of an async call; `nil` for the bus' default.
    package var attempts: Int?
    /// Set where several hosts send the same async call, which is to be run once.
    package var once: OnceName?

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
    /// Calls and messages above this message in the chain of causes.
    package var hops = 0

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
    /// Calls and messages above this message in the chain of causes.
    package var hops: Int

    package init(topic: String, payload: [UInt8], hops: Int = 0) {
        self.topic = topic
        self.payload = payload
        self.hops = hops
    }
}

/// A function as the host registers it on the bus.
package struct ServedFunction: Sendable {
    /// What the bus is told; a change of it needs a new registration.
    package struct Terms: Sendable, Equatable {
        package var concurrency: Int
        /// Calls beyond those that the host takes as well and lets wait: one for each slot, so that it sees calls which
        /// wait for themselves, and so that a free worker need not wait for the bus.
        package var waiting = 0
        package var timeout: Duration
        package var description: String?
        package var isOnDemand = false
    }

    package var address: FunctionAddress
    /// Calls that the host runs at a time.
    package var concurrency: Int
    /// Calls that the host takes beyond those; the bus keeps more in its own bounded queue.
    package var waiting: Int
    /// The function's own limit; the host enforces it, the catalog tells it to callers.
    package var timeout: Duration
    package var description: String?
    package var isOnDemand: Bool
    package var handler: @Sendable (HostedCall) async throws(CallFailure) -> HostedReply

    package init(
        _ address: FunctionAddress, _ terms: Terms,
        handler: @escaping @Sendable (HostedCall) async throws(CallFailure) -> HostedReply
    ) {
        self.address = address
        self.concurrency = terms.concurrency
        self.waiting = terms.waiting
        self.timeout = terms.timeout
        self.description = terms.description
        self.isOnDemand = terms.isOnDemand
        self.handler = handler
    }
}
