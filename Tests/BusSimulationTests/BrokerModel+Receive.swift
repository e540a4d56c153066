import BusCore
import BusSession
import BusWire

/// What each packet of a client has to lead to.
extension BrokerModel {
    func receive(_ packet: Packet, on connection: ModelConnection) {
        guard let session = connection.session else {
            if connection.pendingConnect != nil {
                connection.deferred.append(packet)
                return
            }
            guard case .connect(let connect) = packet else {
                self.fail("a simulated client sent \(packet.type) before CONNECT")
                return
            }
            if self.authenticates {
                connection.version = connect.version
                connection.pendingConnect = connect
            } else {
                self.connect(connect, on: connection)
            }
            return
        }
        switch packet {
        case .publish(let publish): self.receive(publish, from: session, on: connection)
        case .pubAck(let value): self.receivePubAck(value.packetIdentifier, session)
        case .pubRec(let value): self.receivePubRec(value, session, on: connection)
        case .pubComp(let value): self.receivePubComp(value.packetIdentifier, session)
        case .pubRel(let value):
            let isKnown = session.unreleased.remove(value.packetIdentifier.rawValue) != nil
            let code = isKnown || connection.version != .v5 ? ReasonCode.success : .packetIdentifierNotFound
            connection.replies.append(.pubComp(value.packetIdentifier, code))
        case .subscribe(let subscribe): self.receive(subscribe, session, on: connection)
        case .unsubscribe(let unsubscribe):
            let codes = unsubscribe.filters.map { filter in
                session.subscriptions.removeValue(forKey: filter) == nil
                    ? ReasonCode.noSubscriptionExisted : .success
            }
            connection.replies.append(
                .unsubAck(unsubscribe.packetIdentifier, connection.version == .v5 ? codes : []))
        case .pingReq: connection.replies.append(.pingResp)
        case .disconnect(let disconnect):
            if let expiry = disconnect.properties.sessionExpiryInterval {
                session.expirySeconds = min(expiry, self.limits.session.sessionExpirySecondsMax)
            }
            if disconnect.reasonCode == .normalDisconnection { session.will = nil }
            self.end(connection, nil)
        case .connect, .connAck, .subAck, .unsubAck, .pingResp, .auth:
            self.fail("a simulated client sent \(packet.type)")
        }
    }

    private func receive(_ received: Publish, from session: ModelSession, on connection: ModelConnection) {
        var publish = received
        if let alias = received.topicAlias {
            if received.topicLength > 0 { connection.inboundAliases[alias] = received.topic }
            publish = received.replacingTopic(connection.inboundAliases[alias] ?? "")
        }
        if publish.qos == .exactlyOnce, let identifier = publish.packetIdentifier {
            guard session.unreleased.insert(identifier.rawValue).inserted else {
                connection.replies.append(.pubRec(identifier, .success))
                return
            }
        }
        let isMatched = self.distribute(publish, from: session)
        guard let identifier = publish.packetIdentifier else { return }
        let code = isMatched || connection.version != .v5 ? ReasonCode.success : .noMatchingSubscribers
        connection.replies.append(
            publish.qos == .exactlyOnce ? .pubRec(identifier, code) : .pubAck(identifier, code))
    }

    private func receivePubAck(_ identifier: PacketIdentifier, _ session: ModelSession) {
        guard let flight = session.flights[identifier.rawValue], flight.delivery.qos == .atLeastOnce else { return }
        session.flights[identifier.rawValue] = nil
    }

    private func receivePubRec(
        _ received: Acknowledgement, _ session: ModelSession, on connection: ModelConnection
    ) {
        let identifier = received.packetIdentifier
        if received.reasonCode.isError {
            // The client refused the message: the exchange is over ([MQTT-4.3.3-4]).
            let isPublished = session.flights[identifier.rawValue]?.phase == .published
            if isPublished { session.flights[identifier.rawValue] = nil }
            return
        }
        if let flight = session.flights[identifier.rawValue], flight.delivery.qos == .exactlyOnce {
            session.flights[identifier.rawValue]?.phase = .released
            connection.replies.append(.pubRel(identifier, .success))
            return
        }
        let code = connection.version == .v5 ? ReasonCode.packetIdentifierNotFound : .success
        connection.replies.append(.pubRel(identifier, code))
    }

    private func receivePubComp(_ identifier: PacketIdentifier, _ session: ModelSession) {
        guard session.flights[identifier.rawValue]?.phase == .released else { return }
        session.flights[identifier.rawValue] = nil
    }

    private func receive(_ subscribe: Subscribe, _ session: ModelSession, on connection: ModelConnection) {
        let identifier = subscribe.properties.subscriptionIdentifiers.first ?? 0
        var replayed: [(Subscription, ModelSubscription)] = []
        for wish in subscribe.subscriptions {
            let subscription = ModelSubscription(
                filter: wish.filter, qos: wish.maximumQoS, noLocal: wish.noLocal,
                retainAsPublished: wish.retainAsPublished, identifier: identifier)
            let old = session.subscriptions.updateValue(subscription, forKey: wish.filter)
            if wish.filter.hasPrefix("$share/") { session.memberships[wish.filter, default: []].append(subscription) }
            let isReplayed = wish.retainHandling == .sendOnSubscribe || wish.retainHandling == .sendIfNew && old == nil
            if isReplayed, !wish.filter.hasPrefix("$share/") { replayed.append((wish, subscription)) }
        }
        connection.replies.append(
            .subAck(
                subscribe.packetIdentifier,
                subscribe.subscriptions.map { ReasonCode(rawValue: $0.maximumQoS.rawValue) }))
        for (wish, subscription) in replayed {
            for (message, publisher) in self.retained.values
            where TopicPool.matches(wish.filter, message.topic) && message.expiresAt > self.now {
                if wish.noLocal, publisher == session.client { continue }
                var copy = subscription.copy(of: message)
                copy.isRetained = true
                session.replays[message.number, default: []].append((copy, self.arrivalCount))
            }
        }
    }
}
