import NIOCore
import Testing

@testable import BusWire

/// A packet of every type, in every version that has it, with every property that it may carry.
struct Sample: Sendable, CustomTestStringConvertible {
    var packet: Packet
    var version: ProtocolVersion
    var receiver: PacketDecoder.Role

    var bytes: ByteBuffer { encoded(self.packet, self.version) }
    var testDescription: String { "\(self.packet.type) in \(self.version) to \(self.receiver)" }

    static let all: [Sample] = older(.v3_1) + older(.v3_1_1) + fifth
    static let connects = all.filter { $0.packet.type == .connect }

    private static func older(_ version: ProtocolVersion) -> [Sample] {
        let toServer: [Packet] = [
            .connect(
                Connect(
                    version: version, cleanStart: false, keepAliveSeconds: 60, clientIdentifier: "meter-1",
                    will: Will(topic: "gone/meter-1", payload: bytes("bye"), qos: .exactlyOnce, isRetained: true),
                    userName: "meter", password: bytes("secret"))),
            .connect(Connect(version: version)),
            .subscribe(
                Subscribe(
                    packetIdentifier: 10,
                    subscriptions: [Subscription(filter: "a/+", maximumQoS: .exactlyOnce), Subscription(filter: "#")])),
            .unsubscribe(Unsubscribe(packetIdentifier: 11, filters: ["a/+", "#"])),
            .pingReq,
            .disconnect(Disconnect()),
        ]
        let toClient: [Packet] = [
            .connAck(ConnAck(sessionPresent: version == .v3_1_1)),
            .connAck(ConnAck(reasonCode: .notAuthorized)),
            .subAck(SubAck(packetIdentifier: 10, reasonCodes: [.grantedQoS2, .unspecifiedError])),
            .unsubAck(UnsubAck(packetIdentifier: 11)),
            .pingResp,
        ]
        return samples(version, toServer + publishes([]) + acknowledgements(.success, []), .server)
            + samples(version, toClient + publishes([]) + acknowledgements(.success, []), .client)
    }

    private static var fifth: [Sample] {
        let toServer: [Packet] = [
            .connect(
                Connect(
                    cleanStart: false, keepAliveSeconds: 60, clientIdentifier: "meter-1",
                    properties: Properties(connectProperties),
                    will: Will(
                        topic: "gone/meter-1", payload: bytes("bye"), qos: .atLeastOnce, isRetained: true,
                        properties: Properties(willProperties)),
                    userName: "meter", password: bytes("secret"))),
            .connect(Connect(password: bytes("token"))),
            .subscribe(
                Subscribe(
                    packetIdentifier: 10, subscriptions: subscriptions,
                    properties: [.subscriptionIdentifier(268_435_455), user])),
            .unsubscribe(Unsubscribe(packetIdentifier: 11, filters: ["a/+", "#"], properties: [user])),
            .pingReq,
            .disconnect(Disconnect()),
            .disconnect(Disconnect(reasonCode: .disconnectWithWill)),
            .disconnect(Disconnect(properties: [.sessionExpiryInterval(60), .reasonString("done"), user])),
        ]
        let toClient: [Packet] = [
            .connAck(ConnAck(sessionPresent: true, properties: Properties(connAckProperties))),
            .connAck(ConnAck(reasonCode: .serverMoved, properties: [.serverReference("other:1883")])),
            .subAck(
                SubAck(packetIdentifier: 10, reasonCodes: [.grantedQoS1, .notAuthorized], properties: [reason, user])),
            .unsubAck(
                UnsubAck(packetIdentifier: 11, reasonCodes: [.success, .noSubscriptionExisted], properties: [reason])),
            .pingResp,
            .disconnect(
                Disconnect(reasonCode: .useAnotherServer, properties: [.serverReference("other"), reason, user])),
        ]
        let both: [Packet] =
            publishes(Properties(publishProperties)) + publishes([]) + acknowledgements(.success, [])
            + acknowledgements(.success, [reason, user]) + [
                .pubAck(Acknowledgement(packetIdentifier: 7, reasonCode: .quotaExceeded)),
                .pubComp(Acknowledgement(packetIdentifier: 7, reasonCode: .packetIdentifierNotFound)),
                .auth(Auth()),
                .auth(
                    Auth(
                        reasonCode: .continueAuthentication,
                        properties: [.authenticationMethod("SCRAM"), .authenticationData(bytes("x")), reason, user])),
            ]
        return samples(.v5, toServer + both, .server) + samples(.v5, toClient + both + [manyIdentifiers], .client)
    }

