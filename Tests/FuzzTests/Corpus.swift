import BusTestKit
import BusWire
import NIOCore

/// Conversations of clients as our own encoder writes them, one array of bytes for each packet.
struct Corpus {
    let version: ProtocolVersion
    var random: SeededGenerator

    init(_ version: ProtocolVersion, random: SeededGenerator) {
        self.version = version
        self.random = random
    }

    /// CONNECT and some packets after it.
    mutating func conversation() -> [[UInt8]] {
        var packets = [self.connect()]
        for _ in 0..<self.random.number(in: 3...14) { packets.append(self.packet()) }
        return packets.map { packet in
            var bytes = ByteBuffer()
            bytes.writePacket(packet, version: self.version)
            return Array(bytes.readableBytesView)
        }
    }

    private var isV5: Bool { self.version == .v5 }

    private mutating func connect() -> Packet {
        let user: String? = self.random.chance(30) ? "user" : nil
        let will = Will(
            topic: self.topic(), payload: ByteBuffer(string: "will"), qos: self.qos(),
            isRetained: self.random.chance(50),
            properties: self.isV5 ? [.willDelayInterval(5), .messageExpiryInterval(9), .contentType("t")] : [])
        let properties: Properties = [
            .sessionExpiryInterval(self.random.pick([0, 10, .max])), .receiveMaximum(self.random.pick([1, 3, 1000])),
            .maximumPacketSize(self.random.pick([30, 100_000])), .topicAliasMaximum(self.random.pick([0, 5])),
            .requestProblemInformation(self.random.pick([0, 1])), .requestResponseInformation(1),
            .userProperty(name: "k", value: "v"),
        ]
        return .connect(
            Connect(
                version: self.version, cleanStart: self.random.chance(50),
                keepAliveSeconds: self.random.pick([0, 5, 60]),
                clientIdentifier: "fuzz\(self.random.number(below: 4))", properties: self.isV5 ? properties : [],
                will: self.random.chance(40) ? will : nil, userName: user,
                password: user == nil ? nil : ByteBuffer(string: "password")))
    }

    private mutating func packet() -> Packet {
        let acknowledgement = Acknowledgement(packetIdentifier: self.identifier())
        switch self.random.number(below: 12) {
        case 0...3: return .publish(self.publish())
        case 4, 5: return .subscribe(self.subscribe())
        case 6:
            return .unsubscribe(
                Unsubscribe(packetIdentifier: self.identifier(), filters: [self.filter(), self.filter()]))
        case 7: return .pingReq
        case 8: return .pubRel(acknowledgement)
        case 9: return .pubRec(acknowledgement)
        case 10: return self.random.chance(50) ? .pubAck(acknowledgement) : .pubComp(acknowledgement)
        default:
            return self.random.chance(70)
                ? .pingReq : .disconnect(Disconnect(properties: self.isV5 ? [.sessionExpiryInterval(5)] : []))
        }
    }

    private mutating func publish() -> Publish {
        let qos = self.qos()
        var properties: Properties = []
        if self.isV5, self.random.chance(60) {
            properties = [
                .payloadFormatIndicator(1), .messageExpiryInterval(UInt32(self.random.number(below: 20))),
                .topicAlias(UInt16(self.random.number(in: 1...17))), .responseTopic(self.topic()),
                .correlationData(ByteBuffer(string: "id")), .userProperty(name: "fc-timeout", value: "2s"),
                .contentType("application/json"),
            ]
        }
        return Publish(
            topic: self.isV5 && self.random.chance(15) ? "" : self.topic(), qos: qos,
            isRetained: self.random.chance(30), isDuplicate: qos > .atMostOnce && self.random.chance(20),
            packetIdentifier: qos == .atMostOnce ? nil : self.identifier(), properties: properties,
            payload: ByteBuffer(repeating: UInt8(ascii: "x"), count: self.random.pick([0, 5, 300])))
    }

    private mutating func subscribe() -> Subscribe {
        let isV5 = self.isV5
        let subscriptions = (0..<self.random.number(in: 1...3)).map { _ in
            Subscription(
                filter: self.filter(), maximumQoS: self.qos(), noLocal: isV5 && self.random.chance(20),
                retainAsPublished: isV5 && self.random.chance(30),
                retainHandling: isV5 ? self.random.pick([.sendOnSubscribe, .sendIfNew, .doNotSend]) : .sendOnSubscribe)
        }
        return Subscribe(
            packetIdentifier: self.identifier(), subscriptions: subscriptions,
            properties: isV5 && self.random.chance(40) ? [.subscriptionIdentifier(7)] : [])
    }

    private mutating func identifier() -> PacketIdentifier {
        PacketIdentifier(rawValue: self.random.pick([1, 2, 3, 4, 65_535])) ?? self.identifier()
    }

    private mutating func qos() -> QoS { self.random.pick([.atMostOnce, .atLeastOnce, .exactlyOnce]) }

    private mutating func topic() -> String {
        self.random.pick([
            "a", "a/b", "a/b/c", "ü/€/😀", "$own/a", "fc/s/f/req", "fc/_reply/fuzz1", "fc/s/f/async", "fc/_fn/s/f",
            "fc/s/f/req/fuzz1/7", "fc/_inst/fuzz1", "$SYS/broker", "a/" + String(repeating: "x/", count: 60),
        ])
    }

    private mutating func filter() -> String {
        self.random.pick([
            "a", "a/+", "a/#", "#", "+/b", "$share/g/a/#", "$share/g/fc/s/f/req", "fc/s/f/req", "fc/_reply/fuzz1",
            "fc/s/f/req/#", "fc/#", "$SYS/#", "a/b/" + String(repeating: "+/", count: 30), "+/+/+/#",
        ])
    }
}
