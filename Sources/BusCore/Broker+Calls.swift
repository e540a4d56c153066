import BusAccess
import BusCalls
import BusContract
import BusSession
import BusTopics
import BusWire
import NIOCore

/// How messages of the call protocol enter the call table.
extension Broker {
    func callKind(ofTopic topic: String) -> Route.Kind {
        guard topic.utf8.starts(with: CallTopic.prefix.utf8) else { return .plain }
        switch CallTopic(topic) {
        case .request(let name, let levels): return .request(name, levels)
        case .async(let name, let levels): return .async(name, levels)
        case .cancel(let name, let levels): return .cancel(name, levels)
        case .reply(let client, let call, let status):
            return .reply(Route.ReplyTarget(client: client, isTopicForm: call != nil, errorStatus: status))
        case .catalog(let name): return .catalog(name)
        case .instance(let identifier): return .instance(identifier)
        case .control: return .plain
        case .dead, .event: return .reserved
        case nil: return CallTopic.isReserved(topic) ? .reserved : .plain
        }
    }

    /// The result is what PUBACK or PUBREC reports.
    mutating func acceptCall(
        _ publish: Publish, along route: Route, from session: Int, now: Timestamp
    ) -> ReasonCode {
        switch route.kind {
        case .request(let name, let levels):
            return self.acceptRequest(publish, of: name, levels, along: route, from: session, now: now)
        case .async(let name, let levels):
            return self.acceptTask(publish, of: name, levels, along: route, from: session, now: now)
        case .cancel(_, let levels):
            return self.acceptCancel(publish, levels, from: session, now: now)
        case .reply(let target):
            return self.acceptReply(publish, target, along: route, from: session, now: now)
        case .catalog(let name):
            return self.acceptCatalog(publish, of: name, along: route, from: session, now: now)
        case .instance(let identifier):
            return self.acceptPresence(publish, of: identifier, along: route, from: session, now: now)
        case .plain, .reserved, .forbidden:
            preconditionFailure("only topics of the call protocol come here")
        }
    }

    /// The caller has no right to the function: it hears of it where it waits for its answer.
    mutating func failDenied(
        _ publish: Publish, of name: FunctionName, _ levels: ReplyLevels?, from session: Int, now: Timestamp
    ) {
        guard let address = Self.address(CallProperties(publish), levels),
            self.mayBeAnswered(session, at: address.replyTopic)
        else { return }
        self.fail(.notAuthorized("no right to call \(name)"), address, isReplay: false, now: now)
    }

    // MARK: Requests

    private mutating func acceptRequest(
        _ publish: Publish, of name: FunctionName, _ levels: ReplyLevels?, along route: Route, from session: Int,
        now: Timestamp
    ) -> ReasonCode {
        let properties = CallProperties(publish)
        guard let address = Self.address(properties, levels) else { return .implementationSpecificError }
        guard self.checkAnswer(to: session, at: address.replyTopic) else { return .notAuthorized }
        if !route.recipients.isEmpty { self.distribute(publish.unretained, along: route, from: session, now: now) }
        if let failure = properties.refusal(of: name) {
            self.fail(failure, address, isReplay: false, now: now)
            return ReasonCode(rawValue: failure.publishReasonCode)
        }
        var request = CallTable.Request(
            caller: ClientHandle(rawValue: UInt32(session)), function: name, address: address,
            digest: address.identifiesCall ? publish.payloadDigest : 0, message: StoredPublish(publish))
        request.timeoutNanoseconds = properties.timeoutNanoseconds
        request.isIdempotent = properties.isIdempotent
        request.key = properties.key
        request.waitNanoseconds = properties.waitMilliseconds * 1_000_000
        request.acceptsProgress = properties.acceptsProgress
        let code = self.calls.request(request, now: now.nanoseconds, effects: &self.callEffects)
        return ReasonCode(rawValue: code)
    }

    /// Where the answer goes: the Response Topic, else the levels of the topic form; `nil` without either.
    static func address(_ properties: CallProperties, _ levels: ReplyLevels?) -> CallAddress? {
        if let topic = properties.responseTopic {
            return CallAddress(replyTopic: topic, correlation: properties.correlation)
        }
        return levels.map {
            CallAddress(replyTopic: $0.replyTopic.string, correlation: Correlation(), isTopicForm: true)
        }
    }

