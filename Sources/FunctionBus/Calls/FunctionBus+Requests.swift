import BusContract
import Synchronization

/// How requests become calls of handlers, and what those return becomes answers.
extension FunctionBus {
    /// A request, a one-way invocation or a cancellation has arrived for a service.
    func serve(_ message: ApplicationMessage, _ topic: CallTopic, at service: Service) {
        switch topic {
        case .request(_, let levels): self.accept(message, levels, isAsync: false, at: service)
        case .async(_, let levels): self.accept(message, levels, isAsync: true, at: service)
        case .cancel(_, let levels):
            guard let waiting = service.cancel(Self.key(message, levels)) else { return }
            self.answer(waiting, .failure(.cancelled(service.name, executed: .none)), at: service)
        case .reply, .dead, .catalog, .instance, .control, .event:
            preconditionFailure("only what is for a service comes here")
        }
    }

    private static func key(_ message: ApplicationMessage, _ levels: ReplyLevels?) -> CallKey {
        if let correlation = message.properties.correlationData {
            return CallKey(
                correlation: CorrelationKey(correlation), replyTopic: message.properties.responseTopic ?? "")
        }
        return levels.map { CallKey(correlation: nil, replyTopic: $0.replyTopic.string) } ?? .none
    }

    /// In the order of the protocol: reply address, version, nesting, deadline; then the service's own rules.
    private func accept(_ message: ApplicationMessage, _ levels: ReplyLevels?, isAsync: Bool, at service: Service) {
        guard let arrival = self.arrival(message, levels, isAsync: isAsync, at: service) else { return }
        if let failure = service.function.options.refusal(of: arrival.request, service.name) {
            self.publish(arrival.reply.message(failure), for: arrival)
            return
        }
        switch service.admit(arrival) {
        case .run(let number): self.run(number, arrival, at: service)
        case .queued, .joined: break
        case .answered(let answer): self.publish(arrival.reply.replay(answer), for: arrival)
        case .refused(let failure): self.publish(arrival.reply.message(failure), for: arrival)
        }
    }

    /// `nil` for a request that nobody can be told about: it is not run. A one-way invocation needs no answer.
    private func arrival(
        _ message: ApplicationMessage, _ levels: ReplyLevels?, isAsync: Bool, at service: Service
    ) -> ServiceMachine.Arrival? {
        let properties = message.properties
        guard let topic = properties.responseTopic ?? levels?.replyTopic.string ?? (isAsync ? "" : nil) else {
            return nil
        }
        let expiry = properties.messageExpiryInterval.map { Duration.seconds(Int64($0)) }
        let ttl = properties.first(PropertyName.ttl).flatMap { Int64($0) }.map { Duration.milliseconds($0) }
        let timeout = Self.shorter(expiry, ttl) ?? service.function.options.timeout
        let address = ReplyAddress(
            // Who sent it one way hears of its acceptance at most.
            topic: isAsync ? "" : topic, correlation: properties.correlationData,
            isTopicForm: properties.responseTopic == nil, deadline: .now + timeout,
            instance: self.answeringInstance)
        var request = Request(
            function: service.function.name, payload: Payload(message.payload), message,
            deadline: address.deadline, identifier: levels?.call)
        if properties.first(PropertyName.progress) == "1", !address.topic.isEmpty {
            request.reporter = Reporter { [weak self] response, number in
                // A report that cannot be sent is none.
                _ = try? self?.transport.publish(address.message(response, interim: number))
            }
        }
        return ServiceMachine.Arrival(
            request: request, reply: address, key: Self.key(message, levels), digest: message.payload.hashValue,
            scope: CallScope(deadline: address.deadline, hops: request.hops, trace: request.trace))
    }

    private static func shorter(_ one: Duration?, _ other: Duration?) -> Duration? {
        guard let one, let other else { return one ?? other }
        return min(one, other)
    }

    // MARK: Handlers

    private func run(_ number: UInt64, _ arrival: ServiceMachine.Arrival, at service: Service) {
        let task = Task {
            let result = await CallScope.$current.withValue(arrival.scope) {
                await service.function.result(of: arrival.request)
            }
            if service.mayAnswer(number) { self.answer(arrival, result, at: service) }
            self.ended(number, at: service)
        }
        guard let limit = service.started(number, task) else { return }
        service.arm(for: limit) { [weak self] in self?.answerOverdue(at: service) }
    }

