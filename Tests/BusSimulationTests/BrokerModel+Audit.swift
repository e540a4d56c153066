import BusCore
import BusSession
import BusWire

/// What the broker sends, held against what it has to send.
extension BrokerModel {
    /// - Returns: for a PUBLISH above QoS 0 the identity of the delivery it carries, the same each time it is sent.
    func audit(_ packet: Packet, byteCount: Int, on identifier: ConnectionIdentifier) -> Int? {
        guard let connection = self.connections[identifier] else {
            self.fail("\(packet.type) went to a connection that is gone")
            return nil
        }
        if byteCount > connection.packetBytesMax {
            self.fail("a packet of \(byteCount) bytes went to a client that takes \(connection.packetBytesMax)")
        }
        if case .publish(let publish) = packet { return self.audit(publish, on: connection) }
        guard let reply = ModelConnection.Reply(packet) else {
            self.fail("a broker does not send \(packet.type)")
            return nil
        }
        if connection.replies.first == reply {
            connection.replies.removeFirst()
        } else if case .pubRel(let identifier, .success) = reply {
            self.auditResumed(release: identifier, on: connection)
        } else {
            self.fail("\(reply) instead of \(connection.replies.first.map { "\($0)" } ?? "nothing")")
        }
        return nil
    }

    /// After an input and its outputs: everything that was asked for has been said, and only that was ended.
    func auditSettled() {
        for connection in self.connections.values where !connection.replies.isEmpty {
            self.fail("\(connection.replies) were not sent to \(connection.session?.client ?? "nobody")")
        }
        if let identifier = self.closing.first { self.fail("\(identifier) was not closed") }
    }

    func auditClosed(_ identifier: ConnectionIdentifier) {
        if self.closing.remove(identifier) == nil { self.fail("\(identifier) was closed without reason") }
    }

    // MARK: PUBLISH

    private func audit(_ publish: Publish, on connection: ModelConnection) -> Int? {
        guard let session = connection.session else {
            self.fail("PUBLISH went to a client that is not connected")
            return nil
        }
        guard let topic = self.topic(of: publish, on: connection) else { return nil }
        guard let identifier = publish.packetIdentifier else {
            guard let delivery = self.take(publish, topic: topic, for: session) else { return nil }
            self.auditExpiry(publish, delivery, connection)
            return nil
        }
        if publish.isDuplicate {
            return self.auditResumed(publish, identifier, topic: topic, on: connection)
        }
        let place = "\(publish.payload) on \(topic) as \(identifier.rawValue) to \(session.client)"
        if session.flights[identifier.rawValue] != nil { self.fail("the identifier is in use: \(place)") }
        if session.flights.values.contains(where: { !$0.isOnWire }) {
            self.fail("sent before what had to be sent again [MQTT-4.4.0-1]: \(place)")
        }
        guard var delivery = self.take(publish, topic: topic, for: session) else { return nil }
        self.auditExpiry(publish, delivery, connection)
        delivery.identity = self.sent.count
        self.sent.append((session, delivery.qos))
        session.lastOrder += 1
        session.flights[identifier.rawValue] = ModelSession.Flight(delivery: delivery, order: session.lastOrder)
        self.auditWindow(session, connection)
        return delivery.identity
    }

    private func auditWindow(_ session: ModelSession, _ connection: ModelConnection) {
        let count = session.flights.values.count(where: \.isOnWire)
        if count > connection.receiveMaximum {
            self.fail("\(count) messages under way to \(session.client), which takes \(connection.receiveMaximum)")
        }
    }

    private func topic(of publish: Publish, on connection: ModelConnection) -> String? {
        guard let alias = publish.topicAlias else { return publish.topic }
        if alias > connection.outboundAliasMaximum { self.fail("topic alias \(alias) [MQTT-3.1.2-26]") }
        if publish.topicLength > 0 { connection.outboundAliases[alias] = publish.topic }
        if let topic = connection.outboundAliases[alias] { return topic }
        self.fail("topic alias \(alias) was never set")
        return nil
    }

    private func auditExpiry(_ publish: Publish, _ delivery: Delivery, _ connection: ModelConnection) {
        guard connection.version == .v5 else { return }
        let left = delivery.expiresAt == .never ? nil : delivery.expiresAt.secondsLeft(at: self.now)
        if publish.messageExpiryInterval != left {
            self.fail("\(publish.payload) says it expires in \(publish.messageExpiryInterval ?? 0) s, not \(left ?? 0)")
        }
    }

    // MARK: What a resumed session sends again

