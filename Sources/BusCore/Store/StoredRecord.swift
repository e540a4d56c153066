/// A session that outlives its network connection.
package struct StoredSession: Sendable, Equatable {
    /// The key; never used for another session while anything of this one is stored.
    package var number: UInt64
    package var clientIdentifier: String
    /// Session Expiry Interval; `UInt32.max` never ends.
    package var expirySeconds: UInt32
    /// Wall clock, milliseconds since 1970; nil while a client is connected, or was when the broker died.
    package var disconnectedAt: Int64?
    /// Who the client had proved to be; nobody else may take the session up.
    package var user: String?

    package init(
        number: UInt64, clientIdentifier: String, expirySeconds: UInt32, disconnectedAt: Int64? = nil,
        user: String? = nil
    ) {
        self.number = number
        self.clientIdentifier = clientIdentifier
        self.expirySeconds = expirySeconds
        self.disconnectedAt = disconnectedAt
        self.user = user
    }
}

package struct StoredSubscription: Sendable, Equatable {
    package var filter: String
    /// The options byte of SUBSCRIBE.
    package var options: UInt8
    /// Subscription Identifier; 0 when there is none.
    package var identifier: UInt32

    package init(filter: String, options: UInt8, identifier: UInt32 = 0) {
        self.filter = filter
        self.options = options
        self.identifier = identifier
    }
}

/// The content of an application message, kept once however many sessions wait for it.
package struct StoredMessage: Sendable, Equatable {
    /// An MQTT 5 PUBLISH as BusWire encodes it; the store does not look inside.
    package var packet: [UInt8]
    /// Wall clock, milliseconds since 1970; nil never ends.
    package var expiresAt: Int64?

    package init(packet: [UInt8], expiresAt: Int64? = nil) {
        self.packet = packet
        self.expiresAt = expiresAt
    }
}

/// One message on its way to one session, waiting or in flight.
package struct StoredDelivery: Sendable, Equatable {
    package enum Phase: UInt8, Sendable, CaseIterable {
        case queued
        /// PUBLISH was sent with QoS 1 or 2.
        case published
        /// PUBREL was sent: the client has the message, only the identifier is still held.
        case released
    }

    /// Rises within a session and is never used twice: the order of delivery.
    package var order: UInt64
    /// The number of its `StoredMessage`.
    package var message: UInt64
    package var qos: UInt8
    /// The RETAIN flag this copy is sent with.
    package var isRetained: Bool
    /// The Subscription Identifiers that it is sent with.
    package var identifiers: [UInt32]
    /// 0 until it is sent.
    package var packetIdentifier: UInt16
    package var phase: Phase

    package init(
        order: UInt64, message: UInt64, qos: UInt8, isRetained: Bool = false, identifiers: [UInt32] = [],
        packetIdentifier: UInt16 = 0, phase: Phase = .queued
    ) {
        self.order = order
        self.message = message
        self.qos = qos
        self.isRetained = isRetained
        self.identifiers = identifiers
        self.packetIdentifier = packetIdentifier
        self.phase = phase
    }
}

package struct StoredTask: Sendable, Equatable {
    package var id: String
    /// The core's own record, versioned by the core; the store does not look inside.
    package var record: [UInt8]
    package var state: UInt8
    /// Wall clock, milliseconds since 1970: when it is to be tried next.
    package var dueAt: Int64?
    package var isDead: Bool

    package init(id: String, record: [UInt8], state: UInt8, dueAt: Int64? = nil, isDead: Bool = false) {
        self.id = id
        self.record = record
        self.state = state
        self.dueAt = dueAt
        self.isDead = isDead
    }
}

/// One thing that a restart finds, in the order of these cases; deliveries by session and order.
///
/// A record may name a session or message that is not there only when somebody changed the store by hand: the reader
/// leaves such a record out.
package enum StoredRecord: Sendable, Equatable {
    case session(StoredSession)
    case subscription(session: UInt64, StoredSubscription)
    case message(number: UInt64, StoredMessage)
    case delivery(session: UInt64, StoredDelivery)
    case received(session: UInt64, packetIdentifier: UInt16)
    case retained(topic: String, StoredMessage, publisher: String)
    case task(StoredTask)
}
