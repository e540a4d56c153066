import BusCore
import BusSession
import BusWire
import NIOCore

/// The broker as the specification tells it, with plain tables and no thought of speed.
///
/// It takes the same inputs as the broker, works out what has to follow, and then audits every packet that the broker
/// sends: nothing that is not owed, nothing twice, nothing out of order, nothing above a limit. The first thing that
/// does not hold is kept in `problem`.
final class BrokerModel {
    let limits: BrokerLimits
    let authenticates: Bool
    var now = Timestamp(nanoseconds: 0)
    var connections: [ConnectionIdentifier: ModelConnection] = [:]
    var sessions: [String: ModelSession] = [:]
    var retained: [String: (message: Delivery, publisher: String)] = [:]
    /// By message number.
    var groupDeliveries: [Int: [GroupDelivery]] = [:]
    /// Messages that came more than once, for their publisher sent them again.
    var repeated: Set<Int> = []
    /// The newest empty message of each topic that had one.
    var cleared: [String: Delivery] = [:]
    /// Connections that the broker has to end in the input at hand.
    var closing: Set<ConnectionIdentifier> = []
    /// Copies that were sent for the first time, by identity, with their session.
    var sent: [(session: ModelSession, qos: QoS)] = []
    private var arrived: Set<Int> = []
    private var arrivals = 0
    private var epochs = 0
    private(set) var problem: String?

    init(_ terms: Terms) {
        self.limits = terms.limits
        self.authenticates = terms.authenticates
    }

    func fail(_ problem: String) {
        if self.problem == nil { self.problem = problem }
    }

    var arrivalCount: Int { self.arrivals }

    // MARK: Inputs

    func open(_ identifier: ConnectionIdentifier) {
        self.connections[identifier] = ModelConnection(identifier, now: self.now)
    }

    func receive(_ packets: [Packet], from identifier: ConnectionIdentifier) {
        guard let connection = self.connections[identifier] else { return }
        if connection.phase != .closed { connection.lastReceived = self.now }
        for packet in packets where connection.phase != .closed { self.receive(packet, on: connection) }
    }

    /// Somebody has found out who the client is.
    func authenticated(_ identifier: ConnectionIdentifier, isAccepted: Bool) {
        guard let connection = self.connections[identifier], let connect = connection.pendingConnect,
            connection.phase == .awaitingConnect
        else { return }
        connection.pendingConnect = nil
        guard isAccepted else {
            connection.phase = .closed
            self.closing.insert(identifier)
            connection.replies.append(.connAck(.notAuthorized, isPresent: false))
            return
        }
        self.connect(connect, on: connection)
        for packet in connection.deferred where connection.phase != .closed { self.receive(packet, on: connection) }
        connection.deferred = []
    }

    /// The network connection is gone.
    func close(_ identifier: ConnectionIdentifier) {
        guard let connection = self.connections.removeValue(forKey: identifier) else { return }
        if connection.phase == .connected {
            connection.phase = .closed
            self.detach(connection)
        }
        connection.replies = []
    }

    // MARK: Time

    /// When something has to happen next.
    var nextDue: Timestamp {
        let connections = self.connections.values.map { min(self.keepAliveDue($0), self.connectDue($0)) }
        let sessions = self.sessions.values.map { min($0.willDueAt, $0.expiresAt) }
        return min(connections.min() ?? .never, sessions.min() ?? .never)
    }

    func advance() {
        while self.nextDue <= self.now {
            let due = self.nextDue
            if let connection = self.connections.values.first(where: { self.keepAliveDue($0) == due }) {
                self.lookAtSilence(of: connection)
            } else if let connection = self.connections.values.first(where: { self.connectDue($0) == due }) {
                connection.phase = .closed
                self.closing.insert(connection.identifier)
            } else if let session = self.sessions.values.first(where: { $0.willDueAt == due }) {
                self.publishWill(of: session)
            } else if let session = self.sessions.values.first(where: { $0.expiresAt == due }) {
                self.endSession(session)
            }
        }
    }

    private func keepAliveDue(_ connection: ModelConnection) -> Timestamp {
        connection.phase == .connected ? connection.keepAliveDue : .never
    }

    private func lookAtSilence(of connection: ModelConnection) {
        if self.now.nanoseconds(since: connection.lastReceived) >= connection.keepAliveNanoseconds {
            self.end(connection, .keepAliveTimeout)
        } else {
            connection.armKeepAlive(since: connection.lastReceived)
        }
    }

    private func connectDue(_ connection: ModelConnection) -> Timestamp {
        guard connection.phase == .awaitingConnect, connection.pendingConnect == nil else { return .never }
        return connection.openedAt.adding(seconds: self.limits.connectTimeoutSeconds)
    }

    // MARK: Connections and sessions

