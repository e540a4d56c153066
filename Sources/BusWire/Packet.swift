import NIOCore

/// One MQTT control packet.
///
/// An enum, not a protocol: a `switch` costs nothing, while a box with a cast costs five times the decoding.
/// CONNECT is indirect because it is large and comes once per network connection.
package enum Packet: Sendable, Equatable {
    indirect case connect(Connect)
    case connAck(ConnAck)
    case publish(Publish)
    case pubAck(Acknowledgement)
    case pubRec(Acknowledgement)
    case pubRel(Acknowledgement)
    case pubComp(Acknowledgement)
    case subscribe(Subscribe)
    case subAck(SubAck)
    case unsubscribe(Unsubscribe)
    case unsubAck(UnsubAck)
    case pingReq
    case pingResp
    case disconnect(Disconnect)
    case auth(Auth)
}

extension Packet {
    package var isPublish: Bool {
        if case .publish = self { true } else { false }
    }

    package var type: PacketType {
        switch self {
        case .connect: .connect
        case .connAck: .connAck
        case .publish: .publish
        case .pubAck: .pubAck
        case .pubRec: .pubRec
        case .pubRel: .pubRel
        case .pubComp: .pubComp
        case .subscribe: .subscribe
        case .subAck: .subAck
        case .unsubscribe: .unsubscribe
        case .unsubAck: .unsubAck
        case .pingReq: .pingReq
        case .pingResp: .pingResp
        case .disconnect: .disconnect
        case .auth: .auth
        }
    }
}

/// CONNACK: the broker's answer to CONNECT.
package struct ConnAck: Sendable, Equatable {
    package var sessionPresent: Bool
    package var reasonCode: ReasonCode
    package var properties: Properties

    package init(sessionPresent: Bool = false, reasonCode: ReasonCode = .success, properties: Properties = Properties())
    {
        self.sessionPresent = sessionPresent
        self.reasonCode = reasonCode
        self.properties = properties
    }

    /// The length of the whole packet in MQTT 5.0.
    package var encodedByteCount: Int {
        var bytes = ByteBuffer()
        bytes.writePacket(.connAck(self), version: .v5)
        return bytes.readableBytes
    }
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP. Below MQTT 5.0 only the packet identifier travels.
package struct Acknowledgement: Sendable, Equatable {
    package var packetIdentifier: PacketIdentifier
    package var reasonCode: ReasonCode
    package var properties: Properties

    package init(
        packetIdentifier: PacketIdentifier, reasonCode: ReasonCode = .success, properties: Properties = Properties()
    ) {
        self.packetIdentifier = packetIdentifier
        self.reasonCode = reasonCode
        self.properties = properties
    }
}

/// DISCONNECT. Below MQTT 5.0 it carries nothing and only clients send it.
package struct Disconnect: Sendable, Equatable {
    package var reasonCode: ReasonCode
    package var properties: Properties

    package init(reasonCode: ReasonCode = .normalDisconnection, properties: Properties = Properties()) {
        self.reasonCode = reasonCode
        self.properties = properties
    }
}

/// AUTH: one step of enhanced authentication, MQTT 5.0 only.
package struct Auth: Sendable, Equatable {
    package var reasonCode: ReasonCode
    package var properties: Properties

    package init(reasonCode: ReasonCode = .success, properties: Properties = Properties()) {
        self.reasonCode = reasonCode
        self.properties = properties
    }
}
