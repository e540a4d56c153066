import BusAccess
import BusSession
import BusTopics
import BusWire
import NIOCore

/// The packet of the message in hand, encoded once for each version, to be copied to many recipients.
struct FanOutScratch: Sendable {
    var v3 = ByteBuffer()
    var v5 = ByteBuffer()

    mutating func clear() {
        self.v3.clear()
        self.v5.clear()
    }

    mutating func packet(of publish: Publish, version: ProtocolVersion) -> ByteBuffer {
        let delivery = PublishDelivery(qos: .atMostOnce)
        if version == .v5 {
            if self.v5.readableBytes == 0 { publish.write(delivery, version: version, into: &self.v5) }
            return self.v5
        }
        if self.v3.readableBytes == 0 { publish.write(delivery, version: version, into: &self.v3) }
        return self.v3
    }
}

/// A message on its way to its recipients.
struct Emission {
    let publish: Publish
    let publisher: Int?
    let expiresAt: Timestamp
    let isFanOut: Bool
    let now: Timestamp
    /// Seconds, where the message has waited already.
    private(set) var expiryLeft: UInt32?
    /// Its copies for stored sessions are stored.
    var isStored = false
    /// The number of its content in the store; 0 until somebody needs it there.
    var contentNumber: UInt64 = 0
    private var compact: Publish?

    init(_ publish: Publish, publisher: Int?, isFanOut: Bool, now: Timestamp) {
        self.publish = publish
        self.publisher = publisher
        self.isFanOut = isFanOut
        self.now = now
        self.expiresAt = publish.messageExpiryInterval.map { now.adding(seconds: UInt64($0)) } ?? .never
    }

    /// A message that was meant for a client whose session has ended.
    init(again message: OutgoingMessage, now: Timestamp) {
        self.publish = message.publish
        self.compact = message.publish
        self.publisher = nil
        self.isFanOut = false
        self.now = now
        self.expiresAt = message.expiresAt
        self.expiryLeft = message.expiresAt == .never ? nil : message.expiresAt.secondsLeft(at: now)
        self.isStored = message.record.isStored
    }

    /// The content in storage of its own: what is kept must not pin the 64 KiB that one read brought.
    mutating func stored() -> Publish {
        if let compact = self.compact { return compact }
        let compact = self.publish.compacted()
        self.compact = compact
        return compact
    }
}

/// How a message reaches its recipients.
extension Broker {
    /// Retains the message if it asks for that and gives everyone on the route a copy.
    @discardableResult
    mutating func distribute(
        _ publish: Publish, along route: Route, from publisher: Int?, now: Timestamp
    ) -> ReasonCode {
        var emission = Emission(publish, publisher: publisher, isFanOut: route.recipients.count > 1, now: now)
        if self.journal.isOn { emission.isStored = self.stores(route, from: publisher) }
        var code = ReasonCode.success
        if publish.isRetained, !self.retain(&emission) { code = .quotaExceeded }
        if emission.isFanOut { self.scratch.clear() }
        for recipient in route.recipients { self.deliver(&emission, to: recipient) }
        for group in route.groups { self.deliver(&emission, toMemberOf: group) }
        if route.isEmpty, code == .success { code = .noMatchingSubscribers }
        return code
    }

    mutating func deliver(
        _ emission: inout Emission, to recipient: Route.Recipient, of group: SubscriptionTree.GroupIdentifier? = nil
    ) {
        let session = recipient.session
        if emission.publisher == session {
            // [MQTT-3.8.3-3]
            if recipient.options.noLocal { return }
            if let own = recipient.own { return self.deliver(&emission, to: own.recipient(session), of: group) }
        }
        let qos = min(emission.publish.qos, recipient.options.maximumQoS)
        let isRetained = recipient.options.retainAsPublished && emission.publish.isRetained
        let connection = self.sessions[session].connection
        if qos == .atMostOnce, connection == nil { return }
        guard qos == .atMostOnce, let index = connection, !self.connections[index].isReplaying else {
            var message = OutgoingMessage(
                emission.stored(), qos: qos, isRetained: isRetained, subscriptionIdentifiers: recipient.identifiers,
                expiresAt: emission.expiresAt)
            message.group = group
            if emission.isStored, qos > .atMostOnce, self.sessions[session].storage.isOn {
                self.offerStored(message, of: &emission, to: session)
            } else {
                self.offer(message, to: session, now: emission.now)
            }
            return
        }
        guard self.canWrite(index) else {
            self.connections[index].droppedCount += 1
            self.statistics.droppedCongested += 1
            return
        }
        let version = self.connections[index].version
        let isPlain = !isRetained && recipient.identifiers.isEmpty
        if emission.isFanOut, isPlain, self.takesPlainPackets(index) {
            let packet = self.scratch.packet(of: emission.publish, version: version)
            self.list(index)
            self.connections[index].outbound.writeImmutableBuffer(packet)
            self.statistics.publishSent += 1
            return
        }
        let delivery = PublishDelivery(
            qos: .atMostOnce, isRetained: isRetained, subscriptionIdentifiers: recipient.identifiers,
            messageExpiryInterval: emission.expiryLeft)
        self.write(emission.publish, delivery, on: index)
    }

