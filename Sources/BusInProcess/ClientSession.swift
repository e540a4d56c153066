package import BusContract
package import BusWire
package import FunctionBus
import NIOCore

/// The client's side of one MQTT 5 connection, as a value: what its owner wants becomes packets, packets that arrive
/// become events and acknowledgements.
///
/// | from us | answered with | told as |
/// |---|---|---|
/// | PUBLISH, QoS 0 | – | `published` at once |
/// | PUBLISH, QoS 1 | PUBACK | `published` |
/// | PUBLISH, QoS 2 | PUBREC, then our PUBREL, then PUBCOMP | `published` |
/// | SUBSCRIBE, UNSUBSCRIBE | SUBACK, UNSUBACK | `subscribed`, `unsubscribed` |
///
/// What arrives is acknowledged when it is handed over; a QoS 2 message that arrives twice is told once.
package struct ClientSession: Sendable {
    package let connect: Connect
    /// Packets to send, in order.
    package private(set) var outgoing: [Packet] = []
    /// Events to tell, in order.
    package private(set) var events: [TransportEvent] = []
    package private(set) var isConnected = false
    /// The broker ends a connection that is silent for longer than one and a half times this; 0 if it does not.
    package private(set) var keepAliveSeconds: UInt16 = 0
    private var packetBytesMax = Int.max
    private var lastIdentifier: UInt16 = 0
    /// Names of packets that have no identifier, beyond all those that have one.
    private var lastName = Int32(UInt16.max)
    /// Packet identifiers that wait for an answer.
    private var pending: Set<UInt16> = []
    /// QoS 2 messages that the broker has not released.
    private var unreleased: Set<UInt16> = []

    /// Begins with a CONNECT.
    package init(clientIdentifier: String, will: ApplicationMessage?) {
        self.connect = Connect(
            clientIdentifier: clientIdentifier,
            will: will.map {
                Will(
                    topic: $0.topic, payload: ByteBuffer(bytes: $0.payload), qos: QoS($0.qos),
                    isRetained: $0.isRetained)
            })
        self.outgoing = [.connect(self.connect)]
    }

    // MARK: What the owner wants

    package mutating func publish(_ message: ApplicationMessage) throws(TransportFailure) -> Int32 {
        guard self.isConnected else { throw .notConnected }
        let identifier = message.qos == 0 ? nil : try self.nextIdentifier()
        let publish = Publish(message, identifier)
        let bytes = publish.encodedByteCount(
            PublishDelivery(qos: publish.qos, packetIdentifier: identifier), version: .v5)
        guard bytes <= self.packetBytesMax else { throw .oversize }
        if let identifier { self.pending.insert(identifier.rawValue) }
        self.outgoing.append(.publish(publish))
        if let identifier { return Int32(identifier.rawValue) }
        self.lastName = self.lastName == .max ? Int32(UInt16.max) + 1 : self.lastName + 1
        self.events.append(.published(packet: self.lastName, reasonCode: 0))
        return self.lastName
    }

    package mutating func subscribe(_ filter: String, qos: Int) throws(TransportFailure) -> Int32 {
        let identifier = try self.open()
        let subscription = Subscription(filter: filter, maximumQoS: QoS(qos))
        self.outgoing.append(.subscribe(Subscribe(packetIdentifier: identifier, subscriptions: [subscription])))
        return Int32(identifier.rawValue)
    }

    package mutating func unsubscribe(_ filter: String) throws(TransportFailure) -> Int32 {
        let identifier = try self.open()
        self.outgoing.append(.unsubscribe(Unsubscribe(packetIdentifier: identifier, filters: [filter])))
        return Int32(identifier.rawValue)
    }

    package mutating func ping() {
        if self.isConnected { self.outgoing.append(.pingReq) }
    }

    package mutating func disconnect() {
        if self.isConnected { self.outgoing.append(.disconnect(Disconnect())) }
        self.isConnected = false
    }

    /// Moves out what is to be sent.
    package mutating func takePackets() -> [Packet] {
        defer { self.outgoing = [] }
        return self.outgoing
    }

    /// Moves out what is to be told.
    package mutating func takeEvents() -> [TransportEvent] {
        defer { self.events = [] }
        return self.events
    }

    private mutating func open() throws(TransportFailure) -> PacketIdentifier {
        guard self.isConnected else { throw .notConnected }
        let identifier = try self.nextIdentifier()
        self.pending.insert(identifier.rawValue)
        return identifier
    }

    private mutating func nextIdentifier() throws(TransportFailure) -> PacketIdentifier {
        for _ in 0..<UInt16.max {
            self.lastIdentifier = self.lastIdentifier == .max ? 1 : self.lastIdentifier + 1
            if !self.pending.contains(self.lastIdentifier), let identifier = PacketIdentifier(self.lastIdentifier) {
                return identifier
            }
        }
        throw .refused("65535 packets wait for the broker's acknowledgement")
    }

    // MARK: What arrives

    package mutating func receive(_ packet: Packet) {
        switch packet {
        case .connAck(let answer): self.receive(answer)
        case .publish(let publish): self.receive(publish)
        case .pubAck(let answer), .pubComp(let answer): self.finish(answer.packetIdentifier, answer.reasonCode)
        case .pubRec(let answer):
            guard !answer.reasonCode.isError else {
                return self.finish(answer.packetIdentifier, answer.reasonCode)
            }
            self.outgoing.append(.pubRel(Acknowledgement(packetIdentifier: answer.packetIdentifier)))
        case .pubRel(let release):
            self.unreleased.remove(release.packetIdentifier.rawValue)
            self.outgoing.append(.pubComp(Acknowledgement(packetIdentifier: release.packetIdentifier)))
        case .subAck(let answer):
            self.pending.remove(answer.packetIdentifier.rawValue)
            let code = answer.reasonCodes.first.map { Int($0.rawValue) } ?? 0x80
            self.events.append(.subscribed(packet: Int32(answer.packetIdentifier.rawValue), reasonCode: code))
        case .unsubAck(let answer):
            self.pending.remove(answer.packetIdentifier.rawValue)
            self.events.append(.unsubscribed(packet: Int32(answer.packetIdentifier.rawValue)))
        // The driver sees the connection close, and says why.
        case .disconnect, .pingResp, .auth: break
        case .connect, .subscribe, .unsubscribe, .pingReq: break
        }
    }

    private mutating func receive(_ answer: ConnAck) {
        guard !answer.reasonCode.isError else {
            self.events.append(.refused(reasonCode: Int(answer.reasonCode.rawValue)))
            return
        }
        self.isConnected = true
        if let limit = answer.properties.maximumPacketSize { self.packetBytesMax = Int(limit) }
        self.keepAliveSeconds = answer.properties.serverKeepAlive ?? 0
        let isFcbus = answer.properties.firstUserProperty(named: PropertyName.broker) == "1"
        let hasSharedSubscriptions = answer.properties.sharedSubscriptionAvailable != 0
        self.events.append(.connected(isFcbus: isFcbus, hasSharedSubscriptions: hasSharedSubscriptions))
    }

    private mutating func receive(_ publish: Publish) {
        switch (publish.qos, publish.packetIdentifier) {
        case (.atLeastOnce, let identifier?):
            self.outgoing.append(.pubAck(Acknowledgement(packetIdentifier: identifier)))
        case (.exactlyOnce, let identifier?):
            self.outgoing.append(.pubRec(Acknowledgement(packetIdentifier: identifier)))
            guard self.unreleased.insert(identifier.rawValue).inserted else { return }
        default: break
        }
        self.events.append(.message(ApplicationMessage(publish)))
    }

    private mutating func finish(_ identifier: PacketIdentifier, _ code: ReasonCode) {
        guard self.pending.remove(identifier.rawValue) != nil else { return }
        self.events.append(.published(packet: Int32(identifier.rawValue), reasonCode: Int(code.rawValue)))
    }
}

