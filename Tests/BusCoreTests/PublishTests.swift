import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

@Suite("PUBLISH")
struct PublishTests {
    let network = TestNetwork()

    func client(_ name: String, version: ProtocolVersion = .v5, properties: Properties = []) -> ScriptedClient {
        let client = ScriptedClient(self.network, version: version)
        client.connect(name, properties: version == .v5 ? properties : [])
        return client
    }

    @Test(
        "A message arrives at the lower of both QoS [MQTT-3.8.4-8]",
        arguments: [QoS.atMostOnce, .atLeastOnce, .exactlyOnce], [QoS.atMostOnce, .atLeastOnce, .exactlyOnce])
    func qos(_ published: QoS, _ subscribed: QoS) {
        for version in [ProtocolVersion.v3_1_1, .v5] {
            let subscriber = self.client("s", version: version)
            subscriber.subscribe("t", qos: subscribed)
            let publisher = self.client("p", version: version)
            publisher.publish("t", "hello", qos: published)
            let publishes = subscriber.takePublishes()
            #expect(publishes.map(\.text) == ["hello"])
            #expect(publishes.first?.qos == min(published, subscribed))
            #expect(publishes.first?.isDuplicate == false)
        }
    }

    @Test("QoS 1 is acknowledged with PUBACK, QoS 2 with PUBREC and PUBCOMP [MQTT-4.3.2-4] [MQTT-4.3.3-8]")
    func acknowledgements() throws {
        let publisher = self.client("p", version: .v3_1_1)
        let first = try #require(publisher.publish("t", "1", qos: .atLeastOnce))
        #expect(publisher.takeAll() == [.pubAck(Acknowledgement(packetIdentifier: first))])
        let second = try #require(publisher.publish("t", "2", qos: .exactlyOnce))
        let acknowledgement = Acknowledgement(packetIdentifier: second)
        #expect(publisher.takeAll() == [.pubRec(acknowledgement), .pubComp(acknowledgement)])
    }

    @Test("A QoS 2 message sent twice before PUBREL is delivered once [MQTT-4.3.3-10]")
    func duplicateQoS2() throws {
        let subscriber = self.client("s")
        subscriber.subscribe("t")
        let publisher = self.client("p")
        publisher.acknowledgesPublishes = false
        let identifier = publisher.nextPacketIdentifier()
        for isDuplicate in [false, true] {
            publisher.send(
                .publish(
                    Publish(
                        topic: "t", qos: .exactlyOnce, isDuplicate: isDuplicate, packetIdentifier: identifier,
                        payload: ByteBuffer(string: "once"))))
        }
        #expect(subscriber.takePublishes().map(\.text) == ["once"])
        publisher.send(.pubRel(Acknowledgement(packetIdentifier: identifier)))
        publisher.send(
            .publish(
                Publish(
                    topic: "t", qos: .exactlyOnce, packetIdentifier: identifier, payload: ByteBuffer(string: "again"))))
        #expect(subscriber.takePublishes().map(\.text) == ["again"])
    }