    private func ended(_ number: UInt64, at service: Service) {
        let succession = service.ended(number)
        for arrival in succession.expired {
            self.answer(arrival, .failure(.deadline(service.name, executed: .none)), at: service)
        }
        if let next = succession.next { self.run(next.number, next.arrival, at: service) }
    }

    /// The answer does not wait for a handler that takes too long; its place stays taken until it ends.
    private func answerOverdue(at service: Service) {
        let overdue = service.takeOverdue { [weak self] in self?.answerOverdue(at: service) }
        for (arrival, failure) in overdue { self.answer(arrival, .failure(failure), at: service) }
    }

    /// The time to drain is over.
    func abandonCalls(of service: Service) {
        let left = service.abandon()
        for arrival in left.running { self.answer(arrival, .failure(.instanceLost(service.name)), at: service) }
        for arrival in left.waiting { self.answer(arrival, .failure(.draining(service.name)), at: service) }
    }

    private func answer(
        _ arrival: ServiceMachine.Arrival, _ result: Result<Response, Failure>, at service: Service
    ) {
        let answer: ApplicationMessage
        var failure: Failure?
        switch result {
        case .success(let response):
            let limit = service.function.options.replyBytesMax
            let bytes = response.payload.bytes.count
            if bytes > limit { failure = .replyTooLarge(bytes: bytes, limit: limit) }
            answer = failure.map { arrival.reply.message($0) } ?? arrival.reply.message(response)
        case .failure(let own):
            failure = own
            answer = arrival.reply.message(own)
        }
        service.answered(arrival, with: answer, failure)
        self.publish(answer, for: arrival)
    }

    private func publish(_ answer: ApplicationMessage, for arrival: ServiceMachine.Arrival) {
        guard !answer.topic.isEmpty else { return }
        do throws(TransportFailure) {
            _ = try self.transport.publish(answer)
        } catch {
            // Without a connection the broker has told the caller already, or its deadline does.
            guard error == .oversize else { return }
            var failure = Failure.replyTooLarge(bytes: answer.payload.count, limit: answer.payload.count)
            failure.message = "the answer has \(answer.payload.count) bytes, more than the broker takes in one packet"
            _ = try? self.transport.publish(arrival.reply.message(failure))
        }
    }
}

extension ServeOptions {
    /// What is wrong with a request before its function is looked at.
    func refusal(of request: Request, _ name: BusContract.FunctionName) -> Failure? {
        if let version = request.property(PropertyName.protocolVersion), version.split(separator: ".").first != "1" {
            return .version(version)
        }
        if request.hops > ContractLimits.hopsMax { return .loop(name) }
        if request.remaining <= .zero { return .deadline(name, executed: .none) }
        if let limit = self.requestBytesMax, request.payload.bytes.count > limit {
            return .requestTooLarge(name, bytes: request.payload.bytes.count, limit: limit)
        }
        if let type = request.contentType, !self.accepts(type) {
            return .wrongContentType(name, type, accepted: self.contentTypes)
        }
        return nil
    }

    /// Parameters behind `;` do not count; `text/*` stands for all of its kind.
    func accepts(_ contentType: String) -> Bool {
        guard !self.contentTypes.isEmpty else { return true }
        let essence = contentType.prefix { $0 != ";" && $0 != " " }.lowercased()
        return self.contentTypes.contains { accepted in
            accepted.hasSuffix("/*")
                ? essence.hasPrefix(accepted.dropLast().lowercased()) : essence == accepted.lowercased()
        }
    }
}

extension FunctionHandler {
    /// Runs the handler; whatever it throws becomes a failure, so that every request has its answer.
    func result(of request: Request) async -> Result<Response, Failure> {
        do {
            return .success(try await self.handler(request))
        } catch let failure as FunctionFailure {
            return .failure(Failure(failure))
        } catch is CancellationError {
            return .failure(.cancelled(self.name.contract, executed: .maybe))
        } catch let error as BusError where error.code == .cancelled {
            return .failure(.cancelled(self.name.contract, executed: .maybe))
        } catch {
            return .failure(.handlerError("\(error)"))
        }
    }
}

extension Failure {
    fileprivate init(_ failure: FunctionFailure) {
        self.init(
            CallStatus(rawValue: failure.status), CallCode(rawValue: failure.code),
            executed: Executed(rawValue: failure.executed.rawValue) ?? .yes, failure.message, origin: .handler)
        self.stackTrace = failure.stackTrace
        self.retryAfterMilliseconds = failure.retryAfter.map { Int(clamping: $0.milliseconds) }
        self.isPermanent = failure.isPermanent
    }
}