extension QoS {
    /// What the bus has checked already.
    fileprivate init(_ number: Int) {
        self = QoS(rawValue: UInt8(clamping: number)) ?? .exactlyOnce
    }
}

extension Publish {
    fileprivate init(_ message: ApplicationMessage, _ identifier: PacketIdentifier?) {
        let own = message.properties
        var properties = Properties()
        if let value = own.payloadFormatIndicator { properties.append(.payloadFormatIndicator(value)) }
        if let value = own.messageExpiryInterval { properties.append(.messageExpiryInterval(value)) }
        if let value = own.contentType { properties.append(.contentType(value)) }
        if let value = own.responseTopic { properties.append(.responseTopic(value)) }
        if let value = own.correlationData { properties.append(.correlationData(ByteBuffer(bytes: value))) }
        for (name, value) in own.userProperties { properties.append(.userProperty(name: name, value: value)) }
        self.init(
            topic: message.topic, qos: QoS(message.qos), isRetained: message.isRetained, packetIdentifier: identifier,
            properties: properties, payload: ByteBuffer(bytes: message.payload))
    }
}

extension ApplicationMessage {
    fileprivate init(_ publish: Publish) {
        self.init(
            topic: publish.topic, payload: Array(publish.payload.readableBytesView), qos: Int(publish.qos.rawValue),
            isRetained: publish.isRetained)
        guard publish.hasProperties else { return }
        let properties = publish.properties
        self.properties.payloadFormatIndicator = properties.payloadFormatIndicator
        self.properties.messageExpiryInterval = properties.messageExpiryInterval
        self.properties.contentType = properties.contentType
        self.properties.responseTopic = properties.responseTopic
        self.properties.correlationData = properties.correlationData.map { Array($0.readableBytesView) }
        self.properties.userProperties = properties.userProperties
    }
}