    private static func samples(
        _ version: ProtocolVersion, _ packets: [Packet], _ receiver: PacketDecoder.Role
    ) -> [Sample] {
        packets.map { Sample(packet: $0, version: version, receiver: receiver) }
    }

    private static func publishes(_ properties: Properties) -> [Packet] {
        [
            .publish(Publish(topic: "a/b", properties: properties, payload: bytes("hello"))),
            .publish(Publish(topic: "a", isRetained: true, properties: properties)),
            .publish(
                Publish(
                    topic: "ü/€/😀", qos: .atLeastOnce, isDuplicate: true, packetIdentifier: 65535,
                    properties: properties, payload: bytes("1"))),
            .publish(
                Publish(
                    topic: "long", qos: .exactlyOnce, packetIdentifier: 1, properties: properties,
                    payload: ByteBuffer(repeating: 0xA5, count: 300))),
        ]
    }

    private static func acknowledgements(_ code: ReasonCode, _ properties: Properties) -> [Packet] {
        let value = Acknowledgement(packetIdentifier: 513, reasonCode: code, properties: properties)
        return [.pubAck(value), .pubRec(value), .pubRel(value), .pubComp(value)]
    }
}

extension Sample {
    static let user = Property.userProperty(name: "key", value: "value")
    static let reason = Property.reasonString("because")

    static let connectProperties: [Property] = [
        .sessionExpiryInterval(3600), .receiveMaximum(64), .maximumPacketSize(65536), .topicAliasMaximum(16),
        .requestResponseInformation(1), .requestProblemInformation(0), user, .authenticationMethod("SCRAM"),
        .authenticationData(bytes("first")),
    ]
    static let willProperties: [Property] = [
        .willDelayInterval(30), .payloadFormatIndicator(1), .messageExpiryInterval(90), .contentType("text/plain"),
        .responseTopic("answers"), .correlationData(bytes("42")), user,
    ]
    static let connAckProperties: [Property] = [
        .sessionExpiryInterval(7), .receiveMaximum(64), .maximumQoS(1), .retainAvailable(1),
        .maximumPacketSize(1_000_000), .assignedClientIdentifier("auto-1"), .topicAliasMaximum(16), reason, user,
        .wildcardSubscriptionAvailable(1), .subscriptionIdentifierAvailable(1), .sharedSubscriptionAvailable(0),
        .serverKeepAlive(300), .responseInformation("fc/_reply/auto-1"), .serverReference("other"),
        .authenticationMethod("SCRAM"), .authenticationData(bytes("last")),
    ]
    static let publishProperties: [Property] = [
        .payloadFormatIndicator(1), .messageExpiryInterval(10), .topicAlias(3), .responseTopic("fc/_reply/me"),
        .correlationData(bytes("0123456789abcdef")), .userProperty(name: "b", value: "1"),
        .userProperty(name: "a", value: "2"), .userProperty(name: "b", value: "3"), .contentType("application/json"),
    ]
    static let subscriptions = [
        Subscription(filter: "a/+", maximumQoS: .exactlyOnce, noLocal: true, retainHandling: .sendIfNew),
        Subscription(filter: "$share/g/#", maximumQoS: .atLeastOnce, retainAsPublished: true),
        Subscription(filter: "x", retainHandling: .doNotSend),
    ]
    static let manyIdentifiers = Packet.publish(
        Publish(topic: "a", properties: [.subscriptionIdentifier(1), .subscriptionIdentifier(128)]))

    static func bytes(_ text: String) -> ByteBuffer {
        ByteBuffer(string: text)
    }
}
