import BusContract
import BusMosquitto
import Synchronization

extension FunctionBus {
    /// Serves a function until the task is cancelled; then it drains: calls that run are finished, new ones go elsewhere.
    ///
    /// - Throws: `BusError` when the function cannot be registered.
    public func serve(
        _ name: FunctionName, options: ServeOptions = .init(), onReady: @escaping @Sendable () -> Void = {},
        handler: @escaping FunctionHandler.Handler
    ) async throws(BusError) {
        try await self.serve([FunctionHandler(name, options: options, handler: handler)], onReady: onReady)
    }

    /// Serves several functions until the task is cancelled.
    ///
    /// - Parameter onReady: called once, when every function is registered.
    /// - Throws: `BusError` when a function cannot be registered.
    public func serve(
        _ functions: [FunctionHandler], onReady: @escaping @Sendable () -> Void = {}
    ) async throws(BusError) {
        let services = functions.map(Service.init)
        let deadline = ContinuousClock.now + .seconds(10)
        try await self.waitForConnection(until: deadline)
        self.state.withLock { state in
            for service in services { state.services[service.name] = service }
        }
        do throws(BusError) {
            for service in services {
                for filter in self.filters(of: service.name) {
                    try await self.subscribe(filter, qos: 1, until: deadline)
                }
                self.announce(service)
            }
            self.announcePresence(.online)
            onReady()
        } catch {
            self.remove(services)
            throw error
        }
        await Self.untilCancelled()
        await self.drain(services)
    }

    private static func untilCancelled() async {
        // Nothing but a cancellation ends this wait.
        while (try? await Task.sleep(for: .seconds(3600))) != nil {}
    }

    /// Where requests and cancellations of a function arrive. On a broker that does not know calls, the instances take
    /// one-way invocations themselves.
    private func filters(of name: BusContract.FunctionName) -> [String] {
        let filters = [CallFilter.requests(of: name), CallFilter.cancellations(of: name)]
        return self.isConnectedToFcbus ? filters : filters + [CallFilter.invocations(of: name)]
    }

    /// After a reconnect: everything that `serve` did, without waiting.
    func register(_ service: Service) {
        for filter in self.filters(of: service.name) { _ = try? self.transport.subscribe(filter, qos: 1) }
        self.announce(service)
        self.announcePresence(.online)
    }

    /// The catalog entry stays when the instance goes: the function is known then, and has no instance.
    private func announce(_ service: Service) {
        let options = service.function.options
        var descriptor = FunctionDescriptor()
        descriptor.version = options.version
        descriptor.description = options.description
        descriptor.timeoutMilliseconds = UInt64(clamping: options.timeout.milliseconds)
        descriptor.isIdempotent = options.isIdempotent
        descriptor.concurrency = options.concurrency
        descriptor.activation = options.isOnDemand ? .onDemand : .always
        self.publishRetained(CallTopic.catalog(service.name), descriptor.text)
    }

    private func announcePresence(_ status: InstanceDescriptor.Status) {
        let services = self.state.withLock { Array($0.services.values) }
        guard !services.isEmpty else {
            self.publishRetained(.instance(ClientName.encode(self.clientIdentifier)), "")
            return
        }
        var descriptor = InstanceDescriptor()
        descriptor.status = status
        descriptor.functions = services.map(\.name.description).sorted()
        descriptor.capacity = services.reduce(0) { $0 + $1.function.options.concurrency }
        descriptor.host = Machine.hostName
        descriptor.processIdentifier = Machine.processIdentifier
        descriptor.startedSeconds = Machine.startedSeconds
        descriptor.language = "swift"
        descriptor.sdk = "FunctionBus"
        self.publishRetained(.instance(ClientName.encode(self.clientIdentifier)), descriptor.text)
    }

    private func publishRetained(_ topic: CallTopic, _ text: String) {
        // Without a connection it is said again after the reconnect.
        _ = try? self.transport.publish(
            MosquittoMessage(topic: topic.string, payload: Array(text.utf8), qos: 1, isRetained: true))
    }