    @Test("PUBREL for an unknown identifier is answered with 0x92 in 5.0 and plainly in 3.1.1")
    func unknownRelease() throws {
        let identifier = try #require(PacketIdentifier(rawValue: 77))
        let modern = self.client("m")
        modern.send(.pubRel(Acknowledgement(packetIdentifier: identifier)))
        #expect(
            modern.next()
                == .pubComp(Acknowledgement(packetIdentifier: identifier, reasonCode: .packetIdentifierNotFound)))
        let old = self.client("o", version: .v3_1_1)
        old.send(.pubRel(Acknowledgement(packetIdentifier: identifier)))
        #expect(old.next() == .pubComp(Acknowledgement(packetIdentifier: identifier)))
    }

    @Test("A publish that nobody gets says so in 5.0")
    func noMatchingSubscribers() throws {
        let publisher = self.client("p")
        let identifier = try #require(publisher.publish("nobody", "x", qos: .atLeastOnce))
        #expect(
            publisher.next()
                == .pubAck(Acknowledgement(packetIdentifier: identifier, reasonCode: .noMatchingSubscribers)))
    }

    @Test("More QoS 2 messages under way than announced end the connection with 0x93 [MQTT-3.3.4-7]")
    func receiveMaximumIn() {
        let publisher = self.client("p")
        publisher.acknowledgesPublishes = false
        for _ in 0..<64 { publisher.publish("t", "x", qos: .exactlyOnce) }
        #expect(!publisher.isClosed)
        publisher.publish("t", "one too many", qos: .exactlyOnce)
        #expect(publisher.isClosed)
        guard case .disconnect(let goodbye) = publisher.takeAll().last else {
            Issue.record("no DISCONNECT")
            return
        }
        #expect(goodbye.reasonCode == .receiveMaximumExceeded)
    }

    @Test("The client's Receive Maximum is kept and the rest follows in order [MQTT-3.3.4-9]")
    func receiveMaximumOut() {
        let subscriber = self.client("s", properties: [.receiveMaximum(2)])
        subscriber.acknowledgesPublishes = false
        subscriber.subscribe("t", qos: .atLeastOnce)
        let publisher = self.client("p")
        for number in 1...5 { publisher.publish("t", "\(number)", qos: .atLeastOnce) }
        var seen: [String] = []
        for expected in [2, 2, 1] {
            let arrived = subscriber.takePublishes()
            #expect(arrived.count == expected)
            seen += arrived.map(\.text)
            subscriber.send(
                contentsOf: arrived.compactMap(\.packetIdentifier).map {
                    .pubAck(Acknowledgement(packetIdentifier: $0))
                })
        }
        #expect(seen == ["1", "2", "3", "4", "5"])
    }

    @Test("A message above the client's Maximum Packet Size is not sent and not waited for [MQTT-3.1.2-24]")
    func maximumPacketSize() {
        let subscriber = self.client("s", properties: [.maximumPacketSize(50), .receiveMaximum(1)])
        subscriber.subscribe("t", qos: .atLeastOnce)
        let publisher = self.client("p")
        publisher.publish("t", String(repeating: "x", count: 100), qos: .atLeastOnce)
        publisher.publish("t", "small", qos: .atLeastOnce)
        publisher.publish("t", String(repeating: "x", count: 100))
        #expect(subscriber.takePublishes().map(\.text) == ["small"])
        #expect(self.network.broker.statistics.droppedTooLarge == 2)
    }

    @Test("A topic alias stands for its topic, on its own connection [MQTT-3.3.2-12]")
    func topicAlias() {
        let subscriber = self.client("s")
        subscriber.subscribe("t/#")
        let publisher = self.client("p")
        publisher.publish("t/long/name", "1", properties: [.topicAlias(3)])
        publisher.publish("", "2", properties: [.topicAlias(3)])
        let arrived = subscriber.takePublishes()
        #expect(arrived.map(\.topic) == ["t/long/name", "t/long/name"])
        #expect(arrived.allSatisfy { $0.topicAlias == nil })
        let other = self.client("q")
        other.publish("", "3", properties: [.topicAlias(3)])
        #expect(other.isClosed)
    }

    @Test("A topic alias above the maximum ends the connection with 0x94 [MQTT-3.3.2-9]")
    func topicAliasRange() {
        let publisher = self.client("p")
        publisher.publish("t", "x", properties: [.topicAlias(17)])
        guard case .disconnect(let goodbye) = publisher.next() else {
            Issue.record("no DISCONNECT")
            return
        }
        #expect(goodbye.reasonCode == .topicAliasInvalid)
    }

    @Test("User properties, content type and correlation pass unchanged and in order [MQTT-3.3.2-17] [MQTT-3.3.2-18]")
    func properties() {
        let properties: Properties = [
            .payloadFormatIndicator(1), .contentType("text/plain"), .userProperty(name: "b", value: "1"),
            .userProperty(name: "a", value: "2"), .userProperty(name: "b", value: "3"),
            .correlationData(ByteBuffer(string: "id")), .responseTopic("answers"),
        ]
        let subscriber = self.client("s")
        subscriber.subscribe("t")
        self.client("p").publish("t", "x", properties: properties)
        #expect(subscriber.takePublishes().first?.properties == properties)
    }

    @Test("Message expiry counts down while a message waits and drops it when it is over [MQTT-3.3.2-5] [MQTT-3.3.2-6]")
    func messageExpiry() {
        var subscriber = self.client("s", properties: [.sessionExpiryInterval(1000)])
        subscriber.subscribe("t")
        subscriber.drop()
        let publisher = self.client("p")
        publisher.publish("t", "short", qos: .atLeastOnce, properties: [.messageExpiryInterval(5)])
        publisher.publish("t", "long", qos: .atLeastOnce, properties: [.messageExpiryInterval(50)])
        self.network.advance(seconds: 10)
        subscriber = ScriptedClient(self.network)
        subscriber.connect("s", cleanStart: false)
        let arrived = subscriber.takePublishes()
        #expect(arrived.map(\.text) == ["long"])
        #expect(arrived.first?.properties.messageExpiryInterval == 40)
    }

    @Test("Unacknowledged messages come again, marked as duplicates, in their order [MQTT-4.4.0-1] [MQTT311-4.6.0-6]")
    func redelivery() {
        var subscriber = self.client("s", properties: [.sessionExpiryInterval(1000)])
        subscriber.acknowledgesPublishes = false
        subscriber.subscribe("t")
        let publisher = self.client("p")
        publisher.publish("t", "1", qos: .atLeastOnce)
        publisher.publish("t", "2", qos: .exactlyOnce)
        publisher.publish("t", "3", qos: .atLeastOnce)
        let first = subscriber.takePublishes()
        #expect(first.count == 3)
        subscriber.drop()
        subscriber = ScriptedClient(self.network)
        subscriber.connect("s", cleanStart: false)
        let second = subscriber.takePublishes()
        #expect(second.map(\.text) == ["1", "2", "3"])
        #expect(second.allSatisfy { $0.isDuplicate })
        #expect(second.map(\.packetIdentifier) == first.map(\.packetIdentifier))
        subscriber.drop()
        subscriber = ScriptedClient(self.network)
        subscriber.connect("s", cleanStart: false)
        #expect(subscriber.takePublishes().isEmpty)
    }

    @Test("A QoS 2 exchange resumes at its PUBREL [MQTT-4.4.0-1]")
    func resumesRelease() throws {
        var subscriber = self.client("s", properties: [.sessionExpiryInterval(1000)])
        subscriber.acknowledgesPublishes = false
        subscriber.subscribe("t")
        self.client("p").publish("t", "x", qos: .exactlyOnce)
        let identifier = try #require(subscriber.takePublishes().first?.packetIdentifier)
        subscriber.send(.pubRec(Acknowledgement(packetIdentifier: identifier)))
        #expect(subscriber.takeAll() == [.pubRel(Acknowledgement(packetIdentifier: identifier))])
        subscriber.drop()
        subscriber = ScriptedClient(self.network)
        subscriber.connect("s", cleanStart: false)
        #expect(subscriber.takeAll() == [.pubRel(Acknowledgement(packetIdentifier: identifier))])
    }

    @Test("A client that does not take its bytes loses QoS 0 and keeps QoS 1")
    func congestion() throws {
        let subscriber = self.client("s")
        subscriber.subscribe("t")
        let identifier = try #require(subscriber.identifier)
        let publisher = self.client("p")
        self.network.setCongested(true, on: identifier)
        publisher.publish("t", "lost")
        publisher.publish("t", "kept", qos: .atLeastOnce)
        #expect(subscriber.takePublishes().isEmpty)
        self.network.setCongested(false, on: identifier)
        #expect(subscriber.takePublishes().map(\.text) == ["kept"])
        #expect(self.network.broker.statistics.droppedCongested == 1)
    }

    @Test("A full queue refuses the newest QoS 1 message and counts it")
    func queueFull() {
        var limits = BrokerLimits()
        limits.session.queue.messagesMax = 2
        let network = TestNetwork(limits: limits)
        var subscriber = ScriptedClient(network)
        subscriber.connect("s", properties: [.sessionExpiryInterval(100)])
        subscriber.subscribe("t")
        subscriber.drop()
        let publisher = ScriptedClient(network)
        publisher.connect("p")
        for number in 1...3 { publisher.publish("t", "\(number)", qos: .atLeastOnce) }
        subscriber = ScriptedClient(network)
        subscriber.connect("s", cleanStart: false)
        #expect(subscriber.takePublishes().map(\.text) == ["1", "2"])
        #expect(network.broker.statistics.droppedQueueFull == 1)
    }

    @Test("Clients may not write where the broker speaks")
    func brokerTopics() throws {
        let publisher = self.client("p")
        let identifier = try #require(publisher.publish("$SYS/broker/version", "fake", qos: .atLeastOnce))
        #expect(publisher.next() == .pubAck(Acknowledgement(packetIdentifier: identifier, reasonCode: .notAuthorized)))
    }
}

@Suite("PUBLISH in MQTT 3.1.1")
struct OldPublishTests {
    @Test("A client that cannot be told a Receive Maximum is not held to one")
    func noReceiveMaximum() {
        let network = TestNetwork()
        let publisher = ScriptedClient(network, version: .v3_1_1)
        publisher.connect("p")
        publisher.acknowledgesPublishes = false
        for _ in 0..<200 { publisher.publish("t", "x", qos: .exactlyOnce) }
        #expect(!publisher.isClosed)
        #expect(publisher.takeAll().count == 200)
    }
}
