import BusAccess
import BusContract
import BusSession
import BusTopics
import BusWire

extension Broker {
    mutating func subscribe(_ subscribe: Subscribe, on index: Int, now: Timestamp) {
        let session = self.connections[index].session
        let identifier = subscribe.properties.subscriptionIdentifiers.first ?? 0
        var codes: [ReasonCode] = []
        var accepted: [(record: Session.SubscriptionRecord, isNew: Bool)] = []
        for subscription in subscribe.subscriptions {
            switch self.makeRecord(of: subscription, identifier: identifier, session: session) {
            case .failure(let violation) where violation.reasonCode == .protocolError:
                self.end(index, .violation(violation.reasonCode, violation.message), now: now)
                return
            case .failure(let violation):
                codes.append(self.connections[index].isSpeakingV5 ? violation.reasonCode : .unspecifiedError)
            case .success(let record):
                let isNew = self.addSubscription(record, session: session, now: now)
                accepted.append((record, isNew))
                codes.append(ReasonCode(rawValue: record.options.maximumQoS.rawValue))
            }
        }
        self.acknowledge(
            .subAck(SubAck(packetIdentifier: subscribe.packetIdentifier, reasonCodes: codes, properties: [])),
            on: index, after: self.sessions[session].storage.changedAt)
        for (record, isNew) in accepted { self.sendRetained(for: record, isNew: isNew, to: session, now: now) }
        self.performCallEffects(now: now)
    }

    mutating func unsubscribe(_ unsubscribe: Unsubscribe, on index: Int, now: Timestamp) {
        let session = self.connections[index].session
        let codes = unsubscribe.filters.map { filter in
            guard let key = try? TopicFilter(filter, limits: self.limits.topics),
                let record = self.sessions[session].subscriptions.remove(key)
            else {
                return ReasonCode.noSubscriptionExisted
            }
            self.removeSubscription(record, session: session, now: now)
            return .success
        }
        self.acknowledge(
            .unsubAck(
                UnsubAck(packetIdentifier: unsubscribe.packetIdentifier, reasonCodes: codes, properties: [])),
            on: index, after: self.sessions[session].storage.changedAt)
        self.performCallEffects(now: now)
    }

    /// Checks one line of a SUBSCRIBE. A `protocolError` ends the connection, any other failure only this line.
    private mutating func makeRecord(
        of subscription: Subscription, identifier: UInt32, session: Int
    ) -> Result<Session.SubscriptionRecord, ProtocolViolation> {
        let filter: TopicFilter
        do {
            filter = try TopicFilter(subscription.filter, limits: self.limits.topics)
        } catch {
            return .failure(ProtocolViolation(.topicFilterInvalid, error.message))
        }
        if !CallFilter.mayRead(filter, client: self.sessions[session].clientIdentifier) {
            return .failure(ProtocolViolation(.notAuthorized, "a client reads only its own answers"))
        }
        if !self.standings[session].rights.maySubscribe(filter) {
            self.statistics.deniedSubscriptions += 1
            self.events.append(
                .denied(
                    client: self.sessions[session].clientIdentifier, action: "subscribe", topic: subscription.filter))
            return .failure(ProtocolViolation(.notAuthorized, "no right to subscribe to \(subscription.filter)"))
        }
        if filter.isShared, subscription.noLocal {
            // [MQTT-3.8.3-4]
            return .failure(ProtocolViolation(.protocolError, "a shared subscription cannot be no-local"))
        }
        let isReplacing = self.sessions[session].subscriptions[filter] != nil
        if !isReplacing, !self.hasRoom(for: filter, session: session) {
            return .failure(ProtocolViolation(.quotaExceeded, "the client holds too many subscriptions"))
        }
        if !isReplacing, self.subscriptions.count + self.subscriptions.sharedCount >= self.limits.subscriptionsMax {
            return .failure(ProtocolViolation(.quotaExceeded, "the broker holds too many subscriptions"))
        }
        let options = SubscriptionOptions(subscription, isInstance: !filter.isShared && Self.servesCalls(filter))
        let record = Session.SubscriptionRecord(filter: filter, options: options, identifier: identifier)
        if self.needsRoomInStore(record, session: session) {
            return .failure(ProtocolViolation(.quotaExceeded, "the store has no room"))
        }
        return .success(record)
    }

