import NIOCore
import Testing

@testable import BusWire

/// Bytes worked out by hand from the tables of the specification, so that encoder and decoder cannot agree on an error.
@Suite("The bytes on the wire")
struct WireVectorTests {
    struct Vector: Sendable {
        var packet: Packet
        var version: ProtocolVersion
        var wire: String

        init(_ packet: Packet, _ version: ProtocolVersion, _ wire: String) {
            self.packet = packet
            self.version = version
            self.wire = wire
        }
    }

    static let connects: [Vector] = [
        Vector(
            .connect(Connect(version: .v3_1, keepAliveSeconds: 10, clientIdentifier: "a")), .v3_1,
            "10 0F 0006 'MQIsdp' 03 02 000A 0001 'a'"),
        Vector(
            .connect(
                Connect(
                    version: .v3_1_1, cleanStart: true, clientIdentifier: "a",
                    will: Will(topic: "w", payload: ByteBuffer(string: "p"), qos: .atLeastOnce), userName: "u",
                    password: ByteBuffer(string: "s"))),
            .v3_1_1, "10 19 0004 'MQTT' 04 CE 0000 0001 'a' 0001 'w' 0001 'p' 0001 'u' 0001 's'"),
        Vector(
            .connect(
                Connect(
                    cleanStart: false, keepAliveSeconds: 10, clientIdentifier: "a",
                    properties: [.sessionExpiryInterval(10)],
                    will: Will(topic: "w", isRetained: true, properties: [.willDelayInterval(1)]))),
            .v5, "10 1E 0004 'MQTT' 05 24 000A 05 11 0000000A 0001 'a' 05 18 00000001 0001 'w' 0000"),
    ]

    static let publishes: [Vector] = [
        Vector(
            .publish(Publish(topic: "a/b", payload: ByteBuffer(string: "hi"))), .v3_1_1, "30 07 0003 'a/b' 'hi'"),
        Vector(
            .publish(Publish(topic: "a/b", qos: .atLeastOnce, isDuplicate: true, packetIdentifier: 10)), .v3_1_1,
            "3A 07 0003 'a/b' 000A"),
        Vector(.publish(Publish(topic: "a", isRetained: true)), .v5, "31 04 0001 'a' 00"),
        Vector(
            .publish(
                Publish(
                    topic: "a", qos: .exactlyOnce, packetIdentifier: 258,
                    properties: [.topicAlias(1), .userProperty(name: "k", value: "v")],
                    payload: ByteBuffer(string: "hi"))),
            .v5, "34 12 0001 'a' 0102 0A 23 0001 26 0001 'k' 0001 'v' 'hi'"),
    ]

    static let acknowledgements: [Vector] = [
        Vector(.connAck(ConnAck(sessionPresent: true)), .v3_1_1, "20 02 01 00"),
        Vector(.connAck(ConnAck(reasonCode: .badUserNameOrPassword)), .v3_1_1, "20 02 00 04"),
        Vector(.connAck(ConnAck(properties: [.maximumQoS(1)])), .v5, "20 05 00 00 02 24 01"),
        Vector(.pubAck(Acknowledgement(packetIdentifier: 1)), .v3_1_1, "40 02 0001"),
        Vector(.pubAck(Acknowledgement(packetIdentifier: 1)), .v5, "40 02 0001"),
        Vector(
            .pubAck(Acknowledgement(packetIdentifier: 1, reasonCode: .noMatchingSubscribers)), .v5, "40 03 0001 10"),
        Vector(
            .pubAck(Acknowledgement(packetIdentifier: 1, properties: [.reasonString("r")])), .v5,
            "40 08 0001 00 04 1F 0001 'r'"),
        Vector(.pubRec(Acknowledgement(packetIdentifier: 1)), .v5, "50 02 0001"),
        Vector(.pubRel(Acknowledgement(packetIdentifier: 1)), .v5, "62 02 0001"),
        Vector(
            .pubComp(Acknowledgement(packetIdentifier: 1, reasonCode: .packetIdentifierNotFound)), .v5,
            "70 03 0001 92"),
    ]

