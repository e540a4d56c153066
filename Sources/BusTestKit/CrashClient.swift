import BusCore
import BusSession
import BusWire
import NIOCore

/// A client that outlives its broker and does what the specification asks of it: what is unfinished is sent again, what
/// was received once is known.
final class CrashClient {
    struct Outgoing {
        var number: Int
        var publish: Publish
        var isReleased = false

        func isFor(_ identifier: PacketIdentifier) -> Bool { self.publish.packetIdentifier == identifier }
    }

    let name: String
    let version: ProtocolVersion
    /// Whether its session outlives its connection.
    let isLasting: Bool
    /// The QoS at which it subscribes to everything; `nil` for one that only publishes.
    let subscribesAt: QoS?
    var connection: ConnectionIdentifier?
    var isConnected = false
    /// It was told that it has a session.
    var hasSession = false
    var isSubscribed = false
    var outgoing: [Outgoing] = []
    /// QoS 2 identifiers of the broker that were not released.
    private var unreleased: Set<PacketIdentifier> = []
    /// How often its application got each message.
    private(set) var delivered: [Int: Int] = [:]
    /// Packets on their way to it.
    var inbox: [Packet] = []
    var decoder: PacketDecoder
    var pending = ByteBuffer()
    private var lastIdentifier: UInt16 = 0

    init(name: String, version: ProtocolVersion, isLasting: Bool, subscribesAt: QoS?) {
        self.name = name
        self.version = version
        self.isLasting = isLasting
        self.subscribesAt = subscribesAt
        self.decoder = PacketDecoder(role: .client, maximumPacketSize: 1 << 20, version: version)
    }

    var connect: Packet {
        .connect(
            Connect(
                version: self.version, cleanStart: !self.isLasting, keepAliveSeconds: 0, clientIdentifier: self.name,
                properties: self.isLasting && self.version == .v5 ? [.sessionExpiryInterval(.max)] : []))
    }

    var subscribe: Packet {
        .subscribe(
            Subscribe(
                packetIdentifier: self.nextIdentifier(),
                subscriptions: [Subscription(filter: "t/#", maximumQoS: self.subscribesAt ?? .atMostOnce)]))
    }

    func nextIdentifier() -> PacketIdentifier {
        while true {
            self.lastIdentifier = self.lastIdentifier == 30 ? 1 : self.lastIdentifier + 1
            guard let identifier = PacketIdentifier(rawValue: self.lastIdentifier) else {
                preconditionFailure("the counter starts at 1 and skips 0")
            }
            if !self.outgoing.contains(where: { $0.isFor(identifier) }) { return identifier }
        }
    }

    func disconnected() {
        self.connection = nil
        self.isConnected = false
        self.inbox = []
        self.pending = ByteBuffer()
    }

    /// What one packet makes it do.
    enum Reaction {
        case send(Packet)
        /// The broker has taken the message upon itself.
        case accepted(Int)
        case problem(String)
    }

    func receive(_ packet: Packet) -> [Reaction] {
        switch packet {
        case .connAck(let acknowledgement): return self.connected(acknowledgement)
        case .subAck(let acknowledgement):
            self.isSubscribed = acknowledgement.reasonCodes.allSatisfy { !$0.isError }
            return []
        case .publish(let publish): return self.receive(publish)
        case .pubRel(let value):
            self.unreleased.remove(value.packetIdentifier)
            return [.send(.pubComp(Acknowledgement(packetIdentifier: value.packetIdentifier)))]
        case .pubAck(let value):
            return self.finish(value, where: { $0.publish.qos == .atLeastOnce })
        case .pubRec(let value): return self.received(value)
        case .pubComp(let value):
            self.outgoing.removeAll { $0.isReleased && $0.isFor(value.packetIdentifier) }
            return []
        default: return []
        }
    }

    private func connected(_ acknowledgement: ConnAck) -> [Reaction] {
        guard acknowledgement.reasonCode == .success else { return [] }
        self.isConnected = true
        var reactions: [Reaction] = []
        if acknowledgement.sessionPresent {
            for message in self.outgoing {
                guard let identifier = message.publish.packetIdentifier else { continue }
                var publish = message.publish
                publish.isDuplicate = true
                reactions.append(
                    .send(
                        message.isReleased
                            ? .pubRel(Acknowledgement(packetIdentifier: identifier)) : .publish(publish)))
            }
        } else {
            if self.hasSession { reactions.append(.problem("\(self.name) had a session, and it is gone")) }
            self.outgoing = []
            self.unreleased = []
            self.isSubscribed = false
        }
        self.hasSession = self.isLasting
        if self.subscribesAt != nil, !self.isSubscribed { reactions.append(.send(self.subscribe)) }
        return reactions
    }

    private func receive(_ publish: Publish) -> [Reaction] {
        guard let number = Int(String(buffer: publish.payload)) else { return [.problem("a payload of nobody")] }
        guard let identifier = publish.packetIdentifier else { return [] }
        let acknowledgement = Acknowledgement(packetIdentifier: identifier)
        // A subscription that is made again, for its SUBACK got lost, brings retained messages again.
        let count = publish.isRetained ? 0 : 1
        guard publish.qos == .exactlyOnce else {
            self.delivered[number, default: 0] += count
            return [.send(.pubAck(acknowledgement))]
        }
        guard self.unreleased.insert(identifier).inserted else { return [.send(.pubRec(acknowledgement))] }
        self.delivered[number, default: 0] += count
        if self.delivered[number] ?? 0 > 1 { return [.problem("\(self.name) got \(number) twice")] }
        return [.send(.pubRec(acknowledgement))]
    }

    private func received(_ value: Acknowledgement) -> [Reaction] {
        guard !value.reasonCode.isError else { return self.finish(value, where: { !$0.isReleased }) }
        var reactions: [Reaction] = []
        for index in self.outgoing.indices where self.outgoing[index].isFor(value.packetIdentifier) {
            if !self.outgoing[index].isReleased { reactions.append(.accepted(self.outgoing[index].number)) }
            self.outgoing[index].isReleased = true
        }
        return reactions + [.send(.pubRel(Acknowledgement(packetIdentifier: value.packetIdentifier)))]
    }

    private func finish(_ value: Acknowledgement, where isMeant: (Outgoing) -> Bool) -> [Reaction] {
        let numbers = self.outgoing.filter { $0.isFor(value.packetIdentifier) && isMeant($0) }.map(\.number)
        self.outgoing.removeAll { $0.isFor(value.packetIdentifier) && isMeant($0) }
        return value.reasonCode.isError ? [] : numbers.map(Reaction.accepted)
    }
}