    /// Remembers the reply topic that a session uses again and again, as long as no subscription changes.
    private mutating func checkAnswer(to session: Int, at replyTopic: String) -> Bool {
        let generation = self.routeGeneration
        let known = self.sessions[session].checkedReplyTopic
        if let known, known.generation == generation, known.topic == replyTopic { return true }
        guard self.mayBeAnswered(session, at: replyTopic) else { return false }
        self.sessions[session].checkedReplyTopic = Session.CheckedTopic(topic: replyTopic, generation: generation)
        return true
    }

    /// A caller may have its answer where one of its own subscriptions finds it, or, outside the reply space, anywhere
    /// that it may publish to itself: a function is never made to write where its caller may not.
    func mayBeAnswered(_ session: Int, at replyTopic: String) -> Bool {
        guard let name = try? TopicName(replyTopic, limits: self.limits.topics) else { return false }
        switch self.callKind(ofTopic: replyTopic) {
        case .reply:
            return self.sessions[session].subscriptions.values.contains { record in
                !record.filter.isShared && record.filter.matches(name)
            }
        case .plain:
            return replyTopic.utf8.first != UInt8(ascii: "$")
                && self.standings[session].rights.mayPublish(replyTopic)
        case .request, .async, .cancel, .catalog, .instance, .reserved, .forbidden: return false
        }
    }

    private mutating func acceptCancel(
        _ publish: Publish, _ levels: ReplyLevels?, from session: Int, now: Timestamp
    ) -> ReasonCode {
        let properties = CallProperties(publish)
        guard let address = Self.address(properties, levels) else { return .implementationSpecificError }
        self.calls.cancel(
            by: ClientHandle(rawValue: UInt32(session)), address, waits: properties.cancelWaits,
            now: now.nanoseconds, effects: &self.callEffects)
        return .success
    }

    // MARK: Replies

    private mutating func acceptReply(
        _ publish: Publish, _ target: Route.ReplyTarget, along route: Route, from session: Int, now: Timestamp
    ) -> ReasonCode {
        let properties = CallProperties(publish)
        var address = CallAddress(
            replyTopic: publish.topic, correlation: properties.correlation, isTopicForm: target.isTopicForm)
        if let status = target.errorStatus {
            address.replyTopic = String(publish.topic.dropLast("/err/\(status)".count))
        }
        return self.settle(publish, at: address, status: target.errorStatus, along: route, from: session, now: now)
            ?? .notAuthorized
    }

    /// An instance answers at a Response Topic outside the reply space; `nil` when the publish is no answer.
    mutating func acceptPlainReply(
        _ publish: Publish, along route: Route, from session: Int, now: Timestamp
    ) -> ReasonCode? {
        let address = CallAddress(replyTopic: publish.topic, correlation: CallProperties(publish).correlation)
        return self.settle(publish, at: address, status: nil, along: route, from: session, now: now)
    }

    private mutating func settle(
        _ publish: Publish, at address: CallAddress, status: Int?, along route: Route, from session: Int,
        now: Timestamp
    ) -> ReasonCode? {
        let outcome = Self.outcome(of: publish, errorStatus: status)
        let client = ClientHandle(rawValue: UInt32(session))
        let disposition = self.calls.reply(
            from: client, to: address, outcome, message: StoredPublish(publish), now: now.nanoseconds,
            effects: &self.callEffects)
        switch disposition {
        case .deliver(TaskCaller.handle):
            self.taskAnswered(publish, at: address, outcome, now: now)
            return .success
        case .deliver, .deliverInterim:
            if case .deliver = disposition { self.statistics.callsAnswered += 1 }
            self.deliverReply(publish, along: route, from: session, now: now)
            return .success
        case .swallowed, .late: return .success
        case .noCall: return nil
        }
    }

    private static func outcome(of publish: Publish, errorStatus: Int?) -> CallTable.Outcome {
        var outcome = CallTable.Outcome(byteCount: publish.storedByteCount)
        if let errorStatus { outcome.status = CallStatus(rawValue: errorStatus) }
        guard publish.hasProperties else { return outcome }
        let properties = publish.properties
        if let status = properties.firstUserProperty(named: PropertyName.status).flatMap({ Int($0) }) {
            outcome.status = CallStatus(rawValue: status)
        }
        if let executed = properties.firstUserProperty(named: PropertyName.executed) {
            outcome.executed = Executed(rawValue: executed) ?? .yes
        }
        outcome.isInterim = properties.firstUserProperty(named: PropertyName.more) == "1"
        return outcome
    }

