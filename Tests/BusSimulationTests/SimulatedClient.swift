import BusSession
import BusTestKit
import BusWire
import NIOCore

/// A client that does what the specification asks of clients, slowly, and over a network that fails it.
final class SimulatedClient {
    enum Phase { case offline, connecting, connected }

    /// A message of its own under way to the broker.
    struct Outgoing {
        var publish: Publish
        var isReleased = false
    }

    let name: String
    let version: ProtocolVersion
    let keepAlive: UInt16
    let receiveMaximum: UInt16?
    let packetBytesMax: UInt32?
    let aliasMaximum: UInt16
    /// Of 100 chances to read from its socket, how many it takes.
    let appetite: Int
    /// Of 100 messages, how many it refuses with a reason code above 0x7F.
    let percentRefused: Int
    /// Publishes without waiting for CONNACK, as a client may ([MQTT-3.1.4-5]).
    let isHasty: Bool
    var phase = Phase.offline
    var link: SimulatedLink?
    /// The session it knows of, as the model counts them.
    var epoch = 0
    var expirySeconds: UInt32 = 0
    var outgoing: [Outgoing] = []
    /// QoS 2 identifiers of the broker that were not released.
    var unreleased: Set<UInt16> = []
    /// Acknowledgements that it has not got round to send, in their order.
    var owed: [Packet] = []
    var aliases: [String: UInt16] = [:]
    /// How often the application got each delivery.
    var delivered: [Int: Int] = [:]
    /// Deliveries that it refused at least once.
    var refused: Set<Int> = []
    private var lastIdentifier: UInt16 = 0

    init(name: String, random: inout SeededGenerator) {
        self.name = name
        self.version = random.chance(60) ? .v5 : .v3_1_1
        self.keepAlive = random.pick([0, 10, 60])
        self.receiveMaximum = self.version == .v5 ? random.pick([nil, 1, 2, 5, 100]) : nil
        self.packetBytesMax = self.version == .v5 && random.chance(15) ? 200 : nil
        self.aliasMaximum = self.version == .v5 ? random.pick([0, 0, 2, 10]) : 0
        self.percentRefused = self.version == .v5 && random.chance(20) ? 15 : 0
        self.isHasty = random.chance(25)
        self.appetite = random.pick([10, 60, 100, 100])
    }

    func nextIdentifier() -> PacketIdentifier {
        while true {
            self.lastIdentifier = self.lastIdentifier == 50 ? 1 : self.lastIdentifier + 1
            guard let identifier = PacketIdentifier(rawValue: self.lastIdentifier) else {
                preconditionFailure("the counter starts at 1 and skips 0")
            }
            if !self.outgoing.contains(where: { $0.publish.packetIdentifier == identifier }) { return identifier }
        }
    }

    func write(_ packet: Packet) {
        self.link?.up.writePacket(packet, version: self.version)
    }

    /// Writes the next acknowledgements that it owes.
    func writeOwed(_ count: Int) {
        for packet in self.owed.prefix(count) { self.write(packet) }
        self.owed.removeFirst(min(count, self.owed.count))
    }

    /// The connection is gone, for whatever reason. What was owed is lost: only PUBLISH and PUBREL are sent again.
    func disconnected() {
        self.link?.client = nil
        self.link = nil
        self.phase = .offline
        self.owed = []
        self.aliases = [:]
    }

    // MARK: Receiving

    /// - Parameter epoch: which session the model says the connection has; it tells a client whose CONNACK got lost that
    ///   "session present" means another session than the one it knows.
    func receive(_ arrival: SimulatedLink.Arrival, epoch: Int, refuses: Bool) {
        switch arrival.packet {
        case .connAck(let acknowledgement):
            guard acknowledgement.reasonCode == .success else { return }
            self.phase = .connected
            if !acknowledgement.sessionPresent || epoch != self.epoch {
                self.outgoing = []
                self.unreleased = []
            }
            self.epoch = epoch
            for message in self.outgoing { self.writeAgain(message) }
        case .publish(let publish): self.receive(publish, identity: arrival.identity, refuses: refuses)
        case .pubAck(let value):
            self.outgoing.removeAll { $0.publish.qos == .atLeastOnce && $0.isFor(value.packetIdentifier) }
        case .pubRec(let value):
            for index in self.outgoing.indices where self.outgoing[index].isFor(value.packetIdentifier) {
                self.outgoing[index].isReleased = true
            }
            self.owed.append(.pubRel(Acknowledgement(packetIdentifier: value.packetIdentifier)))
        case .pubComp(let value):
            self.outgoing.removeAll { $0.isReleased && $0.isFor(value.packetIdentifier) }
        case .pubRel(let value):
            self.unreleased.remove(value.packetIdentifier.rawValue)
            self.owed.append(.pubComp(Acknowledgement(packetIdentifier: value.packetIdentifier)))
        case .subAck, .unsubAck, .pingResp, .disconnect, .connect, .subscribe, .unsubscribe, .pingReq, .auth:
            break
        }
    }

    private func receive(_ publish: Publish, identity: Int?, refuses: Bool) {
        guard let identifier = publish.packetIdentifier, let identity else { return }
        // What it has taken it cannot refuse any more.
        if refuses, !self.unreleased.contains(identifier.rawValue) {
            self.refused.insert(identity)
            let refusal = Acknowledgement(packetIdentifier: identifier, reasonCode: .quotaExceeded)
            self.owed.append(publish.qos == .exactlyOnce ? .pubRec(refusal) : .pubAck(refusal))
            return
        }
        if publish.qos == .atLeastOnce {
            self.delivered[identity, default: 0] += 1
            self.owed.append(.pubAck(Acknowledgement(packetIdentifier: identifier)))
            return
        }
        if self.unreleased.insert(identifier.rawValue).inserted { self.delivered[identity, default: 0] += 1 }
        self.owed.append(.pubRec(Acknowledgement(packetIdentifier: identifier)))
    }

    private func writeAgain(_ message: Outgoing) {
        guard let identifier = message.publish.packetIdentifier else { return }
        if message.isReleased {
            self.write(.pubRel(Acknowledgement(packetIdentifier: identifier)))
            return
        }
        var publish = message.publish
        publish.isDuplicate = true
        self.write(.publish(publish))
    }
}

extension SimulatedClient.Outgoing {
    func isFor(_ identifier: PacketIdentifier) -> Bool { self.publish.packetIdentifier == identifier }
}