    private func drain(_ services: [Service]) async {
        self.announcePresence(.draining)
        for service in services {
            service.drain()
            _ = try? self.transport.unsubscribe(CallFilter.requests(of: service.name))
        }
        for service in services { await service.waitUntilIdle() }
        self.remove(services)
    }

    private func remove(_ services: [Service]) {
        self.state.withLock { state in
            for service in services { state.services[service.name] = nil }
        }
        for service in services {
            for filter in self.filters(of: service.name) { _ = try? self.transport.unsubscribe(filter) }
        }
        self.announcePresence(.online)
    }

    // MARK: Requests

    /// Whether a message was a request or a cancellation for one of the services.
    func serve(_ message: MosquittoMessage) -> Bool {
        guard message.topic.utf8.starts(with: CallTopic.prefix.utf8), let topic = CallTopic(message.topic) else {
            return false
        }
        switch topic {
        case .request(let name, let levels):
            guard let service = self.service(name) else { return false }
            self.accept(message, levels, isAsync: false, at: service)
            return true
        case .async(let name, let levels):
            guard let service = self.service(name), !self.isConnectedToFcbus else { return false }
            self.accept(message, levels, isAsync: true, at: service)
            return true
        case .cancel(let name, let levels):
            guard let service = self.service(name) else { return false }
            service.cancel(Self.key(message, levels))
            return true
        default: return false
        }
    }

    private func service(_ name: BusContract.FunctionName) -> Service? {
        self.state.withLock { $0.services[name] }
    }

    /// The address of a request as bytes: what tells it from others.
    private static func key(_ message: MosquittoMessage, _ levels: ReplyLevels?) -> [UInt8] {
        if let correlation = message.properties.correlationData {
            return Array((message.properties.responseTopic ?? "").utf8) + [0] + correlation
        }
        return levels.map { Array($0.replyTopic.string.utf8) } ?? []
    }

    private func accept(_ message: MosquittoMessage, _ levels: ReplyLevels?, isAsync: Bool, at service: Service) {
        let properties = message.properties
        let expiry = properties.messageExpiryInterval.map { Duration.seconds(Int64($0)) }
        let ttl = properties.first(PropertyName.ttl).flatMap { Int64($0) }.map { Duration.milliseconds($0) }
        let timeout = [expiry, ttl].compactMap(\.self).min() ?? service.function.options.timeout
        let deadline = ContinuousClock.now + timeout
        let replyTopic = properties.responseTopic ?? levels?.replyTopic.string
        // A request that nobody can be told about is not run; a one-way invocation needs no answer.
        guard let replyTopic = replyTopic ?? (isAsync ? "" : nil) else { return }
        let address = ReplyAddress(
            topic: replyTopic, correlation: properties.correlationData,
            isTopicForm: properties.responseTopic == nil, deadline: deadline)
        let hops = properties.first(PropertyName.hops).flatMap { Int($0) } ?? 0
        var request = Request(
            function: service.function.name, payload: Payload(message.payload),
            context: properties.first(PropertyName.context), contentType: properties.contentType, deadline: deadline,
            callerIdentifier: properties.first(PropertyName.callerIdentifier),
            attempt: properties.first(PropertyName.attempt).flatMap { Int($0) } ?? 1, hops: hops,
            task: properties.first(PropertyName.task),
            identifier: properties.correlationData.map(Self.hexadecimal) ?? levels?.call ?? "",
            userProperties: properties.userProperties)
        if properties.first(PropertyName.progress) == "1", !replyTopic.isEmpty {
            request.reporter = Reporter { [weak self] response, number in
                self?.publishReply(address.message(response, interim: number))
            }
        }
        let scope = CallScope(
            deadline: deadline, hops: hops, traceParent: properties.first(PropertyName.traceParent),
            traceState: properties.first(PropertyName.traceState))
        let arrival = Service.Arrival(
            request: request, reply: address, key: Self.key(message, levels), scope: scope)
        switch service.admit(arrival) {
        case .run: self.run(arrival, at: service)
        case .queued, .joined: break
        case .answered(let answer): self.publishReply(answer)
        case .refused(let failure): self.publishReply(address.message(failure))
        }
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef")
        return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }

