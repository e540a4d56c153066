import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

@Suite("SUBSCRIBE and UNSUBSCRIBE by the book")
struct SubscriptionTests {
    let scene = Scene()

    // [MQTT-2.2.1-6] [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.8.4-7] [MQTT-3.9.3-1]
    // [MQTT-3.9.3-2] [MQTT311-2.3.1-7] [MQTT311-3.8.4-1] [MQTT311-3.8.4-2] [MQTT311-3.8.4-4] [MQTT311-3.8.4-5]
    // [MQTT311-3.9.3-1] [MQTT311-3.9.3-2]
    @Test("One SUBACK answers all filters, in their order, with the same identifier", arguments: Scene.versions)
    func answer(_ version: ProtocolVersion) throws {
        let client = self.scene.client("s", version)
        let identifier = try #require(PacketIdentifier(rawValue: 0xABCD))
        let filters: [(String, QoS)] = [
            ("a", .exactlyOnce), ("b/#/c", .atLeastOnce), ("c", .atMostOnce), ("d", .atLeastOnce), ("a", .atMostOnce),
        ]
        client.send(
            .subscribe(
                Subscribe(
                    packetIdentifier: identifier,
                    subscriptions: filters.map { Subscription(filter: $0, maximumQoS: $1) })))
        let failure = version == .v5 ? ReasonCode.topicFilterInvalid : .unspecifiedError
        #expect(
            client.takeAll() == [
                .subAck(
                    SubAck(
                        packetIdentifier: identifier,
                        reasonCodes: [.grantedQoS2, failure, .grantedQoS0, .grantedQoS1, .grantedQoS0]))
            ])
        // The second subscription to `a` has replaced the first.
        self.scene.client("p").publish("a", "x", qos: .exactlyOnce)
        #expect(client.takePublishes().map(\.qos) == [.atMostOnce])
    }

    // [MQTT-3.8.3-2] [MQTT-3.10.3-2] [MQTT311-3.8.3-3] [MQTT311-3.10.3-2]
    @Test("Without a filter they are protocol errors", arguments: Scene.versions, [0x82, 0xA2] as [UInt8])
    func empty(_ version: ProtocolVersion, _ first: UInt8) {
        let client = self.scene.client("s", version)
        client.send(bytes: Wire.packet(first, [0, 1] + Wire.noProperties(version)))
        client.expectEnd(.protocolError)
    }

    // [MQTT-3.8.3-5] [MQTT311-3.8.3-4]
    @Test("Reserved bits of the options end the connection")
    func reservedOptions() {
        let cases: [(ProtocolVersion, [UInt8])] = [(.v5, [0x40, 0x80, 0xC1]), (.v3_1_1, [0x04, 0x08, 0x10, 0x80])]
        for (version, options) in cases {
            for byte in options {
                let client = self.scene.client("s", version)
                client.send(bytes: Wire.packet(0x82, [0, 1] + Wire.noProperties(version) + Wire.string("t") + [byte]))
                client.expectEnd(.malformedPacket)
            }
        }
    }

    @Test("A QoS of 3 or a retain handling of 3 is a protocol error [MQTT311-3.8.3-4]")
    func badOptions() {
        for (version, byte) in [(.v5, 0x03), (.v5, 0x30), (.v3_1_1, 0x03)] as [(ProtocolVersion, UInt8)] {
            let client = self.scene.client("s", version)
            client.send(bytes: Wire.packet(0x82, [0, 1] + Wire.noProperties(version) + Wire.string("t") + [byte]))
            client.expectEnd(.protocolError)
        }
    }

    // [MQTT-3.6.1-1] [MQTT-3.8.1-1] [MQTT-3.10.1-1] [MQTT-2.1.3-1] [MQTT-3.14.1-1] [MQTT311-2.2.2-1] [MQTT311-2.2.2-2]
    // [MQTT311-3.6.1-1] [MQTT311-3.8.1-1] [MQTT311-3.10.1-1] [MQTT311-3.14.1-1]
    @Test(
        "Reserved flags of the fixed header end the connection", arguments: Scene.versions,
        [0x60, 0x80, 0xA0, 0x41, 0xC8, 0xE2] as [UInt8])
    func reservedFlags(_ version: ProtocolVersion, _ first: UInt8) {
        let client = self.scene.client("s", version)
        client.send(bytes: ByteBuffer(bytes: [first, 0]))
        client.expectEnd(.malformedPacket)
    }

    // [MQTT-3.8.4-8] [MQTT-3.3.4-2] [MQTT311-3.8.4-6] [MQTT311-3.3.5-1]
    @Test("Overlapping subscriptions bring one copy, at the highest QoS", arguments: Scene.versions)
    func overlapping(_ version: ProtocolVersion) {
        let client = self.scene.client("s", version)
        client.subscribe("a/#", qos: .exactlyOnce)
        client.subscribe("a/+", qos: .atMostOnce)
        client.subscribe("a/b", qos: .atLeastOnce)
        let publisher = self.scene.client("p")
        publisher.publish("a/b", "x", qos: .exactlyOnce)
        publisher.publish("a/b", "y", qos: .atLeastOnce)
        #expect(client.takePublishes().map(\.qos) == [.exactlyOnce, .atLeastOnce])
    }

    // [MQTT-3.3.4-3] [MQTT-3.3.4-4]
    @Test("The one copy carries every identifier, equal ones too, live, queued and after a reconnect")
    func identifiers() {
        var client = self.scene.client("s", lasts: true)
        client.subscribe("a/#", properties: [.subscriptionIdentifier(1)])
        client.subscribe("a/+", properties: [.subscriptionIdentifier(268_435_455)])
        client.subscribe("a/b", properties: [.subscriptionIdentifier(1)])
        client.subscribe("+/b")
        let publisher = self.scene.client("p")
        publisher.publish("a/b", "x", qos: .atLeastOnce)
        client.drop()
        publisher.publish("a/b", "y", qos: .atLeastOnce)
        var arrived = client.takePublishes()
        client = self.scene.client("s", lasts: true)
        arrived += client.takePublishes()
        #expect(
            arrived.map { $0.properties.subscriptionIdentifiers.sorted() } == [
                [1, 1, 268_435_455], [1, 1, 268_435_455],
            ])
    }

    @Test("A replaced subscription takes its identifier with it [MQTT-3.8.4-3] [MQTT-3.3.4-3]")
    func replacedIdentifier() {
        let client = self.scene.client("s")
        client.subscribe("t", properties: [.subscriptionIdentifier(5)])
        client.subscribe("t")
        self.scene.client("p").publish("t", "x")
        #expect(client.takePublishes().map { $0.properties.subscriptionIdentifiers } == [[]])
    }

    // [MQTT-3.8.3-3] [MQTT-3.3.4-3]
    @Test("Own messages come only by subscriptions that are not no-local, with their terms", arguments: [false, true])
    func noLocalOverlap(_ isNoLocalFirst: Bool) {
        let client = self.scene.client("s")
        for isNoLocal in [isNoLocalFirst, !isNoLocalFirst] {
            client.subscribe(
                isNoLocal ? "t/#" : "t/+", qos: isNoLocal ? .exactlyOnce : .atLeastOnce, noLocal: isNoLocal,
                properties: [.subscriptionIdentifier(isNoLocal ? 1 : 2)])
        }
        client.publish("t/x", "own", qos: .exactlyOnce)
        let own = client.takePublishes()
        #expect(own.map(\.qos) == [.atLeastOnce])
        #expect(own.map { $0.properties.subscriptionIdentifiers } == [[2]])
        self.scene.client("p").publish("t/x", "other's", qos: .exactlyOnce)
        let others = client.takePublishes()
        #expect(others.map(\.qos) == [.exactlyOnce])
        #expect(others.map { $0.properties.subscriptionIdentifiers.sorted() } == [[1, 2]])
    }

    // [MQTT-2.2.1-6] [MQTT-3.10.4-1] [MQTT-3.10.4-2] [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.10.4-6] [MQTT-3.11.3-1]
    // [MQTT-3.11.3-2] [MQTT311-2.3.1-7] [MQTT311-3.10.4-1] [MQTT311-3.10.4-2] [MQTT311-3.10.4-4] [MQTT311-3.10.4-5]
    // [MQTT311-3.10.4-6]
    @Test("UNSUBSCRIBE removes what is equal byte for byte, and is answered in any case", arguments: Scene.versions)
    func unsubscribe(_ version: ProtocolVersion) throws {
        let client = self.scene.client("s", version)
        client.subscribe("a/b", "a/+", "\u{E9}")
        let none = try #require(client.unsubscribe("A/b", "e\u{301}", "a/#"))
        #expect(none.reasonCodes == (version == .v5 ? Array(repeating: .noSubscriptionExisted, count: 3) : []))
        let both = try #require(client.unsubscribe("a/+", "x", "\u{E9}"))
        #expect(both.reasonCodes == (version == .v5 ? [.success, .noSubscriptionExisted, .success] : []))
        let publisher = self.scene.client("p")
        for topic in ["a/b", "a/c", "\u{E9}"] { publisher.publish(topic, topic) }
        #expect(client.takePublishes().map(\.text) == ["a/b"])
    }

    // [MQTT-3.10.4-3] [MQTT311-3.10.4-3]
    @Test("What was being delivered is completed after UNSUBSCRIBE", arguments: Scene.versions)
    func completed(_ version: ProtocolVersion) throws {
        var client = self.scene.client("s", version, lasts: true, acknowledges: false)
        client.subscribe("t")
        self.scene.client("p").publish("t", "x", qos: .exactlyOnce)
        let identifier = try #require(client.takePublishes().first?.packetIdentifier)
        _ = client.unsubscribe("t")
        client.drop()
        client = self.scene.client("s", version, lasts: true, acknowledges: false)
        #expect(client.takePublishes().map(\.packetIdentifier) == [identifier])
        client.send(.acknowledgement(Packet.pubRec, identifier), .acknowledgement(Packet.pubComp, identifier))
        #expect(client.takeAll() == [.acknowledgement(Packet.pubRel, identifier)])
    }

    @Test(
        "$-topics hide from wildcards at the first level only [MQTT-4.7.2-1] [MQTT311-4.7.2-1]",
        arguments: Scene.versions)
    func dollar(_ version: ProtocolVersion) {
        let wild = self.scene.client("wild", version)
        wild.subscribe("#", "+/b", "+/#", "$share/g/#", "$share/g/+/b")
        let named = self.scene.client("named", version)
        named.subscribe("$a/+", "$a/#", "x/+/b")
        let publisher = self.scene.client("p")
        publisher.publish("$a/b", "hidden")
        publisher.publish("x/$a/b", "plain")
        #expect(wild.takePublishes().map(\.text).contains("hidden") == false)
        #expect(named.takePublishes().map(\.text) == ["hidden", "plain"])
    }

    // [MQTT-3.8.3-1] [MQTT-3.10.3-1] [MQTT311-3.8.3-1] [MQTT311-3.10.3-1]
    @Test("A filter that is not UTF-8 ends the connection")
    func illFormedFilter() {
        for version in Scene.versions {
            for (first, options) in [(0x82, [0]), (0xA2, [])] as [(UInt8, [UInt8])] {
                let client = self.scene.client("s", version)
                let filter = Wire.binary([0x61, 0xFF])
                client.send(bytes: Wire.packet(first, [0, 1] + Wire.noProperties(version) + filter + options))
                client.expectEnd(.malformedPacket)
            }
        }
    }
}

