package import BusWire

/// QoS 2 identifiers that the client has published and not yet released: the memory that makes "exactly once".
///
/// Invariant: never more than `receiveMaximum` identifiers of one network connection: the number announced in CONNACK,
/// or, to a client of MQTT 3.x, which cannot be told, as many as there are. Those of earlier connections do not count,
/// as the quota begins anew with each one (4.9); with all of them there are 65 535 at most.
package struct InboundWindow: Sendable {
    package enum Arrival: Equatable, Sendable {
        /// Deliver the message, then send PUBREC.
        case new
        /// It was delivered before: only send PUBREC again ([MQTT-4.3.3-10]).
        case duplicate
        /// The client sent more than it may have under way ([MQTT-3.3.4-7]): 0x93.
        case exceedsReceiveMaximum
    }

    private var unreleased: Set<PacketIdentifier> = []
    /// Left by earlier network connections of the session.
    private var carriedOver: Set<PacketIdentifier> = []
    private var receiveMaximum: Int

    package init(receiveMaximum: Int) {
        self.receiveMaximum = receiveMaximum
    }

    package var count: Int { self.unreleased.count + self.carriedOver.count }

    package func hasUnreleased(_ identifier: PacketIdentifier) -> Bool {
        self.unreleased.contains(identifier) || self.carriedOver.contains(identifier)
    }

    /// A new network connection continues the session.
    package mutating func resume(receiveMaximum: Int) {
        self.carriedOver.formUnion(self.unreleased)
        self.unreleased.removeAll()
        self.receiveMaximum = receiveMaximum
    }

    /// An identifier that an earlier process has left unreleased.
    package mutating func restore(_ identifier: PacketIdentifier) {
        self.carriedOver.insert(identifier)
    }

    package var identifiers: Set<PacketIdentifier> { self.unreleased.union(self.carriedOver) }

    package mutating func receivedPublish(_ identifier: PacketIdentifier) -> Arrival {
        if self.hasUnreleased(identifier) { return .duplicate }
        guard self.unreleased.count < self.receiveMaximum else { return .exceedsReceiveMaximum }
        self.unreleased.insert(identifier)
        return .new
    }

    /// PUBREL; `false` when the identifier is unknown, which PUBCOMP reports as 0x92.
    package mutating func receivedPubRel(_ identifier: PacketIdentifier) -> Bool {
        self.unreleased.remove(identifier) != nil || self.carriedOver.remove(identifier) != nil
    }

    /// The message was refused with a PUBREC of 0x80 or above: the identifier is free again.
    package mutating func refuse(_ identifier: PacketIdentifier) {
        self.unreleased.remove(identifier)
    }
}