    private func auditResumed(
        _ publish: Publish, _ identifier: PacketIdentifier, topic: String, on connection: ModelConnection
    ) -> Int? {
        guard let session = connection.session, let flight = session.flights[identifier.rawValue],
            flight.phase == .published, flight.delivery.topic == topic, flight.delivery.qos == publish.qos,
            flight.delivery.number == Payload.number(of: publish.payload)
        else {
            self.fail("\(publish.payload) was sent again as \(identifier.rawValue) and is not under way")
            return nil
        }
        self.resume(flight, identifier, session, on: connection)
        return flight.delivery.identity
    }

    private func auditResumed(release identifier: PacketIdentifier, on connection: ModelConnection) {
        guard let session = connection.session, let flight = session.flights[identifier.rawValue],
            flight.phase == .released
        else {
            self.fail("PUBREL \(identifier.rawValue) was not asked for")
            return
        }
        self.resume(flight, identifier, session, on: connection)
    }

    private func resume(
        _ flight: ModelSession.Flight, _ identifier: PacketIdentifier, _ session: ModelSession,
        on connection: ModelConnection
    ) {
        if flight.isOnWire { self.fail("\(identifier.rawValue) was sent twice on one connection [MQTT-4.4.0-1]") }
        if flight.order <= connection.lastResumedOrder { self.fail("sent again out of order [MQTT-4.6.0-1]") }
        connection.lastResumedOrder = flight.order
        session.flights[identifier.rawValue]?.isOnWire = true
        self.auditWindow(session, connection)
    }

    // MARK: Deliveries

    /// Copies of QoS 1 and 2 that were owed, did not go out, and had no excuse not to.
    func lost() -> [Delivery] {
        var lost: [Delivery] = []
        for group in self.groupDeliveries.values.joined() where group.receiver == nil && !group.mayBeLost {
            let isElsewhere = group.members.contains { member in
                group.delivery(to: member.session).map { self.spare($0, for: member.session) } ?? false
            }
            if !isElsewhere { lost.append(group.message) }
        }
        for session in self.sessions.values { lost += session.lost.filter { !self.spare($0, for: session) } }
        return lost
    }

    /// Whether the session got the same copy from a group that may have lost it: then it was this one that came.
    private func spare(_ delivery: Delivery, for session: ModelSession) -> Bool {
        let group = self.groupDeliveries[delivery.number]?.first {
            $0.receiver === session && $0.mayBeLost && $0.delivery(to: session, if: delivery.isSame) != nil
        }
        group?.receiver = nil
        return group != nil
    }

    /// Finds the copy that a PUBLISH carries, which is then no longer owed.
    private func take(_ publish: Publish, topic: String, for session: ModelSession) -> Delivery? {
        let number = Payload.number(of: publish.payload)
        if number == 0 { return self.takeEmpty(publish, topic: topic) }
        let isSame = { (delivery: Delivery) in delivery.isSame(as: publish, topic: topic, now: self.now) }
        if let index = session.replays[number]?.firstIndex(where: { isSame($0.delivery) }),
            let (delivery, since) = session.replays[number]?.remove(at: index)
        {
            if session.lastOnTopic[topic, default: 0] > since {
                self.fail("retained \(number) of \(topic) came after newer messages")
            }
            return delivery
        }
        if let index = session.pending[number]?.firstIndex(where: isSame),
            let delivery = session.pending[number]?.remove(at: index)
        {
            self.keepOrder(delivery, session)
            return delivery
        }
        if let delivery = self.takeShared(number, for: session, isSame) {
            self.keepOrder(delivery, session)
            return delivery
        }
        let owed = (session.pending[number] ?? []).map(\.summary)
        let others = (self.groupDeliveries[number] ?? [])
            .filter { $0.receiver == nil }.compactMap { $0.delivery(to: session)?.summary }
        self.fail("\(session.client) is not owed \(Packet.publish(publish).summary), but \(owed) and \(others)")
        return nil
    }

    /// Messages without a payload carry no number: all that can be said is that there was one.
    private func takeEmpty(_ publish: Publish, topic: String) -> Delivery? {
        guard let message = self.cleared[topic] else {
            self.fail("nobody has published an empty message on \(topic)")
            return nil
        }
        var delivery = message
        delivery.qos = publish.qos
        return delivery
    }

    private func keepOrder(_ delivery: Delivery, _ session: ModelSession) {
        // What its publisher sent again is there more than once, and its copies cannot be told apart.
        guard !self.repeated.contains(delivery.number) else { return }
        let lane = ModelSession.Lane(
            publisher: delivery.publisher, topic: delivery.topic, isQoS0: delivery.qos == .atMostOnce)
        if session.lastArrivals[lane, default: 0] > delivery.arrival {
            self.fail("\(delivery.number) of \(delivery.topic) came after a later one to \(session.client)")
        }
        session.lastArrivals[lane] = delivery.arrival
        session.lastOnTopic[delivery.topic] = max(session.lastOnTopic[delivery.topic, default: 0], delivery.arrival)
    }
}
