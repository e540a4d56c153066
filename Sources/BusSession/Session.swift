package import BusWire
package import DequeModule

/// What the broker remembers of one client identifier, across its network connections ([MQTT-4.1.0-1]).
///
/// | state        | `connection` | ends                                                  |
/// |--------------|--------------|-------------------------------------------------------|
/// | online       | set          | never by itself                                       |
/// | offline      | `nil`        | at `expiresAt`, or when the client starts clean       |
///
/// A will that waits for its delay is published at `willDueAt`, or when the session ends, whichever is first
/// ([MQTT-3.1.3-9], [MQTT-3.1.2-8]).
package struct Session: Sendable {
    package let clientIdentifier: String
    /// The slot of the network connection in the broker, `nil` while offline.
    package var connection: Int?
    /// Seconds the session outlives its network connection; `UInt32.max` for ever ([MQTT-3.1.2-23]).
    package var expirySeconds: UInt32 = 0
    package var expiresAt = Timestamp.never
    package var subscriptions = Subscriptions()
    /// How many of them are to topics of one function each.
    package var callSubscriptionCount = 0
    package var window: OutboundWindow
    package var inbound: InboundWindow
    package var queue = MessageQueue()
    /// Retained messages that new subscriptions have yet to get. They go before the queue, and while any wait every
    /// other message queues behind them: an old retained message must not overtake a newer one of its topic.
    package var replay: Deque<OutgoingMessage> = []
    package var will: Will?
    package var willDueAt = Timestamp.never
    package var storage = SessionStorage()

    package init(clientIdentifier: String, limits: SessionLimits) {
        self.clientIdentifier = clientIdentifier
        self.window = OutboundWindow(receiveMaximum: limits.receiveMaximumOut)
        self.inbound = InboundWindow(receiveMaximum: limits.receiveMaximumIn)
    }

    /// The instant a session ends whose connection is lost at `now`.
    package func expiry(from now: Timestamp) -> Timestamp {
        self.expirySeconds == .max ? .never : now.adding(seconds: UInt64(self.expirySeconds))
    }

    /// What becomes of a message offered to the session.
    package enum Offer: Equatable, Sendable {
        /// Send it now; with this identifier if it is of QoS 1 or 2.
        case send(PacketIdentifier?)
        case queued
        /// Queued, at the price of an older QoS 0 message.
        case replacedOldest
        case refused
    }

    /// Offers a message: it is sent while the window has room and nothing waits before it, else queued.
    package mutating func offer(_ message: OutgoingMessage, canSend: Bool, limits: MessageQueue.Limits) -> Offer {
        if canSend, self.queue.isEmpty, self.replay.isEmpty, !self.window.hasResumptions {
            if message.qos == .atMostOnce { return .send(nil) }
            if let identifier = self.window.publish(message) { return .send(identifier) }
        }
        switch self.queue.append(message, limits: limits) {
        case .queued: return .queued
        case .replacedOldest: return .replacedOldest
        case .refused: return .refused
        }
    }

    /// The next waiting message that can go now: what new subscriptions wait for, then the queue, while the window has
    /// room. Expired messages are dropped on the way and counted in `expired`.
    package mutating func nextWaiting(
        now: Timestamp, expired: inout Int
    ) -> (message: OutgoingMessage, identifier: PacketIdentifier?)? {
        guard self.window.hasRoom else { return nil }
        var next: OutgoingMessage?
        while next == nil, let message = self.replay.popFirst() {
            if message.expiresAt > now {
                next = message
            } else {
                expired += 1
                if message.record.isStored { self.queue.expiredRecords.append(message.record) }
            }
        }
        guard let message = next ?? self.queue.popFirst(now: now, expired: &expired) else { return nil }
        return (message, message.qos == .atMostOnce ? nil : self.window.publish(message))
    }

    package var hasWaiting: Bool {
        !self.queue.isEmpty || !self.replay.isEmpty || self.window.hasResumptions || !self.storage.held.isEmpty
    }

    /// Messages that wait to be sent for the first time.
    package var waitingMessages: [OutgoingMessage] { Array(self.replay) + Array(self.queue.waiting) }

    /// Drops what waits to be sent for the first time and may not be sent any more.
    package mutating func keepWaiting(where isKept: (OutgoingMessage) -> Bool) {
        self.queue.keep(where: isKept)
        self.replay.removeAll { !isKept($0) }
    }

    /// What a session that ends may leave to others: QoS 1 messages without acknowledgement, and the queue.
    package mutating func takeShareable() -> [OutgoingMessage] {
        self.window.messagesOfQoS1 + self.queue.takeAll()
    }

    /// Forgets what must not outlive the network connection.
    package mutating func removeCalls() {
        self.window.removeCalls()
        self.queue.removeCalls()
    }
}
