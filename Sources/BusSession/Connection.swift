package import BusWire
package import NIOCore

/// One network connection of a client, from the first byte to the last.
///
/// | phase             | accepts                       | becomes                                   |
/// |-------------------|-------------------------------|-------------------------------------------|
/// | `awaitingConnect` | CONNECT only ([MQTT-3.1.0-1]) | `connected`, or `closing` when refused    |
/// | `authenticating`  | all but CONNECT, kept for later | `connected`, or `closing` when refused  |
/// | `connected`       | all but CONNECT               | `closing`                                 |
/// | `closing`         | nothing: input is ignored     | gone when the driver reports the close    |
package struct Connection: Sendable {
    package enum Phase: Sendable {
        case awaitingConnect, authenticating, connected, closing
    }

    package var phase = Phase.awaitingConnect
    package var version = ProtocolVersion.v3_1_1
    /// The slot of the session in the broker once connected.
    package var session = -1
    /// Encoded packets that wait for the driver; one flush takes them all.
    package var outbound = ByteBuffer()
    /// The broker's list of connections with something to flush holds this one.
    package var isListed = false
    /// The driver has more bytes in its hands than the client takes.
    package var isCongested = false
    /// Retained messages wait for the client, or QoS 0 messages that had to wait behind them: nothing may be written
    /// past them ([MQTT-4.6.0-6]).
    package var isReplaying = false
    /// QoS 0 messages dropped on this connection because it was congested.
    package var droppedCount = 0
    /// 1.5 times the keep alive, 0 without one ([MQTT-3.1.2-22]).
    package var keepAliveNanoseconds: UInt64 = 0
    package var lastReceived: Timestamp
    /// Packets above it are not sent to this client ([MQTT-3.1.2-24]).
    package var maximumPacketSize = Int.max
    /// Request Problem Information: reason strings and user properties only where it is set ([MQTT-3.1.2-29]).
    package var wantsProblemInformation = true
    package var aliases: InboundTopicAliases
    /// `nil` for a client that takes no aliases, as most do.
    package var outboundAliases: OutboundTopicAliases?
    /// Acknowledgements that wait for their commits, in order.
    package var held: [HeldPackets] = []
    /// The commit that the CONNACK waits for, and everything behind it; 0 when it does not.
    package var blockedUntil: UInt64 = 0
    /// A DISCONNECT with reason 0x00 removes the will ([MQTT-3.14.4-3]).
    package var isWillCancelled = false
    package let origin: ConnectionOrigin

    package init(origin: ConnectionOrigin, now: Timestamp) {
        self.origin = origin
        self.lastReceived = now
        self.aliases = InboundTopicAliases(maximum: 0)
    }

    package var isSpeakingV5: Bool { self.version == .v5 }
}

extension Connection {
    /// Writes a PUBLISH with the alias of its topic, if it has or gets one. The alias makes the first packet of a topic
    /// three bytes longer, within the limit that was checked or the topic goes in full.
    package mutating func writeWithAlias(_ publish: Publish, _ delivery: PublishDelivery) {
        var delivery = delivery
        let topic = publish.topic
        if let (alias, isKnown) = self.outboundAliases?.find(topic) {
            delivery.topicAlias = alias
            delivery.omitsTopic = isKnown
            let fits =
                isKnown || self.maximumPacketSize == .max
                || publish.encodedByteCount(delivery, version: self.version) <= self.maximumPacketSize
            if !fits { delivery.topicAlias = nil }
            if fits, !isKnown { self.outboundAliases?.set(alias, for: topic) }
        }
        publish.write(delivery, version: self.version, into: &self.outbound)
    }
}

/// Encoded packets that may leave once the store holds what they say.
package struct HeldPackets: Sendable {
    package let commit: UInt64
    package var bytes = ByteBuffer()

    package init(commit: UInt64) {
        self.commit = commit
    }
}

/// Where a network connection came from, for the log and the limits.
package struct ConnectionOrigin: Sendable, Equatable {
    /// `address:port`, as the log says it.
    package var remoteAddress: String
    /// The address alone, by which connections are counted; empty for sockets in the file system.
    package var address: String
    /// The event loop that drives the connection.
    package var loop: Int
    /// The listener that accepted it, as the configuration numbers them.
    package var listener: Int
    /// The user that the connection itself proves: the one that the client's certificate names, or that of this process.
    package var certificateUser: String?

    package init(
        remoteAddress: String, address: String = "", loop: Int = 0, listener: Int = 0, certificateUser: String? = nil
    ) {
        self.remoteAddress = remoteAddress
        self.address = address
        self.loop = loop
        self.listener = listener
        self.certificateUser = certificateUser
    }
}