@Suite("Order")
struct OrderTests {
    let scene = Scene()

    // [MQTT-4.6.0-5] [MQTT-4.6.0-6] [MQTT311-4.6.0-5] [MQTT311-4.6.0-6]
    @Test(
        "Messages of one client and topic arrive in their order, also past a full window and a reconnect",
        arguments: Scene.versions, [QoS.atLeastOnce, .exactlyOnce])
    func kept(_ version: ProtocolVersion, _ qos: QoS) {
        var client = self.scene.client("s", version, lasts: true, acknowledges: false)
        client.subscribe("t")
        let publishers = ["p", "q"].map { self.scene.client($0, version) }
        for number in 0..<300 {
            if number == 100 { client.drop() }
            if number == 200 { client = self.scene.client("s", version, lasts: true) }
            for publisher in publishers { publisher.publish("t", "\(number)", qos: qos) }
        }
        let numbers = client.takePublishes().compactMap { Int($0.text) }
        #expect(numbers == (0..<300).flatMap { [$0, $0] })
    }

    @Test("Acknowledgements go out in the order of what they acknowledge")
    func acknowledgements() {
        self.scene.client("s").subscribe("#")
        let publisher = self.scene.client("p", acknowledges: false)
        let packets = (1...20).compactMap { number -> Packet? in
            let qos = number % 2 == 0 ? QoS.exactlyOnce : .atLeastOnce
            return .publish(Publish(topic: "t", qos: qos, packetIdentifier: publisher.nextPacketIdentifier()))
        }
        publisher.send(contentsOf: packets)
        let identifiers = publisher.takeAll().compactMap { packet -> UInt16? in
            switch packet {
            case .pubAck(let acknowledgement), .pubRec(let acknowledgement): acknowledgement.packetIdentifier.rawValue
            default: nil
            }
        }
        #expect(identifiers == Array(1...20))
    }
}
