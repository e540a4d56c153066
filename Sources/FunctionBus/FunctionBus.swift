import BusContract
import Synchronization

/// A connection to a message bus on which functions call each other and devices publish events: `fcbus` or any other
/// MQTT 5 broker.
///
/// Calling a function is bidirectional: `call` returns what the function returns, or throws an error that says whether
/// it ran. Publishing is unidirectional: nobody answers. `send` invokes a function without waiting for it.
///
/// ```swift
/// try await FunctionBus.withConnection(BusConfiguration(broker: "mqtt://127.0.0.1")) { bus in
///     let reply = try await bus.call(FunctionName("EdgeFC/helloworld"), "hi")
///     try await bus.publish("devices/d1/state", "on", qos: 1)
/// }
/// ```
/// It connects again by itself when the connection is lost, and then subscribes and registers again. Every wait has a
/// deadline and ends at once when its task is cancelled.
public final class FunctionBus: Sendable {
    /// The client identifier, by which the broker knows this connection.
    public let clientIdentifier: String

    let transport: any Transport
    let state: Mutex<BusState>
    let replyTopic: String
    let answeringInstance: AnsweringInstance
    /// What the owner of the connection adds to `_ctl stats`.
    let reports = Mutex<[String: @Sendable () -> JSONText]>([:])

    private init(clientIdentifier: String, transport: any Transport) {
        self.clientIdentifier = clientIdentifier
        self.transport = transport
        self.answeringInstance = AnsweringInstance(clientIdentifier)
        let state = BusState(clientIdentifier: clientIdentifier)
        self.replyTopic = state.replyTopic
        self.state = Mutex(state)
    }

    /// Connects, runs `body`, and disconnects, however `body` ends.
    ///
    /// - Throws: what `body` throws; `BusError` with `connectionRefused` or `disconnectedBeforeSend` when there is no
    ///   connection within `connectTimeout`.
    public static func withConnection<Result: Sendable>(
        _ configuration: BusConfiguration, _ body: (FunctionBus) async throws -> Result
    ) async throws -> Result {
        // When this client vanishes its presence goes with it.
        let will = ApplicationMessage(
            topic: Self.presenceTopic(of: configuration.clientIdentifier), payload: [], qos: 1, isRetained: true)
        return try await Self.withTransport(
            MosquittoTransport(configuration, will: will), clientIdentifier: configuration.clientIdentifier,
            connectTimeout: configuration.connectTimeout, body)
    }

    /// The same over any transport.
    package static func withTransport<Result: Sendable>(
        _ transport: any Transport, clientIdentifier: String, connectTimeout: Duration,
        _ body: (FunctionBus) async throws -> Result
    ) async throws -> Result {
        let bus = try await Self.connect(transport, clientIdentifier: clientIdentifier, timeout: connectTimeout)
        do {
            let result = try await body(bus)
            await bus.close()
            return result
        } catch {
            await bus.close()
            throw error
        }
    }

    /// A connection that somebody closes.
    package static func connect(
        _ transport: any Transport, clientIdentifier: String, timeout: Duration
    ) async throws(BusError) -> FunctionBus {
        let bus = FunctionBus(clientIdentifier: clientIdentifier, transport: transport)
        do {
            try transport.start { [weak bus] events in bus?.receive(events) }
        } catch {
            throw BusError(.disconnectedBeforeSend, "the connection could not be set up: \(error.text)")
        }
        do throws(BusError) {
            try await bus.waitForConnection(until: .now + timeout)
            return bus
        } catch {
            await bus.close()
            throw error
        }
    }

    /// Where the presence of a client stands, for the will that its transport leaves with the broker.
    package static func presenceTopic(of clientIdentifier: String) -> String {
        CallTopic.instance(ClientName.encode(clientIdentifier)).string
    }

    /// Whether the broker is fcbus: then every failure is told at once, and a PUBACK decides nothing.
    public var isConnectedToFcbus: Bool { self.state.withLock { $0.isFcbus } }

    /// Ends every wait and the connection. Safe to call twice.
    package func close() async {
        let (waiters, queues) = self.state.withLock { state in
            state.link = .closed
            state.sweep?.cancel()
            return (state.waiters.takeAll { _ in true }, state.subscriptions.values.flatMap { $0.readers.values })
        }
        for waiter in waiters {
            waiter.handle.continuation.resume(
                returning: .failure(BusError(.disconnectedBeforeSend, "the bus was closed")))
        }
        for queue in queues { queue.finish() }
        await self.transport.close()
    }

    // MARK: Events

    /// One lock for a batch; what follows from it is done outside.
    private func receive(_ events: [TransportEvent]) {
        let effects = self.state.withLock { state in
            var effects = BusState.Effects(capacity: events.count)
            for event in events { state.receive(event, effects: &effects) }
            return effects
        }
        for effect in effects.list { self.perform(effect) }
        for delivery in effects.deliveries { delivery.queue.append(delivery.messages) }
    }

    private func perform(_ effect: BusState.Effect) {
        switch effect {
        case .wake(let waiter, let result): waiter.continuation.resume(returning: result)
        case .report(let waiter, let reply): waiter.expectation.onProgress?(reply)
        case .serve(let message, let topic, let service): self.serve(message, topic, at: service)
        case .control(let message, let verb, let services): self.answerControl(message, verb: verb, services)
        case .announce(let services): self.announce(services)
        case .restore(let filters, let services):
            // A failure here is the next loss of the connection, and the next attempt.
            for (filter, qos) in filters { _ = try? self.transport.subscribe(filter, qos: qos) }
            self.register(services)
        }
    }
}

extension TransportFailure {
    /// In a sentence's end.
    var text: String {
        switch self {
        case .oversize: "the packet is larger than the broker takes"
        case .notConnected: "there is no connection"
        case .refused(let reason): reason
        }
    }
}
