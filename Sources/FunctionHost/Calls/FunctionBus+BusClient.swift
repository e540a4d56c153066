package import FunctionBus
import Synchronization

/// The bus behind the host's own protocol.
///
/// A handler's nested calls run in its task, so that they inherit its deadline, hops and trace.
package struct FunctionBusClient: BusClient {
    private let bus: FunctionBus
    /// How further connections are made; `nil` when there can be only one.
    private let connector: BusConnector?
    /// The host ends a call that takes too long; the bus' own timeout is only the net below that.
    private static let timeoutMargin = Duration.seconds(2)

    package init(_ bus: FunctionBus, connector: BusConnector? = nil) {
        self.bus = bus
        self.connector = connector
    }

    package func withSeparateClient(_ body: @Sendable (any BusClient) async throws -> Void) async throws {
        guard let connector = self.connector else { return try await body(self) }
        try await connector.withFurtherConnection { bus in try await body(FunctionBusClient(bus)) }
    }

    package func reportTriggers(_ statistics: TriggerStatistics) {
        self.bus.report("triggers") { statistics.json }
    }

    package func call(_ call: OutgoingCall) async throws(CallFailure) -> HostedReply {
        do throws(BusError) {
            let name = try FunctionName(call.function.description)
            let reply = try await self.bus.call(name, Payload(call.payload), options: Self.options(call))
            return HostedReply(payload: reply.payload.bytes, contentType: reply.contentType, status: reply.status)
        } catch {
            throw CallFailure(error)
        }
    }

    package func send(_ call: OutgoingCall) async throws(CallFailure) -> String? {
        // Other brokers accept nothing in the function's stead: there the name of the client changes nothing.
        if let once = call.once, let connector = self.connector, self.bus.isConnectedToFcbus {
            return try await Self.send(call, once, over: connector)
        }
        do throws(BusError) {
            let name = try FunctionName(call.function.description)
            return try await self.bus.send(name, Payload(call.payload), options: Self.options(call))
        } catch {
            throw CallFailure(error)
        }
    }

    /// Hosts that send at the same time take each other's place on the broker: whoever loses it offers again, and is
    /// told of the task that is there already.
    private static func send(
        _ call: OutgoingCall, _ once: OnceName, over connector: BusConnector
    ) async throws(CallFailure) -> String? {
        let task = Mutex<String?>(nil)
        do {
            try await connector.withConnection(as: once.client) { bus in
                let answer = try await FunctionBusClient(bus).send(call)
                task.withLock { $0 = answer }
            }
        } catch let failure as CallFailure {
            throw failure
        } catch let error as BusError {
            throw CallFailure(error)
        } catch {
            throw CallFailure(503, "CANCELLED", executed: .maybe, "\(error)")
        }
        return task.withLock { $0 }
    }

    private static func options(_ call: OutgoingCall) -> CallOptions {
        var options = CallOptions()
        options.correlation = call.once.map { [UInt8]($0.call.utf8) }
        if let timeout = call.timeout { options.timeout = timeout }
        options.context = call.context
        options.contentType = call.contentType
        if !call.chain.links.isEmpty { options.userProperties.append((CallProperty.chain, call.chain.text)) }
        if let hops = call.hops { options.userProperties.append((CallProperty.hops, "\(hops)")) }
        if let attempts = call.attempts { options.userProperties.append((CallProperty.attemptsMax, "\(attempts)")) }
        return options
    }

    package func publish(_ message: OutgoingMessage) async throws(CallFailure) {
        do throws(BusError) {
            try await self.bus.publish(
                message.topic, Payload(message.payload), qos: message.qos, retain: message.retain,
                contentType: message.contentType,
                userProperties: message.hops > 0 ? [(CallProperty.hops, "\(message.hops)")] : [])
        } catch {
            throw CallFailure(error)
        }
    }

    package func serve(_ functions: [ServedFunction], onReady: @escaping @Sendable () -> Void) async throws {
        let handlers = try functions.map { served throws(BusError) in try Self.function(served) }
        try await self.bus.serve(handlers, onReady: onReady)
    }

    private static func function(_ served: ServedFunction) throws(BusError) -> FunctionHandler {
        var options = ServeOptions()
        options.concurrency = served.concurrency + served.waiting
        // A call that waits in the host does so for one other call at most.
        options.timeout = served.timeout * (served.waiting > 0 ? 2 : 1) + Self.timeoutMargin
        options.description = served.description ?? ""
        options.isOnDemand = served.isOnDemand
        let handler = served.handler
        return FunctionHandler(try FunctionName(served.address.description), options: options) { request in
            do throws(CallFailure) {
                let reply = try await handler(HostedCall(request))
                return Response(Payload(reply.payload), contentType: reply.contentType)
            } catch {
                throw FunctionFailure(error)
            }
        }
    }

    package func subscribe(
        _ filters: [String], onReady: @escaping @Sendable () -> Void,
        onMessage: @escaping @Sendable (IncomingMessage) async -> Void
    ) async throws {
        try await self.bus.subscribe(filters, onReady: onReady) { messages in
            for await message in messages {
                let hops = message.userProperties.first { $0.name == CallProperty.hops }.flatMap { Int($0.value) }
                await onMessage(
                    IncomingMessage(topic: message.topic, payload: message.payload.bytes, hops: max(0, hops ?? 0)))
            }
        }
    }
}

extension HostedCall {
    fileprivate init(_ request: Request) {
        self.init(
            payload: request.payload.bytes, requestIdentifier: request.identifier, context: request.context,
            remaining: request.remaining)
        self.contentType = request.contentType
        self.callerIdentifier = request.callerIdentifier
        self.attempt = request.attempt
        self.hops = request.hops
        self.task = request.task
        let chain = request.userProperties.first { $0.name == CallProperty.chain }?.value
        self.chain = chain.map(CallChain.init(text:)) ?? CallChain()
        let trace = request.userProperties.first { $0.name == CallProperty.traceParent }?.value
        self.trace = trace.map { parent in
            TraceContext(
                parent: parent, state: request.userProperties.first { $0.name == CallProperty.traceState }?.value)
        }
    }
}

extension CallFailure {
    fileprivate init(_ error: BusError) {
        let status = error.status > 0 ? error.status : error.code == .invalidArgument ? 400 : 503
        self.init(
            status, error.code.rawValue, executed: Executed(rawValue: error.executed.rawValue) ?? .maybe,
            error.message)
        self.retryAfter = error.retryAfter
    }
}

extension FunctionFailure {
    fileprivate init(_ failure: CallFailure) {
        self.init(status: failure.status, code: failure.code, failure.message)
        self.stackTrace = failure.stackTrace
        self.executed = BusError.Executed(rawValue: failure.executed.rawValue) ?? .maybe
        self.retryAfter = failure.retryAfter
        self.isPermanent = failure.isPermanent
    }
}
