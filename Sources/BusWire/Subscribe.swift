/// One topic filter of a SUBSCRIBE with its options.
package struct Subscription: Hashable, Sendable {
    package var filter: String
    package var maximumQoS: QoS
    package var noLocal: Bool
    package var retainAsPublished: Bool
    package var retainHandling: RetainHandling

    package init(
        filter: String,
        maximumQoS: QoS = .atMostOnce,
        noLocal: Bool = false,
        retainAsPublished: Bool = false,
        retainHandling: RetainHandling = .sendOnSubscribe
    ) {
        self.filter = filter
        self.maximumQoS = maximumQoS
        self.noLocal = noLocal
        self.retainAsPublished = retainAsPublished
        self.retainHandling = retainHandling
    }
}

/// SUBSCRIBE. A decoded one has at least one subscription [MQTT-3.8.3-2].
package struct Subscribe: Sendable, Equatable {
    package var packetIdentifier: PacketIdentifier
    package var subscriptions: [Subscription]
    package var properties: Properties

    package init(
        packetIdentifier: PacketIdentifier, subscriptions: [Subscription], properties: Properties = Properties()
    ) {
        self.packetIdentifier = packetIdentifier
        self.subscriptions = subscriptions
        self.properties = properties
    }
}

/// SUBACK: one reason code per topic filter, in their order [MQTT-3.9.3-1].
package struct SubAck: Sendable, Equatable {
    package var packetIdentifier: PacketIdentifier
    package var reasonCodes: [ReasonCode]
    package var properties: Properties

    package init(packetIdentifier: PacketIdentifier, reasonCodes: [ReasonCode], properties: Properties = Properties()) {
        self.packetIdentifier = packetIdentifier
        self.reasonCodes = reasonCodes
        self.properties = properties
    }
}

/// UNSUBSCRIBE. A decoded one has at least one topic filter [MQTT-3.10.3-2].
package struct Unsubscribe: Sendable, Equatable {
    package var packetIdentifier: PacketIdentifier
    package var filters: [String]
    package var properties: Properties

    package init(packetIdentifier: PacketIdentifier, filters: [String], properties: Properties = Properties()) {
        self.packetIdentifier = packetIdentifier
        self.filters = filters
        self.properties = properties
    }
}

/// UNSUBACK: one reason code per topic filter [MQTT-3.11.3-1]; below MQTT 5.0 the list is empty on the wire.
package struct UnsubAck: Sendable, Equatable {
    package var packetIdentifier: PacketIdentifier
    package var reasonCodes: [ReasonCode]
    package var properties: Properties

    package init(
        packetIdentifier: PacketIdentifier, reasonCodes: [ReasonCode] = [], properties: Properties = Properties()
    ) {
        self.packetIdentifier = packetIdentifier
        self.reasonCodes = reasonCodes
        self.properties = properties
    }
}