    // Asked of every copy: field by field, for a question to the whole connection would copy it.

    /// Whether QoS 0 messages and the queue may be written to a connection now.
    func canWrite(_ index: Int) -> Bool {
        !self.connections[index].isCongested
            && self.connections[index].outbound.readableBytes < self.limits.session.outboundBytesMax
    }

    /// Whether every client of its version would get the same packet of QoS 0.
    private func takesPlainPackets(_ index: Int) -> Bool {
        self.connections[index].maximumPacketSize == .max && self.connections[index].outboundAliases == nil
    }

    /// Sends a message to a session at once, or queues it there.
    mutating func offer(_ message: OutgoingMessage, to session: Int, now: Timestamp) {
        let connection = self.sessions[session].connection
        let canSend = connection.map { self.canWrite($0) } ?? false
        switch self.sessions[session].offer(message, canSend: canSend, limits: self.limits.session.queue) {
        case .send(let identifier):
            guard let connection else { preconditionFailure("only a session with a connection sends") }
            self.send(message, identifier, on: connection, now: now)
        case .queued: break
        case .replacedOldest, .refused: self.statistics.droppedQueueFull += 1
        }
    }

    /// Sends what waits in a session, as far as the client's window and its socket allow: first what a resumed session
    /// has to repeat, then retained messages of new subscriptions, then the queue.
    mutating func drain(_ session: Int, now: Timestamp) {
        guard self.sessions[session].hasWaiting, let index = self.sessions[session].connection else { return }
        while self.canWrite(index) {
            if let (message, identifier) = self.nextHeld(session) {
                self.send(message, identifier, on: index, now: now)
                continue
            }
            if let resumption = self.sessions[session].window.nextResumption(committed: self.journal.committed) {
                switch resumption {
                case .publish(let message, let identifier):
                    self.send(message, identifier, isDuplicate: true, on: index, now: now)
                case .release(let identifier):
                    self.acknowledge(.pubRel(Acknowledgement(packetIdentifier: identifier)), on: index, after: 0)
                }
                continue
            }
            // What is to be sent again goes before what is new.
            guard !self.sessions[session].window.hasResumptions else { break }
            let waiting = self.sessions[session].nextWaiting(now: now, expired: &self.statistics.droppedExpired)
            if self.sessions[session].storage.isOn { self.forgetExpired(in: session) }
            guard let waiting else { break }
            if let identifier = waiting.identifier, waiting.message.record.isStored,
                self.sessions[session].storage.isOn
            {
                self.sendStored(waiting.message, identifier, to: session, on: index, now: now)
            } else {
                self.send(waiting.message, waiting.identifier, on: index, now: now)
            }
        }
        self.connections[index].isReplaying =
            !self.sessions[session].replay.isEmpty || self.sessions[session].queue.hasQoS0
    }

    mutating func send(
        _ message: OutgoingMessage, _ identifier: PacketIdentifier?, isDuplicate: Bool = false, on index: Int,
        now: Timestamp
    ) {
        let expiry = message.expiresAt == .never ? nil : max(1, message.expiresAt.secondsLeft(at: now))
        let delivery = PublishDelivery(
            qos: message.qos, isRetained: message.isRetained, isDuplicate: isDuplicate, packetIdentifier: identifier,
            subscriptionIdentifiers: message.subscriptionIdentifiers, messageExpiryInterval: expiry)
        guard !self.write(message.publish, delivery, on: index), let identifier else { return }
        // Too large for this client: as if it had been delivered and acknowledged ([MQTT-3.1.2-25]).
        let session = self.connections[index].session
        let record = self.storedRecord(of: identifier, in: session)
        if !self.sessions[session].window.receivedPubAck(identifier) {
            _ = self.sessions[session].window.receivedPubRec(identifier, isRefused: true)
        }
        self.forget(record, of: session)
    }

    /// Encodes a PUBLISH into the connection's buffer; `false` when it is larger than the client takes.
    @discardableResult
    private mutating func write(_ publish: Publish, _ delivery: PublishDelivery, on index: Int) -> Bool {
        let version = self.connections[index].version
        let limit = self.connections[index].maximumPacketSize
        if limit < Int.max, publish.encodedByteCount(delivery, version: version) > limit {
            self.statistics.droppedTooLarge += 1
            return false
        }
        self.list(index)
        if self.connections[index].outboundAliases == nil {
            publish.write(delivery, version: version, into: &self.connections[index].outbound)
        } else {
            self.connections[index].writeWithAlias(publish, delivery)
        }
        self.statistics.publishSent += 1
        return true
    }
}