    func connect(_ connect: Connect, on connection: ModelConnection) {
        let client = connect.clientIdentifier
        if let known = self.sessions[client] {
            if let other = known.connection.flatMap({ self.connections[$0] }) {
                if connect.cleanStart { known.expirySeconds = 0 }
                self.end(other, .sessionTakenOver)
            } else if connect.cleanStart {
                self.endSession(known)
            }
        }
        let isPresent = self.sessions[client] != nil
        let session = self.sessions[client] ?? self.makeSession(client)
        session.willDueAt = .never
        session.expiresAt = .never
        session.will = connect.will
        session.connection = connection.identifier
        let properties = connect.properties
        let wished = connect.version == .v5 ? properties.sessionExpiryInterval ?? 0 : connect.cleanStart ? 0 : .max
        session.expirySeconds = min(wished, self.limits.session.sessionExpirySecondsMax)
        session.takesOnlySmallPackets = properties.maximumPacketSize != nil
        for identifier in session.flights.keys { session.flights[identifier]?.isOnWire = false }

        connection.phase = .connected
        connection.version = connect.version
        connection.session = session
        connection.receiveMaximum = min(
            properties.receiveMaximum.map(Int.init) ?? 65535, self.limits.session.receiveMaximumOut)
        connection.packetBytesMax = properties.maximumPacketSize.map(Int.init) ?? .max
        connection.outboundAliasMaximum = properties.topicAliasMaximum ?? 0
        let cap = self.limits.session.keepAliveSecondsMax
        let capped = connect.keepAliveSeconds == 0 ? cap : min(cap, connect.keepAliveSeconds)
        let keepAlive = connect.version == .v5 ? capped : connect.keepAliveSeconds
        connection.keepAliveNanoseconds = UInt64(keepAlive) * 1_500_000_000
        connection.armKeepAlive(since: self.now)
        connection.replies.append(.connAck(.success, isPresent: isPresent))
    }

    private func makeSession(_ client: String) -> ModelSession {
        self.epochs += 1
        let session = ModelSession(client: client, epoch: self.epochs)
        self.sessions[client] = session
        return session
    }

    /// The broker ends the connection, and says why to those who understand it.
    func end(_ connection: ModelConnection, _ code: ReasonCode?) {
        connection.phase = .closed
        self.closing.insert(connection.identifier)
        if let code, connection.version == .v5 { connection.replies.append(.disconnect(code)) }
        self.detach(connection)
    }

    private func detach(_ connection: ModelConnection) {
        guard let session = connection.session, session.connection == connection.identifier else { return }
        session.connection = nil
        let ends = session.expirySeconds == 0
        if let will = session.will {
            let delay = will.properties.willDelayInterval ?? 0
            if delay == 0 || ends {
                self.publishWill(of: session)
            } else {
                session.willDueAt = min(self.now.adding(seconds: UInt64(delay)), session.expiry(from: self.now))
            }
        }
        if ends { self.endSession(session) } else { session.expiresAt = session.expiry(from: self.now) }
    }

    func endSession(_ session: ModelSession) {
        self.publishWill(of: session)
        session.isEnded = true
        session.expiresAt = .never
        self.sessions[session.client] = nil
    }

    private func publishWill(of session: ModelSession) {
        guard let will = session.will else { return }
        session.will = nil
        session.willDueAt = .never
        self.distribute(
            Publish(topic: will.topic, qos: will.qos, isRetained: will.isRetained, payload: will.payload),
            from: session)
    }

    // MARK: Messages

    /// Works out who is owed a copy. Returns whether anyone has subscribed.
    @discardableResult
    func distribute(_ publish: Publish, from publisher: ModelSession) -> Bool {
        self.arrivals += 1
        let expiry = publish.messageExpiryInterval.map { self.now.adding(seconds: UInt64($0)) }
        let message = Delivery(
            arrival: self.arrivals, number: Payload.number(of: publish.payload), publisher: publisher.client,
            topic: publish.topic, qos: publish.qos, isRetained: publish.isRetained, subscriptionIdentifiers: [],
            expiresAt: expiry ?? .never, isLarge: publish.payloadLength > Payload.smallBytesMax)
        if publish.isRetained {
            self.retained[message.topic] = publish.payloadLength == 0 ? nil : (message, publisher.client)
        }
        if message.number == 0 { self.cleared[message.topic] = message }
        if !self.arrived.insert(message.number).inserted { self.repeated.insert(message.number) }
        var isMatched = false
        var groups: [String: [(session: ModelSession, subscription: ModelSubscription)]] = [:]
        for session in self.sessions.values {
            var own: [ModelSubscription] = []
            for subscription in session.subscriptions.values
            where TopicPool.matches(subscription.filter, message.topic) {
                isMatched = true
                if subscription.filter.hasPrefix("$share/") {
                    groups[subscription.filter, default: []].append((session, subscription))
                } else {
                    own.append(subscription)
                }
            }
            self.owe(message, to: session, own, from: publisher)
        }
        guard message.number > 0 else { return isMatched }
        for (group, members) in groups {
            self.groupDeliveries[message.number, default: []].append(
                GroupDelivery(group: group, message: message, members: members))
        }
        return isMatched
    }

    /// Overlapping subscriptions give one copy, at their highest QoS and with all their identifiers.
    private func owe(
        _ message: Delivery, to session: ModelSession, _ subscriptions: [ModelSubscription],
        from publisher: ModelSession
    ) {
        let subscriptions = session === publisher ? subscriptions.filter { !$0.noLocal } : subscriptions
        guard !subscriptions.isEmpty, message.number > 0 else { return }
        var copy = message
        copy.qos = min(message.qos, subscriptions.map(\.qos).max() ?? .atMostOnce)
        copy.isRetained = message.isRetained && subscriptions.contains(where: \.retainAsPublished)
        copy.subscriptionIdentifiers = subscriptions.map(\.identifier).filter { $0 > 0 }.sorted()
        if copy.qos == .atMostOnce, session.connection == nil { return }
        session.pending[message.number, default: []].append(copy)
    }
}