    /// Returns whether the session had no such subscription before ([MQTT-3.8.4-3]).
    private mutating func addSubscription(
        _ record: Session.SubscriptionRecord, session: Int, now: Timestamp
    ) -> Bool {
        let old = self.sessions[session].subscriptions.insert(record)
        if old != record { self.store(record, of: session) }
        let subscriber = SubscriptionTree.Subscriber(rawValue: UInt32(session))
        let entry = SubscriptionTree.Entry(
            subscriber: subscriber, options: record.options.rawValue, identifier: record.identifier)
        _ = self.subscriptions.insert(record.filter, entry)
        if old == nil, CallFilter.isOfFunction(record.filter) { self.sessions[session].callSubscriptionCount += 1 }
        self.instanceArrived(record.filter, session: session, now: now)
        return old == nil
    }

    /// Whether the client may hold one more subscription. Those by which functions are served have a limit of their own.
    private func hasRoom(for filter: TopicFilter, session: Int) -> Bool {
        let limits = self.limits.session
        let ofCalls = self.sessions[session].callSubscriptionCount
        if CallFilter.isOfFunction(filter) { return ofCalls < limits.callSubscriptionsMax }
        return self.sessions[session].subscriptions.count - ofCalls < limits.subscriptionsMax
    }

    mutating func removeSubscription(_ record: Session.SubscriptionRecord, session: Int, now: Timestamp) {
        _ = self.subscriptions.remove(record.filter, SubscriptionTree.Subscriber(rawValue: UInt32(session)))
        if CallFilter.isOfFunction(record.filter) { self.sessions[session].callSubscriptionCount -= 1 }
        self.storeRemoval(of: record.filter, session: session)
        self.instanceLeft(record.filter, session: session, now: now)
    }

    private mutating func retainedMessages(for filter: TopicFilter, now: Timestamp) -> [RetainedMessage] {
        var found = self.system.matching(filter, limits: self.limits, now: now)
        found += self.retained.matching(filter, limits: self.limits, now: now)
        for topic in self.retained.takeExpired() { self.storeRemoval(ofRetained: topic) }
        return found
    }

    /// Whoever could not publish it now, or could not read it, is not the source of it, or does not get it (S04).
    private func maySendRetained(_ message: RetainedMessage, to session: Int) -> Bool {
        let topic = message.publish.topic
        guard self.standings[session].rights.mayReceive(topic) else { return false }
        guard let publisher = message.publisher else { return true }
        return self.policy.rights(of: publisher).mayPublish(topic)
    }

    /// Retained messages for a subscription just made, as its retain handling wishes ([MQTT-3.3.1-9] to
    /// [MQTT-3.3.1-11]); never for a shared one.
    private mutating func sendRetained(
        for record: Session.SubscriptionRecord, isNew: Bool, to session: Int, now: Timestamp
    ) {
        guard !record.filter.isShared else { return }
        switch record.options.retainHandling {
        case .doNotSend: return
        case .sendIfNew where !isNew: return
        case .sendIfNew, .sendOnSubscribe: break
        }
        guard self.pressure < .shedsQoS0 else { return }
        let client = ClientIdentifier(self.sessions[session].clientIdentifier)
        for message in self.retainedMessages(for: record.filter, now: now) {
            if record.options.noLocal, message.isPublished(by: client) { continue }
            if self.restricts, !self.maySendRetained(message, to: session) { continue }
            guard self.sessions[session].replay.count < self.limits.retainedMessagesMax else {
                // One subscription to everything fits; a client that takes nothing and asks again and again does not.
                self.statistics.droppedQueueFull += 1
                continue
            }
            var outgoing = OutgoingMessage(
                message.publish, qos: min(message.publish.qos, record.options.maximumQoS), isRetained: true,
                subscriptionIdentifiers: record.identifier == 0 ? [] : [record.identifier],
                expiresAt: message.expiresAt)
            self.storeReplay(&outgoing, of: session)
            self.sessions[session].replay.append(outgoing)
        }
        self.drain(session, now: now)
    }
}
