import BusAccess
import BusCalls
import BusContract
import BusSession
import BusTopics
import BusWire

/// How a PUBLISH enters the broker.
extension Broker {
    mutating func receivePublish(_ publish: Publish, on index: Int, now: Timestamp) {
        self.statistics.publishReceived += 1
        self.statistics.publishBytesReceived += publish.payloadLength
        guard publish.topicAlias != nil || publish.topicLength == 0 else {
            return self.receiveNamed(publish, on: index, now: now)
        }
        do {
            let named = try self.connections[index].aliases.resolve(publish)
            self.receiveNamed(named, on: index, now: now)
        } catch {
            self.end(index, .violation(error.reasonCode, error.message), now: now)
        }
    }

    /// The topic stands in the packet, or its alias was looked up.
    private mutating func receiveNamed(_ publish: Publish, on index: Int, now: Timestamp) {
        let route: Route
        do {
            route = try self.route(for: publish)
        } catch {
            // [MQTT-3.3.2-2]; 3.x has no code, the connection just ends.
            self.end(index, .violation(.topicNameInvalid, error.message), now: now)
            return
        }
        if self.journal.isOn, !self.journal.hasRoom, self.needsRoomInStore(publish, along: route, on: index) {
            self.acknowledge(publish, .quotaExceeded, on: index)
            return
        }
        let mark = self.journal.changeCount
        guard self.isNew(publish, on: index, now: now) else { return }
        // 3.3.2.3.2 lets a receiver look.
        if self.limits.session.checksPayloadFormat, publish.isWronglyUTF8 {
            self.statistics.refusedPayloads += 1
            self.acknowledge(publish, .payloadFormatInvalid, on: index)
            return
        }
        let code = self.accept(publish, along: route, from: self.connections[index].session, now: now)
        self.acknowledge(
            publish, code, on: index, after: mark == self.journal.changeCount ? 0 : self.journal.openNumber)
        self.performCallEffects(now: now)
    }

    /// Whether a message is to be delivered; one of QoS 2 that is not is answered here.
    private mutating func isNew(_ publish: Publish, on index: Int, now: Timestamp) -> Bool {
        guard publish.qos == .exactlyOnce, let identifier = publish.packetIdentifier else { return true }
        let session = self.connections[index].session
        switch self.sessions[session].inbound.receivedPublish(identifier) {
        case .new:
            self.storeReceived(identifier, in: session, isOver: false)
            return true
        case .duplicate:
            self.acknowledge(
                .pubRec(Acknowledgement(packetIdentifier: identifier)), on: index,
                after: self.sessions[session].storage.changedAt)
        case .exceedsReceiveMaximum:
            let message = "more QoS 2 messages under way than the announced Receive Maximum"
            self.end(index, .violation(.receiveMaximumExceeded, message), now: now)
        }
        return false
    }

    /// Routes a message that the broker itself makes.
    mutating func publish(_ publish: Publish, from session: Int?, now: Timestamp) {
        // The topic was validated when the message was made: a reply address with its request.
        guard let route = try? self.route(for: publish) else { return }
        self.distribute(publish, along: route, from: session, now: now)
    }

    /// Puts a client's message where its topic says; the result is what PUBACK or PUBREC reports.
    mutating func accept(
        _ publish: Publish, along route: Route, from session: Int, now: Timestamp
    ) -> ReasonCode {
        if let code = self.shed(publish) { return code }
        guard self.mayPublish(session, along: route) else {
            return self.deny(publish, along: route, from: session, now: now)
        }
        switch route.kind {
        case .plain:
            if self.calls.mayAnswerAnywhere(ClientHandle(rawValue: UInt32(session))),
                let code = self.acceptPlainReply(publish, along: route, from: session, now: now)
            {
                return code
            }
            return self.distribute(publish, along: route, from: session, now: now)
        case .forbidden, .reserved:
            return .notAuthorized
        case .request, .async, .cancel, .reply, .catalog, .instance, .control:
            return self.acceptCall(publish, along: route, from: session, now: now)
        }
    }

    /// What becomes of a message that there is no room for; `nil` when there is.
    private mutating func shed(_ publish: Publish) -> ReasonCode? {
        if publish.propertiesByteCount > self.limits.propertyBytesMax { return .quotaExceeded }
        guard self.pressure >= .shedsQoS0, self.pressure == .refusesPublishes || publish.qos == .atMostOnce else {
            return nil
        }
        self.statistics.droppedMemory += 1
        return .quotaExceeded
    }

    /// Refuses a message that its sender has no right to; a caller hears of it as the answer to its call too.
    private mutating func deny(
        _ publish: Publish, along route: Route, from session: Int, now: Timestamp
    ) -> ReasonCode {
        // The one right that needs no rule: an instance answers the call that it was given.
        if case .plain = route.kind, self.calls.mayAnswerAnywhere(ClientHandle(rawValue: UInt32(session))),
            let code = self.acceptPlainReply(publish, along: route, from: session, now: now)
        {
            return code
        }
        self.statistics.deniedPublishes += 1
        switch route.kind {
        case .request(let name, let levels), .async(let name, let levels):
            self.failDenied(publish, of: name, levels, from: session, now: now)
        case .plain, .cancel, .reply, .catalog, .instance, .control, .reserved, .forbidden:
            break
        }
        self.events.append(
            .denied(
                client: self.sessions[session].clientIdentifier, action: "publish",
                topic: String(topic: route.topic)))
        return .notAuthorized
    }

