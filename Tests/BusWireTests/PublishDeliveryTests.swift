import NIOCore
import Testing

@testable import BusWire

@Suite("A forwarded PUBLISH")
struct PublishDeliveryTests {
    static let plain = Publish(topic: "a/b", payload: ByteBuffer(string: "hi"))
    static let rich = Publish(
        topic: "a/b",
        properties: [
            .userProperty(name: "b", value: "1"), .topicAlias(3), .messageExpiryInterval(60),
            .userProperty(name: "a", value: "2"),
        ],
        payload: ByteBuffer(string: "hi"))
    /// As a bridge would receive it from another broker.
    static let bridged = Publish(
        topic: "a/b",
        properties: [.subscriptionIdentifier(5), .userProperty(name: "b", value: "1"), .subscriptionIdentifier(200)])

    static func written(_ publish: Publish, _ delivery: PublishDelivery, _ version: ProtocolVersion) -> ByteBuffer {
        var buffer = ByteBuffer()
        publish.write(delivery, version: version, into: &buffer)
        return buffer
    }

    static func forwarded(_ publish: Publish, _ delivery: PublishDelivery) throws -> Publish {
        guard case .publish(let received) = try decoded(written(publish, delivery, .v5), .client, .v5) else {
            throw DecodingFailure(reasonCode: .protocolError, message: "not a PUBLISH")
        }
        return received
    }

    @Test(
        "has the bytes of the specification",
        arguments: [
            (PublishDelivery(), ProtocolVersion.v3_1_1, "30 07 0003 'a/b' 'hi'"),
            (PublishDelivery(isRetained: true), .v3_1, "31 07 0003 'a/b' 'hi'"),
            (
                PublishDelivery(qos: .atLeastOnce, isDuplicate: true, packetIdentifier: 258), .v3_1_1,
                "3A 09 0003 'a/b' 0102 'hi'"
            ),
            (PublishDelivery(qos: .exactlyOnce, packetIdentifier: 1), .v5, "34 0A 0003 'a/b' 0001 00 'hi'"),
            (PublishDelivery(topicAlias: 7), .v5, "30 0B 0003 'a/b' 03 23 0007 'hi'"),
            (PublishDelivery(topicAlias: 7, omitsTopic: true), .v5, "30 08 0000 03 23 0007 'hi'"),
            (PublishDelivery(subscriptionIdentifiers: [1, 200]), .v5, "30 0D 0003 'a/b' 05 0B 01 0B C801 'hi'"),
            (PublishDelivery(messageExpiryInterval: 9), .v5, "30 0D 0003 'a/b' 05 02 00000009 'hi'"),
        ])
    func bytes(_ delivery: PublishDelivery, _ version: ProtocolVersion, _ wire: String) {
        #expect(Self.written(Self.plain, delivery, version).hex == ByteBuffer(wire: wire).hex)
        let count = Self.plain.encodedByteCount(delivery, version: version)
        #expect(count == ByteBuffer(wire: wire).readableBytes)
    }

    @Test("has no properties and always a topic below 5.0", arguments: [ProtocolVersion.v3_1, .v3_1_1])
    func older(_ version: ProtocolVersion) {
        let delivery = PublishDelivery(
            subscriptionIdentifiers: [1], messageExpiryInterval: 9, topicAlias: 7, omitsTopic: true)
        let expected = ByteBuffer(wire: "30 07 0003 'a/b' 'hi'")
        #expect(Self.written(Self.rich, delivery, version) == expected)
        #expect(Self.rich.encodedByteCount(delivery, version: version) == expected.readableBytes)
    }

    @Test("never has DUP with QoS 0 [MQTT-3.3.1-2]")
    func noDuplicateFlag() {
        let bytes = Self.written(Self.plain, PublishDelivery(isDuplicate: true), .v5)
        #expect(bytes.getInteger(at: 0, as: UInt8.self) == 0x30)
    }

