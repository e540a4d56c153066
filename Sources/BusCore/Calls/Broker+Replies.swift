import BusCalls
import BusContract
import BusSession
import BusWire
import NIOCore

/// How answers find their callers, each in the form in which it is awaited.
extension Broker {
    mutating func acceptReply(
        _ publish: Publish, _ target: Route.ReplyTarget, along route: Route, from session: Int, now: Timestamp
    ) -> ReasonCode {
        let reply = ReplyProperties(publish, errorStatus: target.errorStatus)
        let address = AnswerAddress(
            topic: target.topic, correlation: reply.correlation,
            caller: target.session.map { ClientHandle(rawValue: UInt32($0)) }, callName: target.callName)
        if let code = self.settle(publish, reply, at: address, along: route, from: session, now: now) { return code }
        if target.errorStatus != nil, target.topic.count != route.topic.count {
            // The levels may be those of a Response Topic that only looks so.
            var plain = target
            plain.topic = route.topic
            plain.errorStatus = nil
            return self.acceptReply(publish, plain, along: route, from: session, now: now)
        }
        return self.acceptControlAnswer(publish, address, along: route, from: session, now: now) ?? .notAuthorized
    }

    /// An instance answers at a Response Topic outside the reply space; `nil` when the publish is no answer.
    mutating func acceptPlainReply(
        _ publish: Publish, along route: Route, from session: Int, now: Timestamp
    ) -> ReasonCode? {
        let reply = ReplyProperties(publish, errorStatus: nil)
        let address = AnswerAddress(topic: route.topic, correlation: reply.correlation)
        return self.settle(publish, reply, at: address, along: route, from: session, now: now)
    }

    private mutating func settle(
        _ publish: Publish, _ reply: ReplyProperties, at address: AnswerAddress, along route: Route,
        from session: Int, now: Timestamp
    ) -> ReasonCode? {
        let disposition = self.calls.reply(
            from: ClientHandle(rawValue: UInt32(session)), to: address, reply.outcome, publish, now: now.nanoseconds,
            effects: &self.callEffects)
        switch consume disposition {
        case .deliver(let answered):
            if answered.caller == TaskCaller.handle {
                self.taskAnswered(publish.compacted(), at: answered.address, reply.outcome, now: now)
                break
            }
            self.statistics.callsAnswered += 1
            if reply.outcome.status.isSuccess {
                self.sampleCompleted(answered.function, now: now)
            } else {
                self.noteFailure(of: answered.function, publish, reply.outcome.status, now: now)
            }
            self.forward(publish, reply, to: answered, along: route, now: now)
        case .deliverInterim(let answered):
            self.forward(publish, reply, to: answered, along: route, now: now)
        case .swallowed:
            if reply.outcome.isInterim { self.statistics.interimDropped += 1 }
        case .late:
            self.statistics.answersLate += 1
        case .noCall:
            return nil
        }
        return .success
    }

    private mutating func noteFailure(
        of name: FunctionName, _ publish: Publish, _ status: CallStatus, now: Timestamp
    ) {
        let properties = publish.properties
        let code = properties.firstUserProperty(named: PropertyName.code).map(CallCode.init(rawValue:))
        self.calls.noteFailure(
            of: name, status, code ?? .assumed(of: status),
            properties.firstUserProperty(named: PropertyName.statusMessage) ?? "", now: now.nanoseconds)
    }

    // MARK: Forms

    /// Gives the caller an answer; one that stands ready in its form goes as it is.
    ///
    /// - Parameter route: of the answer's own topic.
    mutating func forward(
        _ publish: Publish, _ reply: ReplyProperties, to answered: CallTable.Answered, isReplay: Bool = false,
        along route: Route, now: Timestamp
    ) {
        let address = answered.address
        let status = reply.outcome.status
        var topic = address.replyTopic
        if address.isTopicForm, !status.isSuccess, !reply.outcome.isInterim { topic += "/err/\(status)" }
        let isInPlace = route.isOn(topic)
        let isReady =
            isInPlace && !isReplay && answered.trace == nil && !reply.hasReserved
            && reply.correlation == address.correlation && (reply.hasStatus || status == .ok)
        let ready = isReady ? publish.unretained : Self.translated(publish, reply, to: answered, topic, isReplay)
        // A reply address was validated with its request.
        guard let way = isInPlace ? route : try? self.route(for: ready) else { return }
        self.deliverReply(ready, to: answered, along: way, now: now)
    }

    /// The answer under the caller's topic, with its correlation data, and with the status in the properties.
    private static func translated(
        _ publish: Publish, _ reply: ReplyProperties, to answered: CallTable.Answered, _ topic: String,
        _ isReplay: Bool
    ) -> Publish {
        let status = reply.outcome.status
        let correlation = answered.address.correlation.bytes
        return publish.unretained.rebuilt(topic: ByteBuffer(string: topic), growth: 256 + correlation.count) {
            block, property in
            switch property.identifier {
            case .correlationData, .topicAlias, .responseTopic: true
            default: ReservedProperty.isOnAnswers(block, property)
            }
        } adding: { writer in
            if !correlation.isEmpty { writer.write(correlation: correlation) }
            if !reply.hasStatus, status != .ok {
                writer.write(PropertyName.status, status.description)
                if !status.isSuccess {
                    writer.write(PropertyName.code, CallCode.assumed(of: status).rawValue)
                    writer.write(PropertyName.executed, reply.outcome.executed.rawValue)
                }
            }
            if let trace = answered.trace {
                writer.write(PropertyName.queueTime, trace.queueNanoseconds / 1000)
                writer.write(PropertyName.serviceTime, trace.serviceNanoseconds / 1000)
            }
            if isReplay { writer.write(PropertyName.replay, "1") }
        }
    }

    /// Gives the caller its answer, or, where that is larger than it takes, a failure that says so.
    private mutating func deliverReply(
        _ reply: Publish, to answered: CallTable.Answered, along route: Route, now: Timestamp
    ) {
        let caller = Int(answered.caller.rawValue)
        if let index = self.sessions[caller].connection, self.connections[index].maximumPacketSize < Int.max,
            let recipient = route.recipients.first(where: { $0.session == caller })
        {
            let limit = self.connections[index].maximumPacketSize
            let qos = min(reply.qos, recipient.options.maximumQoS)
            // All packet identifiers have the same length.
            let delivery = PublishDelivery(
                qos: qos, packetIdentifier: qos == .atMostOnce ? nil : PacketIdentifier(rawValue: 1),
                subscriptionIdentifiers: recipient.identifiers)
            let bytes = reply.encodedByteCount(delivery, version: self.connections[index].version)
            if bytes > limit {
                let failure = Failure.replyTooLarge(bytes: bytes, limit: limit)
                self.fail(failure, answered.address, isReplay: false, now: now)
                return
            }
        }
        self.distribute(reply, along: route, from: nil, now: now)
    }

    /// Gives an answer once more.
    mutating func replay(_ publish: Publish, to answered: CallTable.Answered, now: Timestamp) {
        // The topic was validated when the answer came.
        guard let route = try? self.route(for: publish) else { return }
        let target: Route.ReplyTarget? = if case .reply(let target) = route.kind { target } else { nil }
        let reply = ReplyProperties(publish, errorStatus: target?.errorStatus)
        self.forward(publish, reply, to: answered, isReplay: true, along: route, now: now)
    }
}