    /// Gives the caller its answer, or, where that is larger than it takes, a failure that says so.
    private mutating func deliverReply(_ publish: Publish, along route: Route, from session: Int, now: Timestamp) {
        let reply = publish.unretained
        guard case .reply = route.kind, let recipient = route.recipients.first,
            let index = self.sessions[recipient.session].connection,
            self.connections[index].maximumPacketSize < Int.max
        else {
            self.distribute(reply, along: route, from: session, now: now)
            return
        }
        let limit = self.connections[index].maximumPacketSize
        let delivery = PublishDelivery(qos: min(reply.qos, recipient.options.maximumQoS))
        let bytes = reply.encodedByteCount(delivery, version: self.connections[index].version) + 2
        guard bytes > limit else {
            self.distribute(reply, along: route, from: session, now: now)
            return
        }
        let properties = CallProperties(publish)
        let address = CallAddress(replyTopic: publish.topic, correlation: properties.correlation)
        self.fail(.replyTooLarge(bytes: bytes, limit: limit), address, isReplay: false, now: now)
    }

    // MARK: Registration

    private mutating func acceptCatalog(
        _ publish: Publish, of name: FunctionName, along route: Route, from session: Int, now: Timestamp
    ) -> ReasonCode {
        if publish.payloadLength == 0 {
            self.calls.catalogChanged(name, nil, now: now.nanoseconds)
        } else {
            guard let descriptor = try? FunctionDescriptor(parsing: String(buffer: publish.payload)) else {
                return .payloadFormatInvalid
            }
            self.calls.catalogChanged(name, descriptor, now: now.nanoseconds)
        }
        return self.distribute(publish, along: route, from: session, now: now)
    }

    /// An instance speaks for itself only: its identifier is its client's, or that with a number behind a dot.
    private mutating func acceptPresence(
        _ publish: Publish, of identifier: String, along route: Route, from session: Int, now: Timestamp
    ) -> ReasonCode {
        let own = ClientName.encode(self.sessions[session].clientIdentifier)
        guard identifier == own || identifier.hasPrefix(own + ".") else { return .notAuthorized }
        if publish.payloadLength > 0 {
            guard let descriptor = try? InstanceDescriptor(parsing: String(buffer: publish.payload)) else {
                return .payloadFormatInvalid
            }
            self.calls.presenceChanged(
                ClientHandle(rawValue: UInt32(session)), descriptor, now: now.nanoseconds, effects: &self.callEffects)
        }
        return self.distribute(publish, along: route, from: session, now: now)
    }

    /// Whether a plain subscription makes its client an instance.
    static func servesCalls(_ filter: TopicFilter) -> Bool {
        if case .instance = CallFilter.role(of: filter) { true } else { false }
    }

    mutating func instanceArrived(_ filter: TopicFilter, session: Int, now: Timestamp) {
        guard self.sessions[session].connection != nil else { return }
        self.calls.instanceSubscribed(
            ClientHandle(rawValue: UInt32(session)), filter: filter,
            capacity: self.sessions[session].window.receiveMaximum, now: now.nanoseconds, effects: &self.callEffects)
    }

    mutating func instanceLeft(_ filter: TopicFilter, session: Int, now: Timestamp) {
        self.calls.instanceUnsubscribed(
            ClientHandle(rawValue: UInt32(session)), filter: filter, now: now.nanoseconds, effects: &self.callEffects)
    }

    /// A resumed session serves again what it is subscribed to.
    mutating func instanceReturned(_ session: Int, now: Timestamp) {
        for record in self.sessions[session].subscriptions.values {
            self.instanceArrived(record.filter, session: session, now: now)
        }
        self.performCallEffects(now: now)
    }

    mutating func clientLeft(_ session: Int, now: Timestamp) {
        self.calls.clientLeft(
            ClientHandle(rawValue: UInt32(session)), hasSession: self.sessions[session].expirySeconds > 0,
            now: now.nanoseconds, effects: &self.callEffects)
        self.performCallEffects(now: now)
    }
}

extension Publish {
    /// Requests and answers are never retained, whatever their flag says.
    var unretained: Publish {
        guard self.isRetained else { return self }
        var copy = self
        copy.isRetained = false
        return copy
    }
}