    /// - Parameter commit: holds what an acknowledgement that is no refusal promises.
    private mutating func acknowledge(
        _ publish: Publish, _ code: ReasonCode, on index: Int, after commit: UInt64 = 0
    ) {
        guard let identifier = publish.packetIdentifier, self.connections[index].phase == .connected else { return }
        let acknowledgement = Acknowledgement(packetIdentifier: identifier, reasonCode: code)
        if publish.qos == .exactlyOnce {
            if code.isError {
                // Refused: in 5.0 the exchange ends here ([MQTT-4.3.3-9]); 3.x knows no refusal and releases it.
                if self.connections[index].isSpeakingV5 {
                    let session = self.connections[index].session
                    self.sessions[session].inbound.refuse(identifier)
                    self.storeReceived(identifier, in: session, isOver: true)
                }
            }
            self.acknowledge(.pubRec(acknowledgement), on: index, after: code.isError ? 0 : commit)
        } else {
            self.acknowledge(.pubAck(acknowledgement), on: index, after: code.isError ? 0 : commit)
        }
    }

    // MARK: Routes

    /// Who gets messages of the publish's topic.
    ///
    /// - Throws: `TopicError` where the topic is not a valid topic name.
    func cachedRoute(for publish: Publish) -> Route? {
        self.routes.find(publish, generation: self.routeGeneration)
    }

    /// Rises with every change of the subscriptions and of the access rules.
    var routeGeneration: UInt64 { self.subscriptions.generation &+ self.policyGeneration }

    mutating func route(for publish: Publish) throws(TopicError) -> Route {
        if let known = self.cachedRoute(for: publish) { return known }
        let limits = self.limits.topics
        if let error = unsafe publish.withTopicBytes({ unsafe TopicName.validate($0, limits: limits) }) { throw error }
        let route = self.resolveRoute(of: publish)
        // Topics of the 3.1.1 call form differ with every call: they would only push others out.
        if !route.isUsedOnce { self.routes.insert(route) }
        return route
    }

    private mutating func resolveRoute(of publish: Publish) -> Route {
        var matches = SubscriptionTree.Matches()
        let topic = unsafe publish.withTopicBytes { topic in
            unsafe self.subscriptions.match(topic, into: &matches)
            return unsafe [UInt8](topic)
        }
        let kind = self.kind(ofTopic: publish.topic)
        let generation = self.routeGeneration
        let isStored = self.stores(kind, topic: publish.topic)
        self.removeBarred(from: &matches, topic: publish.topic)
        switch kind {
        case .request:
            // Instances get calls, not copies; every shared subscription that matches a request serves it.
            let isInstance = { (entry: SubscriptionTree.Entry) in
                SubscriptionOptions(rawValue: entry.options).isInstance
            }
            let members = matches.groups.flatMap { self.subscriptions.members(of: $0) }
                .filter { self.mayServe($0, kind) }
            let servers = Route.merge(matches.entries.filter(isInstance) + members)
            return Route(
                topic: topic, generation: generation, kind: kind,
                recipients: Route.merge(matches.entries.filter { !isInstance($0) }),
                servers: Dictionary(uniqueKeysWithValues: servers.map { ($0.session, $0) }), isStored: isStored)
        case .reply(let target):
            // Nobody else reads a client's answers, whatever it subscribes to.
            let recipients = Route.merge(matches.entries).filter {
                ClientName.encode(self.sessions[$0.session].clientIdentifier) == target.client
            }
            return Route(
                topic: topic, generation: generation, kind: kind, recipients: recipients, isStored: isStored)
        default:
            return Route(
                topic: topic, generation: generation, kind: kind, recipients: Route.merge(matches.entries),
                groups: matches.groups, isStored: isStored)
        }
    }

    /// Takes those out who may not read the topic, whatever they have subscribed to.
    private func removeBarred(from matches: inout SubscriptionTree.Matches, topic: String) {
        guard self.restricts else { return }
        matches.entries.removeAll { entry in
            let options = SubscriptionOptions(rawValue: entry.options)
            return !options.isInstance && !self.standings[Int(entry.subscriber.rawValue)].rights.mayReceive(topic)
        }
    }

    private func mayServe(_ member: SubscriptionTree.Entry, _ kind: Route.Kind) -> Bool {
        guard self.restricts, case .request(let name, _) = kind else { return true }
        return self.standings[Int(member.subscriber.rawValue)].rights.mayServe(name)
    }

    private mutating func kind(ofTopic topic: String) -> Route.Kind {
        if topic.utf8.first == UInt8(ascii: "$") {
            let isBrokers = ["$SYS/", "$share/", "$CONTROL/"].contains { topic.utf8.starts(with: $0.utf8) }
            return isBrokers ? .forbidden : .plain
        }
        return self.callKind(ofTopic: topic)
    }
}
