import BusAccess
import BusSession
import BusTopics
import BusWire

/// What becomes a change in the store. Sessions that end with their connection, and QoS 0, cause none.
extension Broker {
    // MARK: Sessions

    /// The client of a session is there, under the terms of its CONNECT.
    ///
    /// - Parameter isNews: the session is new or took the place of another one that was stored, which the client may
    ///   hear only when the store has it.
    mutating func storeConnected(_ session: Int, on index: Int, isNews: Bool) {
        guard self.journal.isOn else { return }
        let isInMemory = self.durability.listenersInMemory.contains(self.connections[index].origin.listener)
        let isStored = self.sessions[session].expirySeconds > 0 && !isInMemory
        // Without room no new session is let in, and one that only gives something up need not wait.
        var commit = isNews && self.journal.hasRoom ? self.journal.openNumber : 0
        if isStored, !self.sessions[session].storage.isOn {
            self.beginStoring(session)
        } else if isStored {
            self.storeTerms(of: session, disconnectedAt: nil)
        } else {
            self.endStoring(session)
        }
        self.sessions[session].storage.takesPublishes = !isInMemory
        commit = max(commit, self.sessions[session].storage.knownAt)
        if commit > self.journal.committed { self.block(index, until: commit) }
    }

    private mutating func beginStoring(_ session: Int) {
        self.sessions[session].storage.number = self.journal.nextSession()
        self.sessions[session].storage.knownAt = self.journal.openNumber
        self.storeTerms(of: session, disconnectedAt: nil)
        // A session that was in memory until now; what waits in it stays there.
        for record in self.sessions[session].subscriptions.records { self.store(record, of: session) }
        for identifier in self.sessions[session].inbound.identifiers {
            self.storeReceived(identifier, in: session, isOver: false)
        }
    }

    mutating func storeTerms(of session: Int, disconnectedAt: Timestamp?) {
        guard self.sessions[session].storage.isOn else { return }
        let identity = self.standings[session].identity
        self.journal.add(
            .saveSession(
                StoredSession(
                    number: self.sessions[session].storage.number,
                    clientIdentifier: self.sessions[session].clientIdentifier,
                    expirySeconds: self.sessions[session].expirySeconds,
                    disconnectedAt: disconnectedAt.flatMap(self.journal.clock.milliseconds),
                    user: StoredIdentity.encode(user: identity.user, groups: identity.groups))))
    }

    /// The store forgets the session and all that is in it.
    mutating func endStoring(_ session: Int) {
        guard self.sessions[session].storage.isOn else { return }
        self.forgetExpired(in: session)
        for record in self.sessions[session].window.records { self.forget(record, of: session) }
        self.forgetStored(in: session) { _ in true }
        self.journal.add(.removeSession(number: self.sessions[session].storage.number))
        self.sessions[session].storage = SessionStorage()
    }

    // MARK: What a session remembers

    /// Notes a change that acknowledgements to the session's client may rest on.
    private mutating func change(_ session: Int, _ change: StoreChange) {
        self.sessions[session].storage.changedAt = self.journal.openNumber
        self.journal.add(change)
    }

    mutating func store(_ record: Session.SubscriptionRecord, of session: Int) {
        guard self.sessions[session].storage.isOn else { return }
        // Whether it makes its client an instance is seen from the filter.
        let subscription = StoredSubscription(
            filter: record.filter.string, options: record.options.rawValue & 0b11_1111, identifier: record.identifier)
        self.change(session, .saveSubscription(session: self.sessions[session].storage.number, subscription))
    }

    mutating func storeRemoval(of filter: TopicFilter, session: Int) {
        guard self.sessions[session].storage.isOn else { return }
        self.change(
            session,
            .removeSubscription(session: self.sessions[session].storage.number, filter: filter.string))
    }

    /// A QoS 2 message of the client came, or its exchange is over.
    mutating func storeReceived(_ identifier: PacketIdentifier, in session: Int, isOver: Bool) {
        guard self.sessions[session].storage.isOn else { return }
        let number = self.sessions[session].storage.number
        self.change(
            session,
            isOver
                ? .removeReceived(session: number, packetIdentifier: identifier.rawValue)
                : .saveReceived(session: number, packetIdentifier: identifier.rawValue))
    }