    // MARK: Handlers

    private func run(_ arrival: Service.Arrival, at service: Service) {
        let task = Task {
            let result = await self.result(of: arrival, at: service)
            let answer =
                switch result {
                case .success(let response): arrival.reply.message(response)
                case .failure(let failure): arrival.reply.message(failure)
                }
            service.answered(arrival.key, answer, hasRun: result.mayHaveRun)
            self.publishReply(answer)
        }
        service.started(arrival.key, task)
    }

    /// Runs the handler in a task of its own. When it takes too long the answer does not wait for it, but its place
    /// stays taken until it ends.
    private func result(of arrival: Service.Arrival, at service: Service) async -> Result<Response, Failure> {
        let timeout = min(service.function.options.timeout, arrival.request.remaining)
        let race = Race<Result<Response, Failure>>()
        let handler = Task {
            let result = await CallScope.$current.withValue(arrival.scope) {
                await Self.handle(arrival.request, service)
            }
            race.finish(result)
            if let next = service.ended() { self.run(next, at: service) }
        }
        let name = service.name
        let timer = Task {
            // Cancelled when the handler has won.
            guard (try? await Task.sleep(for: timeout)) != nil else { return }
            let isCallers = arrival.request.remaining <= .zero
            race.finish(
                .failure(
                    isCallers
                        ? .deadline(name, executed: .maybe)
                        : .executionTimeout(name, milliseconds: UInt64(clamping: timeout.milliseconds))))
            handler.cancel()
        }
        let result = await withTaskCancellationHandler {
            await race.result()
        } onCancel: {
            handler.cancel()
        }
        timer.cancel()
        return result
    }

    private static func handle(_ request: Request, _ service: Service) async -> Result<Response, Failure> {
        do {
            return .success(try await service.function.handler(request))
        } catch let failure as FunctionFailure {
            var own = Failure(
                CallStatus(rawValue: failure.status), CallCode(rawValue: failure.code),
                executed: Executed(rawValue: failure.executed.rawValue) ?? .yes, failure.message, origin: .handler)
            own.stackTrace = failure.stackTrace
            own.retryAfterMilliseconds = failure.retryAfter.map { Int(clamping: $0.milliseconds) }
            own.isPermanent = failure.isPermanent
            return .failure(own)
        } catch is CancellationError {
            return .failure(.cancelled(service.name, executed: .maybe))
        } catch let error as BusError where error.code == .cancelled {
            return .failure(.cancelled(service.name, executed: .maybe))
        } catch {
            return .failure(.handlerError("\(error)"))
        }
    }

    private func publishReply(_ message: MosquittoMessage) {
        guard !message.topic.isEmpty else { return }
        do throws(MosquittoFailure) {
            _ = try self.transport.publish(message)
        } catch {
            guard error.isOversize, let address = Self.address(of: message) else { return }
            // The caller's deadline ends what cannot even be said to have failed.
            let failure = Failure.replyTooLarge(bytes: message.payload.count, limit: message.payload.count - 1)
            _ = try? self.transport.publish(address.message(failure))
        }
    }

    private static func address(of message: MosquittoMessage) -> ReplyAddress? {
        guard case .reply(_, let call, nil) = CallTopic(message.topic) else { return nil }
        let seconds = message.properties.messageExpiryInterval ?? 1
        return ReplyAddress(
            topic: message.topic, correlation: message.properties.correlationData, isTopicForm: call != nil,
            deadline: .now + .seconds(Int64(seconds)))
    }
}

extension Result<Response, Failure> {
    /// Whether the handler may have done its work: otherwise the same request may come again and is run then.
    fileprivate var mayHaveRun: Bool {
        if case .failure(let failure) = self { failure.executed != .none } else { true }
    }
}
