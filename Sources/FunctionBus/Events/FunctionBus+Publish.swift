import BusContract
import BusTopics
import Synchronization

extension FunctionBus {
    /// Publishes a message; nobody answers.
    ///
    /// - Parameters:
    ///   - qos: 0 returns when the message is on its way, and waits only where more than 1,000 wait to be written; 1 and
    ///     2 return when the broker has it.
    ///   - retain: the broker keeps it for later subscribers; an empty payload removes what it kept.
    ///   - timeout: default 10 s.
    /// - Throws: `BusError`: `invalidArgument` for a topic with wildcards, `notAuthorized`, `localTimeout`, and the
    ///   `disconnected` codes.
    public func publish(
        _ topic: String, _ payload: Payload, qos: Int = 0, retain: Bool = false, contentType: String? = nil,
        userProperties: [(name: String, value: String)] = [], timeout: Duration = .seconds(10)
    ) async throws(BusError) {
        guard (0...2).contains(qos) else { throw BusError(.invalidArgument, "qos must be 0, 1 or 2 (got \(qos))") }
        do {
            _ = try TopicName(topic)
        } catch {
            throw BusError(.invalidArgument, "'\(topic)' is not a topic to publish to: \(error.message)")
        }
        let deadline = ContinuousClock.now + timeout
        try await self.waitForConnection(until: deadline)
        var message = ApplicationMessage(topic: topic, payload: payload.bytes, qos: qos, isRetained: retain)
        message.properties.contentType = contentType
        message.properties.userProperties = userProperties
        if qos == 0, try self.publishAtOnce(message) { return }
        _ = try await self.publishAndWait(message, until: deadline)
    }

    /// Whether the message is on its way: without waiting for the socket, as long as not too many wait for that.
    private func publishAtOnce(_ message: ApplicationMessage) throws(BusError) -> Bool {
        try self.state.withLock { state throws(BusError) in
            guard state.unwritten.count < BusState.unwrittenMax else { return false }
            let packet = try self.attempt { () throws(TransportFailure) in try self.transport.publish(message) }
            state.unwritten.insert(packet)
            return true
        }
    }

    /// Returns the reason code of the acknowledgement, which is below 0x80.
    func publishAndWait(
        _ message: ApplicationMessage, until deadline: ContinuousClock.Instant
    ) async throws(BusError) -> Int {
        let topic = message.topic
        let outcome = try await self.wait(
            until: deadline,
            timeoutError: BusError(
                .localTimeout, executed: .maybe, "the broker did not acknowledge the message on \(topic) in time")
        ) { _ throws(BusError) in
            .acknowledgement(
                packet: try self.attempt { () throws(TransportFailure) in try self.transport.publish(message) })
        }
        guard case .acknowledged(let code) = outcome else { return 0 }
        switch code {
        case ..<0x80: return code
        case 0x87: throw BusError(.notAuthorized, status: 403, "this client may not publish to \(message.topic)")
        case 0x97:
            throw BusError(.overloaded, status: 429, "the broker's quota is used up: \(message.topic) was not kept")
        default:
            throw BusError(
                .invalidRequest, status: 400,
                "the broker refused the message on \(message.topic) with reason code \(code)")
        }
    }

    /// Reads what is published to the filters until `body` returns, then unsubscribes.
    ///
    /// ```swift
    /// try await bus.subscribe(["devices/+/temperature"]) { messages in
    ///     for await message in messages { print(message.topic, message.payload.text ?? "") }
    /// }
    /// ```
    /// - Parameters:
    ///   - qos: the highest that messages arrive with.
    ///   - onReady: called when the broker has confirmed every filter.
    ///   - body: gets the messages in the order of their arrival, each once even where several of the filters match.
    /// - Throws: what `body` throws; `BusError`: `invalidArgument` for a wrong filter, `notAuthorized`, `localTimeout`
    ///   after 10 s, and the `disconnected` codes.
    public func subscribe<Result>(
        _ filters: [String], qos: Int = 1, onReady: @Sendable () -> Void = {},
        _ body: (BusMessages) async throws -> Result
    ) async throws -> Result {
        guard (0...2).contains(qos) else { throw BusError(.invalidArgument, "qos must be 0, 1 or 2 (got \(qos))") }
        let parsed = try filters.map(Self.filter)
        let deadline = ContinuousClock.now + .seconds(10)
        try await self.waitForConnection(until: deadline)
        let queue = MessageQueue()
        let reader = self.state.withLock { state in
            let reader = state.makeIdentifier()
            for (text, filter) in zip(filters, parsed) {
                state.subscriptions[text, default: BusState.Subscription(filter: filter, qos: qos)].readers[reader] =
                    queue
            }
            return reader
        }
        do {
            for filter in filters { try await self.subscribe(filter, qos: qos, until: deadline) }
            onReady()
            let result = try await body(BusMessages(queue: queue))
            self.leave(filters, reader: reader)
            return result
        } catch {
            self.leave(filters, reader: reader)
            throw error
        }
    }

    private static func filter(_ text: String) throws(BusError) -> TopicFilter {
        do {
            return try TopicFilter(text)
        } catch {
            throw BusError(.invalidArgument, "'\(text)' is not a topic filter: \(error.message)")
        }
    }

    private func leave(_ filters: [String], reader: UInt64) {
        let unread = self.state.withLock { state in
            filters.filter { filter in
                state.subscriptions[filter]?.readers[reader] = nil
                guard state.subscriptions[filter]?.readers.isEmpty == true else { return false }
                state.subscriptions[filter] = nil
                return !state.isReadByItself(filter)
            }
        }
        // Without a connection there is nothing to take back, and a cancelled task cannot wait.
        for filter in unread { _ = try? self.transport.unsubscribe(filter) }
    }
}
