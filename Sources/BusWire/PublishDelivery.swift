package import NIOCore

/// The parts of an outgoing PUBLISH that differ per recipient.
package struct PublishDelivery: Sendable, Equatable {
    package var qos: QoS
    package var isRetained: Bool
    package var isDuplicate: Bool
    package var packetIdentifier: PacketIdentifier?
    /// Those of the recipient's matching subscriptions [MQTT-3.3.4-3]; usually empty.
    package var subscriptionIdentifiers: [UInt32]
    /// Replaces the value in the block, as the message has waited [MQTT-3.3.2-6]; `nil` leaves the block alone.
    package var messageExpiryInterval: UInt32?
    package var topicAlias: UInt16?
    /// The receiver knows the topic by `topicAlias` already.
    package var omitsTopic: Bool

    package init(
        qos: QoS = .atMostOnce,
        isRetained: Bool = false,
        isDuplicate: Bool = false,
        packetIdentifier: PacketIdentifier? = nil,
        subscriptionIdentifiers: [UInt32] = [],
        messageExpiryInterval: UInt32? = nil,
        topicAlias: UInt16? = nil,
        omitsTopic: Bool = false
    ) {
        self.qos = qos
        self.isRetained = isRetained
        self.isDuplicate = isDuplicate
        self.packetIdentifier = packetIdentifier
        self.subscriptionIdentifiers = subscriptionIdentifiers
        self.messageExpiryInterval = messageExpiryInterval
        self.topicAlias = topicAlias
        self.omitsTopic = omitsTopic
    }
}

extension Publish {
    /// Forwards the message: the sender's topic alias is dropped, other properties pass unchanged and in order, as
    /// the recipient's version demands (below MQTT 5.0: none).
    package func write(_ delivery: PublishDelivery, version: ProtocolVersion, into buffer: inout ByteBuffer) {
        PublishFrame(self, delivery, version: version)
            .write(self.content, delivery.subscriptionIdentifiers, into: &buffer, withPayload: true)
    }

    /// Writes all but the payload, for a driver that sends a large payload from the buffer it shares.
    package func writeHead(_ delivery: PublishDelivery, version: ProtocolVersion, into buffer: inout ByteBuffer) {
        PublishFrame(self, delivery, version: version)
            .write(self.content, delivery.subscriptionIdentifiers, into: &buffer, withPayload: false)
    }

    /// The length of the whole packet, to be compared with the client's Maximum Packet Size [MQTT-3.1.2-24].
    package func encodedByteCount(_ delivery: PublishDelivery, version: ProtocolVersion) -> Int {
        PublishFrame(self, delivery, version: version).byteCount
    }
}