    // MARK: Deliveries

    /// Whether messages of a kind of topic are stored for those who need it.
    func stores(_ kind: Route.Kind, topic: String) -> Bool {
        // An instance is there as long as its connection is: after a restart it says so again.
        if case .instance = kind { return false }
        return !self.journal.isOn || self.durability.stores(topic: topic)
    }

    func stores(_ route: Route, from publisher: Int?) -> Bool {
        route.isStored && publisher.map { self.sessions[$0].storage.takesPublishes } ?? true
    }

    /// Offers a message to a stored session. One of QoS 1 goes at once; one of QoS 2 waits until the store has it and its
    /// identifier: sent earlier it could come twice after a crash.
    mutating func offerStored(_ message: OutgoingMessage, of emission: inout Emission, to session: Int) {
        if emission.contentNumber == 0 { emission.contentNumber = self.journal.nextMessage() }
        var message = message
        message.record = DeliveryRecord(
            order: self.sessions[session].storage.nextOrder(), message: emission.contentNumber)
        let connection = self.sessions[session].connection
        let canSend = connection.map { self.canWrite($0) } ?? false
        switch self.sessions[session].offer(message, canSend: canSend, limits: self.limits.session.queue) {
        case .send(let identifier):
            guard let connection, let identifier else {
                preconditionFailure("only messages above QoS 0 are stored, and only a session with a connection sends")
            }
            self.store(message, identifier, of: session)
            self.sendOrHold(message, identifier, to: session, on: connection, now: emission.now)
        case .queued:
            self.store(message, nil, of: session)
        case .replacedOldest:
            self.store(message, nil, of: session)
            self.statistics.droppedQueueFull += 1
        case .refused: self.statistics.droppedQueueFull += 1
        }
    }

    /// A retained message waits for a new subscription.
    mutating func storeReplay(_ message: inout OutgoingMessage, of session: Int) {
        guard self.journal.isOn, self.sessions[session].storage.isOn, message.qos > .atMostOnce,
            self.durability.stores(topic: message.publish.topic)
        else { return }
        message.record = DeliveryRecord(
            order: self.sessions[session].storage.nextOrder(), message: self.journal.nextMessage())
        self.store(message, nil, of: session)
    }

    private mutating func store(_ message: OutgoingMessage, _ identifier: PacketIdentifier?, of session: Int) {
        let record = message.record
        if !self.journal.isUsed(record.message) {
            self.journal.add(
                .saveMessage(
                    number: record.message,
                    StoredMessage(
                        packet: message.publish.storedPacket,
                        expiresAt: self.journal.clock.milliseconds(at: message.expiresAt))))
        }
        self.journal.use(record.message)
        self.journal.add(
            .saveDelivery(
                session: self.sessions[session].storage.number,
                StoredDelivery(
                    order: record.order, message: record.message, qos: message.qos.rawValue,
                    isRetained: message.isRetained, identifiers: message.subscriptionIdentifiers,
                    packetIdentifier: identifier?.rawValue ?? 0, phase: identifier == nil ? .queued : .published)))
    }

    /// A stored message that waited has got its identifier.
    mutating func sendStored(
        _ message: OutgoingMessage, _ identifier: PacketIdentifier, to session: Int, on index: Int, now: Timestamp
    ) {
        self.journal.add(
            .setDelivery(
                session: self.sessions[session].storage.number, order: message.record.order,
                message: message.record.message, packetIdentifier: identifier.rawValue, phase: .published))
        self.sendOrHold(message, identifier, to: session, on: index, now: now)
    }

    private mutating func sendOrHold(
        _ message: OutgoingMessage, _ identifier: PacketIdentifier, to session: Int, on index: Int, now: Timestamp
    ) {
        guard message.qos == .exactlyOnce else {
            self.send(message, identifier, on: index, now: now)
            return
        }
        self.sessions[session].window.wait(identifier, for: self.journal.openNumber)
        self.sessions[session].storage.held.append(identifier)
        self.wake(session)
    }