    static let others: [Vector] = [
        Vector(
            .subscribe(
                Subscribe(
                    packetIdentifier: 10, subscriptions: [Subscription(filter: "a/b", maximumQoS: .atLeastOnce)])),
            .v3_1_1, "82 08 000A 0003 'a/b' 01"),
        Vector(
            .subscribe(
                Subscribe(
                    packetIdentifier: 10,
                    subscriptions: [
                        Subscription(
                            filter: "a", maximumQoS: .exactlyOnce, noLocal: true, retainAsPublished: true,
                            retainHandling: .doNotSend)
                    ],
                    properties: [.subscriptionIdentifier(128)])),
            .v5, "82 0A 000A 03 0B 8001 0001 'a' 2E"),
        Vector(
            .subAck(SubAck(packetIdentifier: 10, reasonCodes: [.grantedQoS0, .unspecifiedError])), .v3_1_1,
            "90 04 000A 00 80"),
        Vector(
            .subAck(SubAck(packetIdentifier: 10, reasonCodes: [.grantedQoS2, .notAuthorized])), .v5,
            "90 05 000A 00 02 87"),
        Vector(.unsubscribe(Unsubscribe(packetIdentifier: 10, filters: ["a"])), .v3_1_1, "A2 05 000A 0001 'a'"),
        Vector(.unsubscribe(Unsubscribe(packetIdentifier: 10, filters: ["a"])), .v5, "A2 06 000A 00 0001 'a'"),
        Vector(.unsubAck(UnsubAck(packetIdentifier: 10)), .v3_1_1, "B0 02 000A"),
        Vector(
            .unsubAck(UnsubAck(packetIdentifier: 10, reasonCodes: [.noSubscriptionExisted])), .v5, "B0 04 000A 00 11"),
        Vector(.pingReq, .v5, "C0 00"), Vector(.pingResp, .v5, "D0 00"),
        Vector(.disconnect(Disconnect()), .v3_1_1, "E0 00"), Vector(.disconnect(Disconnect()), .v5, "E0 00"),
        Vector(.disconnect(Disconnect(reasonCode: .sessionTakenOver)), .v5, "E0 01 8E"),
        Vector(
            .disconnect(Disconnect(properties: [.sessionExpiryInterval(1)])), .v5, "E0 07 00 05 11 00000001"),
        Vector(.auth(Auth()), .v5, "F0 00"),
        Vector(
            .auth(Auth(reasonCode: .reAuthenticate, properties: [.authenticationMethod("m")])), .v5,
            "F0 06 19 04 15 0001 'm'"),
    ]

    // [MQTT-2.2.2-1] [MQTT-2.1.3-1] [MQTT311-2.2.2-1]
    @Test("are those of the specification", arguments: connects + publishes + acknowledgements + others)
    func encodes(_ vector: Vector) {
        #expect(encoded(vector.packet, vector.version).hex == ByteBuffer(wire: vector.wire).hex)
    }

    @Test(
        "mean what the specification says in longer forms than the encoder's",
        arguments: [
            ("40 03 0001 00", Packet.pubAck(Acknowledgement(packetIdentifier: 1))),
            ("40 04 0001 00 00", .pubAck(Acknowledgement(packetIdentifier: 1))),
            ("E0 01 00", .disconnect(Disconnect())),
            ("E0 02 04 00", .disconnect(Disconnect(reasonCode: .disconnectWithWill))),
            ("F0 02 00 00", .auth(Auth())),
        ])
    func decodesLongForms(_ wire: String, _ packet: Packet) throws {
        #expect(try decoded(ByteBuffer(wire: wire), .server, .v5) == packet)
    }

    @Test("have a remaining length of one to four bytes", arguments: [127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
    func remainingLength(_ length: Int) throws {
        let publish = Publish(topic: "a", payload: ByteBuffer(repeating: 1, count: length - 3))
        let bytes = encoded(.publish(publish), .v3_1_1)
        #expect(bytes.readableBytes == 1 + VariableByteInteger.byteCount(of: length) + length)
        #expect(try decoded(bytes, .server, .v3_1_1, maximum: 1 << 22) == .publish(publish))
    }

    @Test("of a long SUBSCRIBE are moved behind its longer remaining length")
    func longBody() throws {
        let subscriptions = (0..<2000).map { Subscription(filter: "filter/\($0)") }
        let packet = Packet.subscribe(Subscribe(packetIdentifier: 1, subscriptions: subscriptions))
        var buffer = ByteBuffer(string: "before")
        buffer.writePacket(packet, version: .v5)
        #expect(buffer.readString(length: 6) == "before")
        #expect(try decoded(buffer, .server, .v5) == packet)
    }

    @Test("carry one failure code only in a SUBACK below 5.0 [MQTT311-3.9.3-2]")
    func olderSubAckFailure() {
        let subAck = SubAck(packetIdentifier: 1, reasonCodes: [.notAuthorized])
        #expect(encoded(.subAck(subAck), .v3_1_1).hex == "90 03 00 01 80")
    }

    @Test("never say that a session is present in a refusal [MQTT-3.2.2-6]", arguments: [ProtocolVersion.v3_1_1, .v5])
    func refusalWithoutSession(_ version: ProtocolVersion) {
        let bytes = encoded(.connAck(ConnAck(sessionPresent: true, reasonCode: .serverBusy)), version)
        #expect(bytes.getInteger(at: 2, as: UInt8.self) == 0)
    }
}
