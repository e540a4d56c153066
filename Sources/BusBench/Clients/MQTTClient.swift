import BusWire
import NIOCore

/// A client that speaks MQTT.
final class MQTTClient: BenchClient {
    struct Settings {
        var prefix: String
        var version: ProtocolVersion
        var qos: QoS
        var cleanStart = true
        /// Seconds that the session outlives its connection, MQTT 5.
        var sessionExpiry: UInt32 = 0
    }

    /// Filters in one SUBSCRIBE, and SUBSCRIBEs that wait for their answer.
    private static let filtersPerPacket = 100
    private static let subscribesUnderWayMax = 8

    let settings: Settings
    /// How many QoS 1 and 2 messages the broker takes at a time.
    private(set) var receiveMaximum = Int(UInt16.max)
    private(set) var isSessionPresent = false
    private var decoder: PacketDecoder
    private var nextFilter = 0
    private var answeredFilters = 0
    private var subscribesUnderWay = 0

    init(
        _ role: Role, index: Int, subscriptions: SubscriptionList = .none, settings: Settings, user: any ClientUser
    ) {
        self.settings = settings
        self.decoder = PacketDecoder(role: .client, maximumPacketSize: 64 << 20, version: settings.version)
        super.init(role, index: index, subscriptions: subscriptions, user: user)
    }

    var identifier: String { "\(self.settings.prefix)-\(self.role.rawValue)\(self.index)" }

    override func linkOpened(_ link: Link) {
        var properties = Properties()
        if self.settings.version == .v5 {
            properties.append(.receiveMaximum(.max))
            if self.settings.sessionExpiry > 0 {
                properties.append(.sessionExpiryInterval(self.settings.sessionExpiry))
            }
        }
        self.send(
            .connect(
                Connect(
                    version: self.settings.version, cleanStart: self.settings.cleanStart, keepAliveSeconds: 0,
                    clientIdentifier: self.identifier, properties: properties)), on: link)
    }

    override func linkReceived(_ bytes: inout ByteBuffer, on link: Link) throws(BenchFailure) {
        // Taken out of the object once for a whole read, since each look into an object is checked.
        var decoder = self.decoder
        let user = self.user
        while let packet = try self.nextPacket(in: &bytes, &decoder) {
            if case .publish(let publish) = packet {
                user.received(ReceivedMessage(payload: publish.payload, publish: publish), by: self)
                if let identifier = publish.packetIdentifier { self.acknowledge(identifier, publish.qos, on: link) }
            } else if let failure = self.receive(packet, on: link) {
                throw failure
            }
        }
        self.decoder = decoder
    }

    @inline(__always)
    private func nextPacket(
        in bytes: inout ByteBuffer, _ decoder: inout PacketDecoder
    ) throws(BenchFailure) -> Packet? {
        do throws(DecodingFailure) {
            return try decoder.next(in: &bytes)
        } catch {
            throw BenchFailure("the broker sent a malformed packet to \(self.identifier): \(error.message)")
        }
    }

    override func disconnect() {
        super.disconnect()
        if let link = self.link { self.send(.disconnect(Disconnect()), on: link) }
    }

    private func acknowledge(_ identifier: PacketIdentifier, _ qos: QoS, on link: Link) {
        let acknowledgement = Acknowledgement(packetIdentifier: identifier)
        self.send(qos == .exactlyOnce ? .pubRec(acknowledgement) : .pubAck(acknowledgement), on: link)
    }

    /// Returns why the measurement cannot go on, `nil` normally.
    private func receive(_ packet: Packet, on link: Link) -> BenchFailure? {
        switch packet {
        case .connAck(let acknowledgement):
            return self.connected(acknowledgement, on: link)
        case .subAck(let acknowledgement):
            if let refused = acknowledgement.reasonCodes.first(where: \.isError) {
                return BenchFailure("the broker refused a subscription: \(refused)")
            }
            self.answeredFilters += acknowledgement.reasonCodes.count
            self.subscribesUnderWay -= 1
            link.loop.progressCount += 1
            self.subscribe(on: link)
        case .pubAck(let acknowledgement), .pubComp(let acknowledgement):
            self.finish(acknowledgement)
        case .pubRec(let acknowledgement):
            guard !acknowledgement.reasonCode.isError else {
                self.finish(acknowledgement)
                return nil
            }
            self.send(.pubRel(Acknowledgement(packetIdentifier: acknowledgement.packetIdentifier)), on: link)
        case .pubRel(let acknowledgement):
            self.send(.pubComp(Acknowledgement(packetIdentifier: acknowledgement.packetIdentifier)), on: link)
        case .disconnect(let disconnect):
            return BenchFailure("the broker disconnected \(self.identifier): \(disconnect.reasonCode)")
        case .connect, .publish, .subscribe, .unsubscribe, .unsubAck, .pingReq, .pingResp, .auth:
            break
        }
        return nil
    }

    private func finish(_ acknowledgement: Acknowledgement) {
        self.user.acknowledged(
            acknowledgement.packetIdentifier, isError: acknowledgement.reasonCode.isError, by: self)
    }

    private func connected(_ acknowledgement: ConnAck, on link: Link) -> BenchFailure? {
        guard !acknowledgement.reasonCode.isError else {
            return BenchFailure(
                "the broker refused the connection of \(self.identifier): \(acknowledgement.reasonCode)")
        }
        self.isSessionPresent = acknowledgement.sessionPresent
        if let maximum = acknowledgement.properties.receiveMaximum { self.receiveMaximum = Int(maximum) }
        self.subscribe(on: link)
        return nil
    }

    /// Asks for the next filters; ready once all are answered.
    private func subscribe(on link: Link) {
        while self.nextFilter < self.subscriptions.count, self.subscribesUnderWay < Self.subscribesUnderWayMax {
            let end = min(self.nextFilter + Self.filtersPerPacket, self.subscriptions.count)
            let filters = (self.nextFilter..<end).map {
                Subscription(filter: self.subscriptions.filter($0), maximumQoS: self.settings.qos)
            }
            let number = UInt16(self.nextFilter / Self.filtersPerPacket % 65_535 + 1)
            guard let identifier = PacketIdentifier(number) else { preconditionFailure("the number is at least 1") }
            self.send(.subscribe(Subscribe(packetIdentifier: identifier, subscriptions: filters)), on: link)
            self.nextFilter = end
            self.subscribesUnderWay += 1
        }
        if self.answeredFilters >= self.subscriptions.count { self.becameReady() }
    }

    private func send(_ packet: Packet, on link: Link) {
        link.output.writePacket(packet, version: self.settings.version)
        link.touch()
    }
}
