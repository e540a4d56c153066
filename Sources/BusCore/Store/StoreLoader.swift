import BusAccess
import BusCalls
import BusContract
package import BusSession
import BusTopics
import BusWire
import NIOCore

/// Makes what a store holds the state of a broker that has no clients yet.
///
/// Records come in the order of `StoredRecord`'s cases, deliveries by session and order. One that names a session or a
/// message that is not there is left out.
package struct StoreLoader: ~Copyable {
    private let now: Timestamp
    private var sessions: [UInt64: Int] = [:]
    private var pages = PacketPages()
    /// Sessions whose clients were connected when the last process ended.
    private var interrupted: [Int] = []
    private var strayCount = 0
    /// Records that could not be read or belong to nothing.
    package var skippedCount: Int {
        mutating get {
            self.pages.finishPage()
            return self.strayCount + self.pages.unreadableCount
        }
    }

    package init(now: Timestamp) {
        self.now = now
    }

    package mutating func take(_ record: StoredRecord, into broker: inout Broker) {
        switch record {
        case .session(let session): self.take(session, into: &broker)
        case .subscription(let number, let subscription):
            guard let session = self.sessions[number] else { return self.skip() }
            self.take(subscription, of: session, into: &broker)
        case .message(let number, let message):
            broker.journal.restored(message: number)
            self.pages.append(
                message.packet, number: number, expiresAt: broker.journal.clock.instant(of: message.expiresAt))
        case .delivery(let number, let delivery):
            guard let session = self.sessions[number] else { return self.skip() }
            self.take(delivery, of: session, into: &broker)
        case .received(let number, let identifier):
            guard let session = self.sessions[number], let identifier = PacketIdentifier(rawValue: identifier) else {
                return self.skip()
            }
            broker.sessions[session].inbound.restore(identifier)
        case .retained(let topic, let message, let publisher):
            self.take(retained: message, on: topic, publisher: publisher, into: &broker)
        case .task(let task):
            if !broker.restore(task, now: self.now) { self.skip() }
        }
    }

    /// Everything was taken: what nobody needs is removed, and the time that has gone by counts.
    package consuming func finish(into broker: inout Broker) {
        self.pages.finishPage()
        for number in self.pages.numbers where !broker.journal.isUsed(number) {
            broker.journal.add(.removeMessage(number: number))
        }
        for session in self.interrupted { broker.storeTerms(of: session, disconnectedAt: self.now) }
        broker.advanceCalls(now: self.now)
    }

    private mutating func skip() {
        self.strayCount += 1
    }

    // MARK: Sessions

    private mutating func take(_ stored: StoredSession, into broker: inout Broker) {
        broker.journal.restored(session: stored.number)
        let client = ClientIdentifier(stored.clientIdentifier)
        guard broker.sessionOfClient[client] == nil else { return self.skip() }
        var session = Session(clientIdentifier: stored.clientIdentifier, limits: broker.limits.session)
        session.storage.number = stored.number
        session.expirySeconds = stored.expirySeconds
        let left = stored.disconnectedAt.map { broker.journal.clock.instant(of: $0) } ?? self.now
        // A clock that was set back since then must not make a session last longer.
        session.expiresAt = session.expiry(from: min(left, self.now))
        let place = broker.sessions.insert(session)
        broker.sessionOfClient[client] = place
        self.sessions[stored.number] = place
        if stored.disconnectedAt == nil { self.interrupted.append(place) }
        let (user, groups) = StoredIdentity.decodeUser(stored.user)
        let identity = Identity(user: user, clientIdentifier: stored.clientIdentifier, groups: groups)
        broker.setStanding(Standing(identity: identity, rights: broker.policy.rights(of: identity)), of: place)
        broker.timers.arm(broker.timerEntry(.sessionExpiry, session: place, due: session.expiresAt))
    }

    private mutating func take(_ stored: StoredSubscription, of session: Int, into broker: inout Broker) {
        guard let filter = try? TopicFilter(stored.filter, limits: .unlimited) else { return self.skip() }
        var options = SubscriptionOptions(rawValue: stored.options)
        if !filter.isShared, Broker.servesCalls(filter) { options.markInstance() }
        let record = Session.SubscriptionRecord(filter: filter, options: options, identifier: stored.identifier)
        _ = broker.sessions[session].subscriptions.insert(record)
        if CallFilter.isOfFunction(filter) { broker.sessions[session].callSubscriptionCount += 1 }
        let entry = SubscriptionTree.Entry(
            subscriber: SubscriptionTree.Subscriber(rawValue: UInt32(session)), options: options.rawValue,
            identifier: stored.identifier)
        _ = broker.subscriptions.insert(filter, entry)
    }

    private mutating func take(_ stored: StoredDelivery, of session: Int, into broker: inout Broker) {
        broker.sessions[session].storage.restored(order: stored.order)
        guard let content = self.pages[stored.message], let qos = QoS(rawValue: stored.qos) else {
            return self.skip()
        }
        var message = OutgoingMessage(
            content.publish, qos: qos, isRetained: stored.isRetained, subscriptionIdentifiers: stored.identifiers,
            expiresAt: content.expiresAt)
        message.record = DeliveryRecord(order: stored.order, message: stored.message)
        broker.journal.use(stored.message)
        if stored.phase != .queued, let identifier = PacketIdentifier(rawValue: stored.packetIdentifier),
            broker.sessions[session].window.restore(message, as: identifier, isReleased: stored.phase == .released)
        {
            return
        }
        // What was accepted once stays, whatever the limits are now.
        _ = broker.sessions[session].queue.append(
            message, limits: MessageQueue.Limits(messagesMax: .max, bytesMax: .max))
    }

    // MARK: Retained messages

    private mutating func take(
        retained stored: StoredMessage, on topic: String, publisher: String, into broker: inout Broker
    ) {
        guard let publish = Publish(storedPacket: stored.packet) else { return self.skip() }
        let expiresAt = broker.journal.clock.instant(of: stored.expiresAt)
        guard expiresAt > self.now else {
            broker.storeRemoval(ofRetained: topic)
            return
        }
        var limits = broker.limits
        limits.retainedMessagesMax = .max
        limits.retainedBytesMax = .max
        limits.topics = .unlimited
        let message = RetainedMessage(
            publish: publish, expiresAt: expiresAt, publisher: StoredIdentity.decode(publisher))
        _ = broker.retained.store(message, limits: limits)
        // A catalog entry is one more thing that a retained message means.
        if case .catalog(let name) = broker.callKind(ofTopic: topic),
            let descriptor = try? FunctionDescriptor(parsing: String(buffer: publish.payload))
        {
            broker.calls.catalogChanged(
                name, descriptor, now: self.now.nanoseconds, effects: &broker.callEffects)
        }
    }
}

extension TopicLimits {
    /// What was accepted once is taken again, whatever the limits are now.
    fileprivate static var unlimited: TopicLimits {
        var limits = TopicLimits()
        limits.byteCountMax = .max
        limits.levelCountMax = .max
        return limits
    }
}
