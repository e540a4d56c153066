import BusContract
import BusMosquitto
import BusTopics
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
/// It connects again by itself when the connection is lost, and then subscribes and registers again.
public final class FunctionBus: Sendable {
    /// The client identifier, by which the broker knows this connection.
    public let clientIdentifier: String

    let transport: any Transport
    let state = Mutex(BusState())
    private let replyTopic: String

    init(clientIdentifier: String, transport: any Transport) {
        self.clientIdentifier = clientIdentifier
        self.transport = transport
        self.replyTopic =
            CallTopic.reply(client: ClientName.encode(clientIdentifier), call: nil, errorStatus: nil).string
    }

    /// Connects, runs `body`, and disconnects, however `body` ends.
    ///
    /// - Throws: what `body` throws; `BusError` with `connectionRefused` or `disconnectedBeforeSend` when there is no
    ///   connection within `connectTimeout`.
    public static func withConnection<Result: Sendable>(
        _ configuration: BusConfiguration, _ body: (FunctionBus) async throws -> Result
    ) async throws -> Result {
        // When this client vanishes its presence goes with it.
        let presence = CallTopic.instance(ClientName.encode(configuration.clientIdentifier)).string
        let will = MosquittoMessage(topic: presence, payload: [], qos: 1, isRetained: true)
        let bus = FunctionBus(
            clientIdentifier: configuration.clientIdentifier,
            transport: MosquittoTransport(configuration, will: will))
        return try await bus.run(connectTimeout: configuration.connectTimeout, body)
    }

    func run<Result: Sendable>(
        connectTimeout: Duration, _ body: (FunctionBus) async throws -> Result
    ) async throws -> Result {
        do {
            try self.transport.start { [weak self] event in self?.receive(event) }
        } catch {
            throw BusError(.disconnectedBeforeSend, "the connection could not be set up: \(error)")
        }
        do {
            try await self.waitForConnection(until: .now + connectTimeout)
            let result = try await body(self)
            await self.close()
            return result
        } catch {
            await self.close()
            throw error
        }
    }

    /// Whether the broker is fcbus: then every failure is told at once, and a PUBACK decides nothing.
    public var isConnectedToFcbus: Bool { self.state.withLock { $0.isFcbus } }

    private func close() async {
        let waiters = self.state.withLock { state in
            state.link = .closed
            state.sweep?.cancel()
            return state.takeAll { _ in true }
        }
        for waiter in waiters {
            waiter.continuation.resume(returning: .failure(BusError(.disconnectedBeforeSend, "the bus was closed")))
        }
        await self.transport.close()
    }

    // MARK: Events

    private func receive(_ event: MosquittoEvent) {
        switch event {
        case .connected(_, let properties):
            let isFcbus = properties.contains { $0.name == PropertyName.broker && $0.value == "1" }
            self.connected(isFcbus: isFcbus)
        case .refused(let code):
            self.state.withLock { state in
                guard state.link != .closed else { return }
                state.link = .connecting(failure: "the broker refused the connection with reason code \(code)")
            }
        case .disconnected(let reason, _):
            self.disconnected(reason)
        case .published(let packet, let code):
            self.acknowledged(packet, code)
        case .subscribed(let packet, let codes):
            self.resume(packet, .success(.subscribed(reasonCode: codes.first ?? 0x80)))
        case .unsubscribed(let packet):
            self.resume(packet, .success(.subscribed(reasonCode: 0)))
        case .message(let message):
            self.received(message)
        }
    }

    private func connected(isFcbus: Bool) {
        let (waiters, filters, services) = self.state.withLock { state in
            state.link = .connected(isFcbus: isFcbus)
            let waiters = state.takeAll { if case .connection = $0.purpose { true } else { false } }
            var filters = state.subscriptions.map { ($0.key, $0.value.qos) }
            if state.hasReplySubscription { filters.append((CallFilter.replies(to: self.clientIdentifier), 1)) }
            return (waiters, filters, Array(state.services.values))
        }
        // A lost connection took the subscriptions with it. A failure here is the next loss, and the next attempt.
        for (filter, qos) in filters { _ = try? self.transport.subscribe(filter, qos: qos) }
        for service in services { self.register(service) }
        for waiter in waiters { waiter.continuation.resume(returning: .success(.connected)) }
    }

    private func disconnected(_ reason: String) {
        let waiters = self.state.withLock { state in
            if case .connecting(let failure?) = state.link {
                // A refusal says more than the closed socket that follows it.
                state.link = .connecting(failure: failure)
            } else if state.link != .closed {
                state.link = .connecting(failure: reason)
            }
            return state.takeAll { if case .connection = $0.purpose { false } else { true } }
        }
        let error = BusError(
            .disconnectedAfterSend, executed: .maybe,
            "the connection to the broker was lost (\(reason)) while the answer was awaited: it may have run")
        for waiter in waiters { waiter.continuation.resume(returning: .failure(error)) }
    }

    /// PUBACK of a publish or of a call's request.
    private func acknowledged(_ packet: Int32, _ code: Int) {
        let (waiter, isFcbus): (BusState.Waiter?, Bool) = self.state.withLock { state in
            guard let identifier = state.waiterOfPacket[packet] else { return (nil, false) }
            guard case .reply = state.waiters[identifier]?.purpose else { return (state.take(identifier), false) }
            state.waiterOfPacket[packet] = nil
            // On fcbus the reply follows and says more than the code.
            if state.isFcbus || code < 0x80 && code != 0x10 { return (nil, true) }
            return (state.take(identifier), false)
        }
        guard let waiter, !isFcbus else { return }
        waiter.continuation.resume(returning: .success(.acknowledged(reasonCode: code)))
    }

    private func resume(_ packet: Int32, _ result: Result<BusState.Outcome, BusError>) {
        let waiter = self.state.withLock { state in state.waiterOfPacket[packet].flatMap { state.take($0) } }
        waiter?.continuation.resume(returning: result)
    }

    private func replied(_ message: MosquittoMessage) {
        let isInterim = message.properties.first(PropertyName.more) == "1"
        let waiter = self.state.withLock { state -> BusState.Waiter? in
            guard let correlation = message.properties.correlationData,
                let identifier = state.waiterOfReply[correlation]
            else {
                state.lateReplyCount += 1
                return nil
            }
            return isInterim ? state.waiters[identifier] : state.take(identifier)
        }
        if isInterim {
            waiter?.onProgress?(Self.report(message))
        } else {
            waiter?.continuation.resume(returning: .success(.replied(message)))
        }
    }

    private func received(_ message: MosquittoMessage) {
        if message.topic == self.replyTopic {
            self.replied(message)
            return
        }
        if self.serve(message) { return }
        guard let topic = try? TopicName(message.topic) else { return }
        let readers = self.state.withLock { state in
            state.subscriptions.flatMap { filter, subscription -> [@Sendable (BusMessage) -> Void] in
                guard let filter = try? TopicFilter(filter), filter.matches(topic) else { return [] }
                return Array(subscription.readers.values)
            }
        }
        let copy = BusMessage(
            topic: message.topic, payload: Payload(message.payload), qos: message.qos, isRetained: message.isRetained,
            contentType: message.properties.contentType, userProperties: message.properties.userProperties)
        for reader in readers { reader(copy) }
    }
}
