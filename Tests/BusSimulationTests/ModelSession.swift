import BusCore
import BusSession
import BusWire
import NIOCore

/// What the broker should remember of one client.
final class ModelSession {
    /// One message under way to the client.
    struct Flight {
        enum Phase { case published, released }

        var delivery: Delivery
        var phase = Phase.published
        /// The place among all first transmissions of the session.
        var order: Int
        /// Sent on the present network connection.
        var isOnWire = true
    }

    /// Messages that must keep their order among each other ([MQTT-4.6.0-5], [MQTT-4.6.0-6]).
    struct Lane: Hashable {
        var publisher: String
        var topic: String
        var isQoS0: Bool
    }

    let client: String
    let epoch: Int
    var connection: ConnectionIdentifier?
    var expirySeconds: UInt32 = 0
    var expiresAt = Timestamp.never
    var will: Will?
    var willDueAt = Timestamp.never
    var subscriptions: [String: ModelSubscription] = [:]
    /// All subscriptions that the session ever had to each group.
    var memberships: [String: [ModelSubscription]] = [:]
    /// QoS 2 identifiers of the client that it has not released.
    var unreleased: Set<UInt16> = []
    /// By message number, in the order of their arrival.
    var pending: [Int: [Delivery]] = [:]
    /// Retained messages for new subscriptions, with the number of arrivals at the time of the SUBSCRIBE.
    var replays: [Int: [(delivery: Delivery, since: Int)]] = [:]
    var flights: [UInt16: Flight] = [:]
    var lastOrder = 0
    var lastArrivals: [Lane: Int] = [:]
    /// The newest message of each topic that was sent.
    var lastOnTopic: [String: Int] = [:]
    var takesOnlySmallPackets = false
    var isEnded = false

    init(client: String, epoch: Int) {
        self.client = client
        self.epoch = epoch
    }

    /// Copies of QoS 1 and 2 that never went out and had no excuse not to.
    var lost: [Delivery] {
        let replays = self.replays.values.joined().map(\.delivery)
        return (self.pending.values.joined() + replays).filter { delivery in
            delivery.qos > .atMostOnce && delivery.expiresAt == .never
                && !(delivery.isLarge && self.takesOnlySmallPackets)
        }
    }

    func expiry(from now: Timestamp) -> Timestamp {
        self.expirySeconds == .max ? .never : now.adding(seconds: UInt64(self.expirySeconds))
    }
}

/// One network connection as the broker should see it.
final class ModelConnection {
    enum Phase { case awaitingConnect, connected, closed }

    /// What the broker has to say besides PUBLISH, in this order.
    enum Reply: Equatable {
        case connAck(ReasonCode, isPresent: Bool)
        case pubAck(PacketIdentifier, ReasonCode)
        case pubRec(PacketIdentifier, ReasonCode)
        case pubRel(PacketIdentifier, ReasonCode)
        case pubComp(PacketIdentifier, ReasonCode)
        case subAck(PacketIdentifier, [ReasonCode])
        case unsubAck(PacketIdentifier, [ReasonCode])
        case pingResp
        case disconnect(ReasonCode)
    }

    let identifier: ConnectionIdentifier
    let openedAt: Timestamp
    var phase = Phase.awaitingConnect
    var version = ProtocolVersion.v3_1_1
    var session: ModelSession?
    /// What waits for the verdict about who the client is.
    var pendingConnect: Connect?
    var deferred: [Packet] = []
    var lastReceived: Timestamp
    var keepAliveNanoseconds: UInt64 = 0
    /// When the silence of the client is looked at next: not at each packet, but when it could first have lasted too
    /// long.
    var keepAliveDue = Timestamp.never
    var receiveMaximum = Int.max
    var packetBytesMax = Int.max
    var inboundAliases: [UInt16: String] = [:]
    var outboundAliases: [UInt16: String] = [:]
    var outboundAliasMaximum: UInt16 = 0
    var replies: [Reply] = []
    /// The last message that was sent again on this connection, by its order.
    var lastResumedOrder = 0

    init(_ identifier: ConnectionIdentifier, now: Timestamp) {
        self.identifier = identifier
        self.openedAt = now
        self.lastReceived = now
    }

    func armKeepAlive(since: Timestamp) {
        guard self.keepAliveNanoseconds > 0 else { return }
        self.keepAliveDue = Timestamp(nanoseconds: since.nanoseconds + self.keepAliveNanoseconds)
    }
}

extension ModelConnection.Reply {
    /// `nil` for PUBLISH, which is audited by itself, and for what no broker sends.
    init?(_ packet: Packet) {
        switch packet {
        case .connAck(let value): self = .connAck(value.reasonCode, isPresent: value.sessionPresent)
        case .pubAck(let value): self = .pubAck(value.packetIdentifier, value.reasonCode)
        case .pubRec(let value): self = .pubRec(value.packetIdentifier, value.reasonCode)
        case .pubRel(let value): self = .pubRel(value.packetIdentifier, value.reasonCode)
        case .pubComp(let value): self = .pubComp(value.packetIdentifier, value.reasonCode)
        case .subAck(let value): self = .subAck(value.packetIdentifier, value.reasonCodes)
        case .unsubAck(let value): self = .unsubAck(value.packetIdentifier, value.reasonCodes)
        case .pingResp: self = .pingResp
        case .disconnect(let value): self = .disconnect(value.reasonCode)
        case .publish, .connect, .subscribe, .unsubscribe, .pingReq, .auth: return nil
        }
    }
}
