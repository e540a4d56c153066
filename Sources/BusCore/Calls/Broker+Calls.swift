import BusAccess
import BusCalls
import BusContract
import BusSession
import BusTopics
import BusWire
import NIOCore

/// How requests enter the call table.
extension Broker {
    func callKind(ofTopic topic: String) -> Route.Kind {
        guard topic.utf8.starts(with: CallTopic.prefix.utf8) else { return .plain }
        switch CallTopic(topic) {
        case .request(let name, let levels): return .request(name, levels)
        case .async(let name, let levels): return .async(name, levels)
        case .cancel(let name, let levels): return .cancel(name, levels)
        case .reply(let client, let call, let status):
            var target = self.replyTarget(of: client, topic)
            if let call { target.callName = Correlation(Array(call.utf8)) }
            target.isUsedOnce = call != nil
            guard let status, let call else { return .reply(target) }
            target.topic = Array(CallTopic.reply(client: client, call: call, errorStatus: nil).string.utf8)
            target.errorStatus = status
            return .reply(target)
        case .catalog(let name): return .catalog(name)
        case .instance(let identifier): return .instance(identifier)
        case .control(let verb, let service, let instance):
            return .control(verb: verb, service: service, instance: instance)
        case .dead, .event: return .reserved
        case nil:
            if let client = CallTopic.replyClient(of: topic) {
                var target = self.replyTarget(of: client, topic)
                target.isUsedOnce = true
                return .reply(target)
            }
            return CallTopic.isReserved(topic) ? .reserved : .plain
        }
    }

    private func replyTarget(of client: String, _ topic: String) -> Route.ReplyTarget {
        let session = ClientName.decode(client).flatMap { self.sessionOfClient[ClientIdentifier($0)] }
        return Route.ReplyTarget(client: client, session: session, topic: Array(topic.utf8))
    }

    /// The result is what PUBACK or PUBREC reports.
    mutating func acceptCall(
        _ publish: Publish, along route: Route, from session: Int, now: Timestamp
    ) -> ReasonCode {
        switch route.kind {
        case .request(let name, let levels):
            if name.isSystem { return self.acceptOperation(publish, name, levels, from: session, now: now) }
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
        case .control(let verb, let service, let instance):
            let word = ControlWord(verb: verb, service: service, instance: instance)
            return self.acceptControl(publish, word, along: route, from: session, now: now)
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
        let known = self.standings[session].answersAt
        let properties = CallProperties(publish, known: known?.topic)
        guard let address = Self.address(properties, levels) else {
            self.statistics.callsFailed += 1
            return .implementationSpecificError
        }
        guard let answersAt = self.checkAnswer(to: session, at: address.replyTopic, known) else {
            return .notAuthorized
        }
        if !route.recipients.isEmpty {
            self.distribute(Self.forObservers(publish, properties), along: route, from: session, now: now)
        }
        if let failure = properties.refusal(of: name) {
            self.fail(failure, address, isReplay: false, now: now)
            return ReasonCode(rawValue: failure.publishReasonCode)
        }
        var request = CallTable.Request(
            caller: ClientHandle(rawValue: UInt32(session)), function: name, address: address,
            digest: address.identifiesCall ? publish.payloadDigest : 0, message: StoredPublish(publish, along: route))
        request.timeoutNanoseconds = properties.timeoutNanoseconds
        request.isIdempotent = properties.isIdempotent
        request.key = properties.key
        request.waitNanoseconds = properties.waitMilliseconds * 1_000_000
        request.acceptsProgress = properties.acceptsProgress
        request.isTraced = properties.isTraced
        request.isAnsweredElsewhere = answersAt.isElsewhere
        request.payloadBytes = publish.payloadLength
        request.packetBytes = self.packetBytes(of: publish, from: session, name, address)
        let code = self.calls.request(request, now: now.nanoseconds, effects: &self.callEffects)
        return ReasonCode(rawValue: code)
    }

    /// The largest packet that an instance can get for a request: with all that the broker adds to it.
    private func packetBytes(
        of publish: Publish, from session: Int, _ name: FunctionName, _ address: CallAddress
    ) -> Int {
        publish.storedByteCount + address.replyTopic.utf8.count
            + self.standings[session].callerProperties.byteCount + Self.addedBytesMax
    }

    /// Fixed header, packet identifier, lengths; expiry, `fc-ttl-ms`, `fc-attempt` with their own; one subscription
    /// identifier.
    static let addedBytesMax = 10 + 5 + 34 + 18 + 5

    /// A copy without the retain flag and without what only the broker may say.
    static func forObservers(_ publish: Publish, _ properties: CallProperties) -> Publish {
        guard properties.hasReserved else { return publish.unretained }
        return publish.unretained.rebuilt(growth: 0, without: ReservedProperty.isOnRequests) { _ in }
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
    ///
    /// - Parameter known: the one that was remembered last.
    private mutating func checkAnswer(
        to session: Int, at replyTopic: String, _ known: Standing.AnswerTopic?
    ) -> Standing.AnswerTopic? {
        let generation = self.routeGeneration
        if let known, known.generation == generation, known.topic == replyTopic { return known }
        guard self.mayBeAnswered(session, at: replyTopic) else { return nil }
        let answersAt = Standing.AnswerTopic(
            topic: replyTopic, generation: generation, isElsewhere: !CallTopic.isReserved(replyTopic))
        self.standings[session].answersAt = answersAt
        return answersAt
    }

    /// A caller may have its answer in its own reply space where one of its subscriptions finds it, or, outside the reply
    /// space, anywhere that it may publish to itself: a function is never made to write where its caller may not.
    func mayBeAnswered(_ session: Int, at replyTopic: String) -> Bool {
        guard let name = try? TopicName(replyTopic, limits: self.limits.topics) else { return false }
        switch self.callKind(ofTopic: replyTopic) {
        case .reply(let target):
            // A subscription alone says nothing: filters that reach in from above, such as `#`, get no answers.
            return target.session == session
                && self.sessions[session].subscriptions.records.contains { record in
                    !record.filter.isShared && record.filter.matches(name)
                }
        case .plain:
            return replyTopic.utf8.first != UInt8(ascii: "$")
                && self.standings[session].rights.mayPublish(replyTopic)
        case .request, .async, .cancel, .catalog, .instance, .control, .reserved, .forbidden: return false
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
