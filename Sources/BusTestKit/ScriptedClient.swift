package import BusCore
import BusSession
package import BusWire
package import NIOCore

/// A client whose every packet the test says, and that keeps every packet it gets.
///
/// Its packets pass through the real codec in both directions. It acknowledges nothing unless told so, except with
/// `acknowledgesPublishes`.
package final class ScriptedClient {
    package let network: TestNetwork
    package let version: ProtocolVersion
    package private(set) var identifier: ConnectionIdentifier?
    /// Packets that arrived and were not taken yet.
    package private(set) var received: [Packet] = []
    package private(set) var isClosed = false
    /// Answers PUBLISH, PUBREC and PUBREL as a well-behaved client does.
    package var acknowledgesPublishes = true
    private var reader: PacketReader
    private var decoder: PacketDecoder
    private var pending = ByteBuffer()
    private var lastPacketIdentifier: UInt16 = 0

    package init(_ network: TestNetwork, version: ProtocolVersion = .v5, certificateUser: String? = nil) {
        self.network = network
        self.version = version
        self.reader = PacketReader(limits: network.broker.limits.session)
        self.decoder = PacketDecoder(role: .client, maximumPacketSize: 64 << 20, version: version)
        self.identifier = network.open(self, certificateUser: certificateUser)
    }

    // MARK: Sending

    package func send(_ packets: Packet...) {
        var bytes = ByteBuffer()
        for packet in packets { bytes.writePacket(packet, version: self.version) }
        self.send(bytes: bytes)
    }

    /// Raw bytes, however wrong.
    package func send(bytes: ByteBuffer) {
        guard let identifier = self.identifier else { return }
        self.reader.append(bytes)
        var packets: [Packet] = []
        do throws(DecodingFailure) {
            while try self.reader.read(upTo: 256, into: &packets) {}
            self.network.receive(packets, from: identifier)
        } catch {
            self.network.receive(packets, from: identifier)
            self.network.receive(error, from: identifier)
        }
    }

    package func nextPacketIdentifier() -> PacketIdentifier {
        self.lastPacketIdentifier = self.lastPacketIdentifier == .max ? 1 : self.lastPacketIdentifier + 1
        guard let identifier = PacketIdentifier(rawValue: self.lastPacketIdentifier) else {
            preconditionFailure("the counter starts at 1 and skips 0")
        }
        return identifier
    }

    /// Breaks the network connection without DISCONNECT.
    package func drop() {
        guard let identifier = self.identifier else { return }
        self.identifier = nil
        self.isClosed = true
        self.network.drop(identifier)
    }

    // MARK: Receiving

    /// The next packet that arrived, `nil` when there is none.
    package func next() -> Packet? {
        self.received.isEmpty ? nil : self.received.removeFirst()
    }

    /// All PUBLISH packets that arrived; other packets stay.
    package func takePublishes() -> [Publish] {
        var publishes: [Publish] = []
        self.received.removeAll { packet in
            guard case .publish(let publish) = packet else { return false }
            publishes.append(publish)
            return true
        }
        return publishes
    }

    /// Puts packets that were taken back before those that came since.
    package func putBack(_ packets: [Packet]) {
        self.received = packets + self.received
    }

    @discardableResult
    package func takeAll() -> [Packet] {
        defer { self.received = [] }
        return self.received
    }

    func deliver(_ bytes: ByteBuffer) {
        var bytes = bytes
        self.pending.writeBuffer(&bytes)
        var arrived: [Packet] = []
        do throws(DecodingFailure) {
            while let packet = try self.decoder.next(in: &self.pending) { arrived.append(packet) }
        } catch {
            preconditionFailure("the broker sent what the codec refuses: \(error)")
        }
        self.received += arrived
        guard self.acknowledgesPublishes else { return }
        for packet in arrived { self.acknowledge(packet) }
    }

    func networkClosed() {
        self.identifier = nil
        self.isClosed = true
    }

    private func acknowledge(_ packet: Packet) {
        switch packet {
        case .publish(let publish):
            guard let identifier = publish.packetIdentifier else { return }
            let acknowledgement = Acknowledgement(packetIdentifier: identifier)
            self.send(publish.qos == .exactlyOnce ? .pubRec(acknowledgement) : .pubAck(acknowledgement))
        case .pubRel(let acknowledgement):
            self.send(.pubComp(Acknowledgement(packetIdentifier: acknowledgement.packetIdentifier)))
        case .pubRec(let acknowledgement) where !acknowledgement.reasonCode.isError:
            self.send(.pubRel(Acknowledgement(packetIdentifier: acknowledgement.packetIdentifier)))
        default:
            break
        }
    }
}

