package import BusWire

/// QoS 2 identifiers that the client has published and not yet released: the memory that makes "exactly once".
///
/// Invariant: never more than `receiveMaximum` identifiers: the number announced in CONNACK, or, to a client of MQTT 3.x,
/// which cannot be told, as many as there are.
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
    package var receiveMaximum: Int

    package init(receiveMaximum: Int) {
        self.receiveMaximum = receiveMaximum
    }

    package var count: Int { self.unreleased.count }

    package func hasUnreleased(_ identifier: PacketIdentifier) -> Bool {
        self.unreleased.contains(identifier)
    }

    package mutating func receivedPublish(_ identifier: PacketIdentifier) -> Arrival {
        if self.unreleased.contains(identifier) { return .duplicate }
        guard self.unreleased.count < self.receiveMaximum else { return .exceedsReceiveMaximum }
        self.unreleased.insert(identifier)
        return .new
    }

    /// PUBREL; `false` when the identifier is unknown, which PUBCOMP reports as 0x92.
    package mutating func receivedPubRel(_ identifier: PacketIdentifier) -> Bool {
        self.unreleased.remove(identifier) != nil
    }

    /// The message was refused with a PUBREC of 0x80 or above: the identifier is free again.
    package mutating func refuse(_ identifier: PacketIdentifier) {
        self.unreleased.remove(identifier)
    }
}