    /// Looks at the session again after the commit of the batch in hand.
    private mutating func wake(_ session: Int) {
        guard self.sessions[session].storage.wakesAt < self.journal.openNumber else { return }
        self.sessions[session].storage.wakesAt = self.journal.openNumber
        self.journal.wait(
            .session(session, generation: self.sessions.generation(of: session)), for: self.journal.openNumber)
    }

    /// The next QoS 2 message whose commit is done.
    mutating func nextHeld(_ session: Int) -> (OutgoingMessage, PacketIdentifier)? {
        while let identifier = self.sessions[session].storage.held.first {
            guard self.sessions[session].window.commit(of: identifier) <= self.journal.committed else { return nil }
            self.sessions[session].storage.held.removeFirst()
            // Its message may have been given up meanwhile.
            if let message = self.sessions[session].window.message(of: identifier) { return (message, identifier) }
        }
        return nil
    }

    /// The client has a QoS 2 message: PUBREL may go once the store knows that.
    mutating func storeRelease(of identifier: PacketIdentifier, _ record: DeliveryRecord, in session: Int) {
        self.journal.add(
            .setDelivery(
                session: self.sessions[session].storage.number, order: record.order,
                message: record.message, packetIdentifier: identifier.rawValue, phase: .released))
        self.sessions[session].window.wait(identifier, for: self.journal.openNumber)
        self.wake(session)
    }

    // MARK: What is over

    func storedRecord(of identifier: PacketIdentifier, in session: Int) -> DeliveryRecord {
        guard self.sessions[session].storage.isOn else { return DeliveryRecord() }
        return self.sessions[session].window.record(of: identifier)
    }

    /// A delivery is acknowledged to its end, or given up.
    mutating func forget(_ record: DeliveryRecord, of session: Int) {
        guard record.isStored else { return }
        self.journal.add(
            .removeDelivery(
                session: self.sessions[session].storage.number, order: record.order, message: record.message))
        self.journal.release(record.message)
    }

    mutating func forgetExpired(in session: Int) {
        guard !self.sessions[session].queue.expiredRecords.isEmpty else { return }
        let records = self.sessions[session].queue.expiredRecords
        self.sessions[session].queue.expiredRecords = []
        for record in records { self.forget(record, of: session) }
    }

    /// Messages that wait will be dropped.
    mutating func forgetStored(in session: Int, where isDropped: (OutgoingMessage) -> Bool) {
        guard self.sessions[session].storage.isOn else { return }
        for message in self.sessions[session].waitingMessages where isDropped(message) {
            self.forget(message.record, of: session)
        }
    }

    // MARK: Retained messages

    /// Keeps a message as the one of its topic; `false` where there is no room.
    mutating func retain(_ emission: inout Emission) -> Bool {
        let publisher = emission.publisher
        let message = RetainedMessage(
            publish: emission.stored(), expiresAt: emission.expiresAt,
            publisher: publisher.map { self.standings[$0].identity })
        guard emission.isStored else { return self.retained.store(message, limits: self.limits) }
        if !self.journal.hasRoom, !self.waits(publisher, emission.publish) { return false }
        let before = self.retained.count
        guard self.retained.store(message, limits: self.limits) else { return false }
        if message.publish.payloadLength == 0 {
            if self.retained.count < before { self.storeRemoval(ofRetained: message.publish.topic) }
        } else {
            self.store(retained: message)
        }
        return true
    }

    /// Whether the publisher of a message can only be made to wait for room in the store, for it speaks 3.x.
    func waits(_ publisher: Int?, _ publish: Publish) -> Bool {
        guard publish.qos > .atMostOnce, let index = publisher.flatMap({ self.sessions[$0].connection }) else {
            return false
        }
        return !self.connections[index].isSpeakingV5
    }

    private mutating func store(retained message: RetainedMessage) {
        self.journal.add(
            .saveRetained(
                topic: message.publish.topic,
                StoredMessage(
                    packet: message.publish.storedPacket,
                    expiresAt: self.journal.clock.milliseconds(at: message.expiresAt)),
                publisher: message.publisher.map(StoredIdentity.encode) ?? ""))
    }

    mutating func storeRemoval(ofRetained topic: String) {
        guard self.journal.isOn else { return }
        self.journal.add(.removeRetained(topic: topic))
    }
}