/// The usual steps of a conversation, so that a test says only what it is about.
extension ScriptedClient {
    /// Connects and takes the CONNACK.
    @discardableResult
    package func connect(
        _ clientIdentifier: String, cleanStart: Bool = true, keepAlive: UInt16 = 60, will: Will? = nil,
        user: String? = nil, properties: Properties = []
    ) -> ConnAck? {
        self.send(
            .connect(
                Connect(
                    version: self.version, cleanStart: cleanStart, keepAliveSeconds: keepAlive,
                    clientIdentifier: clientIdentifier, properties: properties, will: will, userName: user,
                    password: user.map { ByteBuffer(string: "secret of \($0)") })))
        return self.takeConnAck()
    }

    /// Connects as a user whom the broker then lets in.
    @discardableResult
    package func logIn(
        _ clientIdentifier: String, as user: String, groups: Set<String> = [], cleanStart: Bool = true,
        will: Will? = nil, properties: Properties = []
    ) -> ConnAck? {
        self.connect(clientIdentifier, cleanStart: cleanStart, will: will, user: user, properties: properties)
        self.network.answer(.accepted(user: user, groups: groups, expiresAt: .never))
        return self.takeConnAck()
    }

    package func takeConnAck() -> ConnAck? {
        guard case .connAck(let acknowledgement) = self.next() else { return nil }
        return acknowledgement
    }

    /// Subscribes and takes the SUBACK's codes; messages that came with it stay in `received`.
    @discardableResult
    package func subscribe(
        _ filters: String..., qos: QoS = .exactlyOnce, noLocal: Bool = false, retainAsPublished: Bool = false,
        retainHandling: RetainHandling = .sendOnSubscribe, properties: Properties = []
    ) -> [ReasonCode] {
        let subscriptions = filters.map {
            Subscription(
                filter: $0, maximumQoS: qos, noLocal: noLocal, retainAsPublished: retainAsPublished,
                retainHandling: retainHandling)
        }
        self.send(
            .subscribe(
                Subscribe(
                    packetIdentifier: self.nextPacketIdentifier(), subscriptions: subscriptions,
                    properties: properties)))
        for (index, packet) in self.received.enumerated() {
            guard case .subAck(let acknowledgement) = packet else { continue }
            self.received.remove(at: index)
            return acknowledgement.reasonCodes
        }
        return []
    }

    /// Publishes text; returns the packet identifier that QoS 1 and 2 used.
    @discardableResult
    package func publish(
        _ topic: String, _ payload: String, qos: QoS = .atMostOnce, isRetained: Bool = false,
        properties: Properties = []
    ) -> PacketIdentifier? {
        let identifier = qos == .atMostOnce ? nil : self.nextPacketIdentifier()
        self.send(
            .publish(
                Publish(
                    topic: topic, qos: qos, isRetained: isRetained, packetIdentifier: identifier,
                    properties: properties, payload: ByteBuffer(string: payload))))
        return identifier
    }
}

extension Publish {
    /// The payload as text.
    package var text: String { String(buffer: self.payload) }
}

extension ScriptedClient {
    /// Several packets in one write.
    package func send(contentsOf packets: [Packet]) {
        var bytes = ByteBuffer()
        for packet in packets { bytes.writePacket(packet, version: self.version) }
        self.send(bytes: bytes)
    }
}