    @Test("loses its sender's topic alias and keeps the order of the rest [MQTT-3.3.2-17] [MQTT-3.3.2-18]")
    func dropsAlias() throws {
        #expect(
            try Array(Self.forwarded(Self.rich, PublishDelivery()).properties) == [
                .userProperty(name: "b", value: "1"), .messageExpiryInterval(60),
                .userProperty(name: "a", value: "2"),
            ])
    }

    @Test("has the receiver's topic alias instead")
    func replacesAlias() throws {
        let received = try Self.forwarded(Self.rich, PublishDelivery(topicAlias: 8, omitsTopic: true))
        #expect(received.topicAlias == 8)
        #expect(received.topicLength == 0)
        #expect(received.properties.userProperties.map(\.value) == ["1", "2"])
    }

    @Test("has the subscription identifiers of its receiver only [MQTT-3.3.4-3]")
    func replacesSubscriptionIdentifiers() throws {
        let received = try Self.forwarded(Self.bridged, PublishDelivery(subscriptionIdentifiers: [300]))
        #expect(Array(received.properties) == [.subscriptionIdentifier(300), .userProperty(name: "b", value: "1")])
    }

    @Test("has the expiry interval that is left, in its place [MQTT-3.3.2-6]")
    func replacesExpiry() throws {
        var withoutAlias = Self.rich
        withoutAlias.properties = Self.rich.properties.removing { $0 == .topicAlias }
        for publish in [Self.rich, withoutAlias] {
            let received = try Self.forwarded(publish, PublishDelivery(messageExpiryInterval: 12))
            #expect(
                Array(received.properties) == [
                    .userProperty(name: "b", value: "1"), .messageExpiryInterval(12),
                    .userProperty(name: "a", value: "2"),
                ])
        }
    }

    @Test("has an expiry interval that its sender did not set")
    func addsExpiry() throws {
        let received = try Self.forwarded(Self.bridged, PublishDelivery(messageExpiryInterval: 12))
        #expect(received.messageExpiryInterval == 12)
        #expect(received.properties.userProperties.map(\.value) == ["1"])
    }

    @Test("is as long as announced, whatever it carries", arguments: [ProtocolVersion.v3_1, .v3_1_1, .v5])
    func byteCount(_ version: ProtocolVersion) {
        let deliveries = [
            PublishDelivery(), PublishDelivery(qos: .atLeastOnce, packetIdentifier: 1),
            PublishDelivery(
                subscriptionIdentifiers: [1, 16_384, 268_435_455], messageExpiryInterval: 1, topicAlias: 2),
            PublishDelivery(topicAlias: 2, omitsTopic: true), PublishDelivery(omitsTopic: true),
        ]
        for length in [0, 110, 120, 127, 16_370, 16_384] {
            for properties in [Self.plain.properties, Self.rich.properties, Self.bridged.properties] {
                let publish = Publish(
                    topic: "a/b", properties: properties, payload: ByteBuffer(repeating: 1, count: length))
                for delivery in deliveries {
                    let written = Self.written(publish, delivery, version).readableBytes
                    #expect(publish.encodedByteCount(delivery, version: version) == written)
                }
            }
        }
    }

    @Test(
        "can be written without its payload, which then follows from the shared buffer",
        arguments: [
            ProtocolVersion.v3_1_1, .v5,
        ])
    func headAlone(_ version: ProtocolVersion) {
        let delivery = PublishDelivery(qos: .atLeastOnce, packetIdentifier: 9, messageExpiryInterval: 3)
        var buffer = ByteBuffer()
        Self.rich.writeHead(delivery, version: version, into: &buffer)
        buffer.writeImmutableBuffer(Self.rich.payload)
        #expect(buffer == Self.written(Self.rich, delivery, version))
    }

    @Test("can be measured before it has a packet identifier", arguments: [ProtocolVersion.v3_1_1, .v5])
    func measuredEarly(_ version: ProtocolVersion) {
        let early = PublishDelivery(qos: .atLeastOnce, messageExpiryInterval: 3)
        var late = early
        late.packetIdentifier = 9
        let written = Self.written(Self.rich, late, version)
        #expect(Self.rich.encodedByteCount(early, version: version) == written.readableBytes)
    }

    @Test("is appended to what the buffer holds already")
    func appends() {
        var buffer = ByteBuffer()
        for _ in 0..<3 { Self.plain.write(PublishDelivery(), version: .v5, into: &buffer) }
        #expect(buffer.readableBytes == 3 * Self.plain.encodedByteCount(PublishDelivery(), version: .v5))
    }
}
