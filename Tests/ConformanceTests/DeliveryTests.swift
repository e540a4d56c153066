import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

@Suite("What the broker sends at QoS 1 and 2")
struct SenderTests {
    let scene = Scene()

    private func subscriber(_ version: ProtocolVersion) -> ScriptedClient {
        self.scene.client("s", version, lasts: true, acknowledges: false)
    }

    // [MQTT-2.2.1-4] [MQTT-4.3.2-1] [MQTT-4.3.2-2] [MQTT-4.3.3-1] [MQTT-4.3.3-2] [MQTT311-2.3.1-4] [MQTT311-4.3.2-1]
    // [MQTT311-4.3.3-1]
    @Test("Every new message has an identifier of its own, its QoS, and no DUP", arguments: Scene.versions)
    func identifiers(_ version: ProtocolVersion) {
        let subscriber = self.subscriber(version)
        subscriber.subscribe("t")
        let publisher = self.scene.client("p")
        for number in 0..<200 {
            publisher.publish("t", "\(number)", qos: number % 2 == 0 ? .atLeastOnce : .exactlyOnce)
        }
        let sent = subscriber.takePublishes()
        #expect(sent.map(\.qos) == (0..<200).map { $0 % 2 == 0 ? .atLeastOnce : .exactlyOnce })
        #expect(Set(sent.compactMap(\.packetIdentifier)).count == 200)
        #expect(sent.allSatisfy { !$0.isDuplicate })
    }

    @Test("Identifiers wrap around and pass over those under way [MQTT-2.2.1-4] [MQTT311-2.3.1-4]")
    func wrapping() {
        var window = OutboundWindow(receiveMaximum: 10)
        let message = OutgoingMessage(Publish(topic: "t"), qos: .atLeastOnce)
        let stuck = window.publish(message)
        var seen = Set<PacketIdentifier>()
        for _ in 0..<66_000 {
            guard let identifier = window.publish(message), window.receivedPubAck(identifier) else {
                Issue.record("no identifier after \(seen.count)")
                return
            }
            seen.insert(identifier)
        }
        #expect(seen.count < 66_000)
        #expect(stuck.map(seen.contains) == false)
    }

    // [MQTT-4.3.2-3] [MQTT-3.3.1-1] [MQTT-4.4.0-1] [MQTT311-3.3.1-1] [MQTT311-4.3.2-1] [MQTT311-4.4.0-1]
    // [MQTT311-4.6.0-6]
    @Test("What is not acknowledged comes again after a reconnect only: same identifiers, same order, DUP")
    func again() {
        for version in Scene.versions {
            let first = self.subscriber(version)
            first.subscribe("t")
            let publisher = self.scene.client("p")
            for number in 1...4 {
                publisher.publish("t", "\(number)", qos: number % 2 == 0 ? .exactlyOnce : .atLeastOnce)
            }
            let sent = first.takePublishes()
            self.scene.network.advance(seconds: 50)
            #expect(first.takeAll().isEmpty)
            first.drop()
            let second = self.subscriber(version)
            let again = second.takePublishes()
            #expect(again.map(\.text) == ["1", "2", "3", "4"])
            #expect(again.map(\.packetIdentifier) == sent.map(\.packetIdentifier))
            #expect(again.allSatisfy { $0.isDuplicate })
            second.connectAnew()
        }
    }

    // [MQTT-4.3.3-3] [MQTT-4.3.3-4] [MQTT-4.3.3-5] [MQTT-4.3.3-6] [MQTT-4.4.0-1] [MQTT311-4.3.3-1] [MQTT311-4.4.0-1]
    @Test("QoS 2 resumes at each of its steps", arguments: Scene.versions)
    func resumption(_ version: ProtocolVersion) throws {
        var client = self.subscriber(version)
        client.subscribe("t")
        self.scene.client("p").publish("t", "x", qos: .exactlyOnce)
        let identifier = try #require(client.takePublishes().first?.packetIdentifier)
        client.drop()
        client = self.subscriber(version)
        #expect(client.takePublishes().map(\.packetIdentifier) == [identifier])
        client.send(.acknowledgement(Packet.pubRec, identifier))
        #expect(client.takeAll() == [.acknowledgement(Packet.pubRel, identifier)])
        for _ in 0..<2 {
            client.drop()
            client = self.subscriber(version)
            #expect(client.takeAll() == [.acknowledgement(Packet.pubRel, identifier)])
        }
        // A PUBREC that comes again is answered again.
        client.send(.acknowledgement(Packet.pubRec, identifier))
        #expect(client.takeAll() == [.acknowledgement(Packet.pubRel, identifier)])
        client.send(.acknowledgement(Packet.pubComp, identifier))
        client.drop()
        #expect(self.subscriber(version).takeAll().isEmpty)
    }

    // [MQTT-4.4.0-2] [MQTT-4.8.2-6] [MQTT-4.3.3-4]
    @Test("An acknowledgement of 0x80 or above ends the exchange", arguments: [QoS.atLeastOnce, .exactlyOnce])
    func refused(_ qos: QoS) throws {
        let client = self.scene.client("s", lasts: true, acknowledges: false, properties: [.receiveMaximum(1)])
        client.subscribe("t")
        let publisher = self.scene.client("p")
        publisher.publish("t", "refused", qos: qos)
        publisher.publish("t", "next", qos: qos)
        let identifier = try #require(client.takePublishes().first?.packetIdentifier)
        client.send(
            .acknowledgement(qos == .atLeastOnce ? Packet.pubAck : Packet.pubRec, identifier, .quotaExceeded))
        #expect(client.takePublishes().map(\.text) == ["next"])
        client.drop()
        #expect(self.subscriber(.v5).takePublishes().map(\.text) == ["next"])
    }

    @Test("A message on its way does not expire [MQTT-4.3.3-7]")
    func noExpiry() {
        let client = self.subscriber(.v5)
        client.subscribe("t")
        self.scene.client("p").publish("t", "x", qos: .exactlyOnce, properties: [.messageExpiryInterval(5)])
        #expect(client.takePublishes().count == 1)
        client.drop()
        self.scene.network.advance(seconds: 60)
        #expect(self.subscriber(.v5).takePublishes().map(\.text) == ["x"])
    }

    @Test("Acknowledgements of unknown identifiers are told from the known: 0x92 in PUBREL, else ignored")
    func unknown() throws {
        let identifier = try #require(PacketIdentifier(rawValue: 99))
        for version in Scene.versions {
            let client = self.scene.client("a", version, acknowledges: false)
            client.send(
                .acknowledgement(Packet.pubAck, identifier), .acknowledgement(Packet.pubComp, identifier),
                .acknowledgement(Packet.pubRec, identifier))
            let code = version == .v5 ? ReasonCode.packetIdentifierNotFound : .success
            #expect(client.takeAll() == [.acknowledgement(Packet.pubRel, identifier, code)])
            #expect(!client.isClosed)
        }
    }
}

extension ScriptedClient {
    /// Ends the session for good.
    fileprivate func connectAnew() {
        self.drop()
        ScriptedClient(self.network, version: self.version).connect("s")
    }
}

@Suite("What the broker receives at QoS 1 and 2")
struct ReceiverTests {
    let scene = Scene()

    // [MQTT-4.3.2-5] [MQTT311-4.3.2-2]
    @Test("After PUBACK the same identifier means a new message, whatever DUP says", arguments: Scene.versions)
    func reused(_ version: ProtocolVersion) throws {
        let watcher = self.scene.watcher(version)
        let client = self.scene.client("p", version)
        let identifier = client.nextPacketIdentifier()
        for isDuplicate in [false, true, false] {
            client.send(
                .publish(
                    Publish(topic: "t", qos: .atLeastOnce, isDuplicate: isDuplicate, packetIdentifier: identifier)))
        }
        #expect(watcher.takePublishes().count == 3)
        #expect(client.takeAll() == Array(repeating: .acknowledgement(Packet.pubAck, identifier), count: 3))
    }

    // [MQTT-4.3.3-8] [MQTT-4.3.3-10] [MQTT-4.3.3-11] [MQTT-4.3.3-12] [MQTT311-4.3.3-2]
    @Test("QoS 2 is delivered once, across reconnects, until PUBREL; then anew", arguments: Scene.versions)
    func once(_ version: ProtocolVersion) {
        let watcher = self.scene.watcher(version)
        var client = self.scene.client("p", version, lasts: true, acknowledges: false)
        let identifier = client.nextPacketIdentifier()
        let publish = Packet.publish(Publish(topic: "t", qos: .exactlyOnce, packetIdentifier: identifier))
        for _ in 0..<3 {
            client.send(publish, publish)
            #expect(client.takeAll() == Array(repeating: .acknowledgement(Packet.pubRec, identifier), count: 2))
            client.drop()
            client = self.scene.client("p", version, lasts: true, acknowledges: false)
        }
        #expect(watcher.takePublishes().count == 1)
        client.send(.acknowledgement(Packet.pubRel, identifier), publish)
        #expect(
            client.takeAll() == [
                .acknowledgement(Packet.pubComp, identifier), .acknowledgement(Packet.pubRec, identifier),
            ])
        #expect(watcher.takePublishes().count == 1)
    }

    @Test("After a PUBREC of 0x80 or above the identifier means a new message [MQTT-4.3.3-9]")
    func afterRefusal() throws {
        let watcher = self.scene.watcher()
        let client = self.scene.client("p", acknowledges: false)
        let identifier = try #require(client.publish("$SYS/x", "forbidden", qos: .exactlyOnce))
        #expect(client.takeAll() == [.acknowledgement(Packet.pubRec, identifier, .notAuthorized)])
        client.send(
            .publish(
                Publish(
                    topic: "t", qos: .exactlyOnce, packetIdentifier: identifier, payload: ByteBuffer(string: "new"))))
        #expect(watcher.takePublishes().map(\.text) == ["new"])
    }

    @Test("A message that is not allowed is acknowledged in 3.1.1 like any other [MQTT311-3.3.5-2]")
    func notAllowed() throws {
        let client = self.scene.client("p", .v3_1_1, acknowledges: false)
        let first = try #require(client.publish("$SYS/x", "", qos: .atLeastOnce))
        let second = try #require(client.publish("$SYS/x", "", qos: .exactlyOnce))
        client.send(.acknowledgement(Packet.pubRel, second))
        #expect(
            client.takeAll() == [
                .acknowledgement(Packet.pubAck, first), .acknowledgement(Packet.pubRec, second),
                .acknowledgement(Packet.pubComp, second),
            ])
    }

    @Test("The exchange goes on even if the message has expired [MQTT-4.3.3-13]")
    func expired() throws {
        let client = self.scene.client("p", acknowledges: false)
        self.scene.client("s").subscribe("t")
        let identifier = try #require(
            client.publish("t", "x", qos: .exactlyOnce, properties: [.messageExpiryInterval(1)]))
        self.scene.network.advance(seconds: 20)
        client.send(.acknowledgement(Packet.pubRel, identifier))
        #expect(
            client.takeAll() == [
                .acknowledgement(Packet.pubRec, identifier), .acknowledgement(Packet.pubComp, identifier),
            ])
    }

    @Test("PUBREL of an unknown identifier is answered with 0x92, in 3.1.1 plainly [MQTT-4.3.3-11]")
    func unknownRelease() throws {
        let identifier = try #require(PacketIdentifier(rawValue: 7))
        for version in Scene.versions {
            let client = self.scene.client("a", version)
            client.send(.acknowledgement(Packet.pubRel, identifier))
            let code = version == .v5 ? ReasonCode.packetIdentifierNotFound : .success
            #expect(client.takeAll() == [.acknowledgement(Packet.pubComp, identifier, code)])
        }
    }

    @Test("An invalid topic leaves no identifier behind in the session")
    func invalidTopic() {
        let watcher = self.scene.watcher()
        let first = self.scene.client("p", lasts: true)
        let identifier = first.nextPacketIdentifier()
        first.send(.publish(Publish(topic: "a/#", qos: .exactlyOnce, packetIdentifier: identifier)))
        first.expectEnd(.topicNameInvalid)
        let second = self.scene.client("p", lasts: true)
        second.send(.publish(Publish(topic: "a", qos: .exactlyOnce, packetIdentifier: identifier)))
        #expect(watcher.takePublishes().map(\.topic) == ["a"])
    }
}

@Suite("Flow control")
struct FlowControlTests {
    let scene = Scene()

    // [MQTT-3.3.4-9] [MQTT-3.3.4-10] [MQTT-4.9.0-1] [MQTT-4.9.0-2] [MQTT-4.9.0-3]
    @Test("A full window holds back QoS 1 and 2 and nothing else", arguments: [QoS.atLeastOnce, .exactlyOnce])
    func fullWindow(_ qos: QoS) throws {
        let client = self.scene.client("s", acknowledges: false, properties: [.receiveMaximum(3)])
        client.subscribe("t")
        let publisher = self.scene.client("p")
        for number in 0..<10 { publisher.publish("t", "\(number)", qos: qos) }
        let sent = client.takePublishes()
        #expect(sent.map(\.text) == ["0", "1", "2"])
        client.send(.pingReq)
        #expect(client.next() == .pingResp)
        #expect(client.subscribe("u") == [.grantedQoS2])
        let own = try #require(client.publish("v", "", qos: .atLeastOnce))
        #expect(client.next() == .acknowledgement(Packet.pubAck, own, .noMatchingSubscribers))
        let identifier = try #require(sent.first?.packetIdentifier)
        if qos == .exactlyOnce {
            client.send(.acknowledgement(Packet.pubRec, identifier))
            // A PUBREC alone gives no quota back.
            #expect(client.takeAll() == [.acknowledgement(Packet.pubRel, identifier)])
        }
        client.send(.acknowledgement(qos == .atLeastOnce ? Packet.pubAck : Packet.pubComp, identifier))
        #expect(client.takePublishes().map(\.text) == ["3"])
    }

    @Test("A resumed session keeps to the window of the new connection [MQTT-3.3.4-9] [MQTT-4.9.0-1]")
    func smallerWindow() throws {
        var client = self.scene.client("s", lasts: true, acknowledges: false)
        client.subscribe("t")
        let publisher = self.scene.client("p")
        for number in 0..<10 { publisher.publish("t", "\(number)", qos: .atLeastOnce) }
        #expect(client.takePublishes().count == 10)
        client.drop()
        client = self.scene.client("s", lasts: true, acknowledges: false, properties: [.receiveMaximum(2)])
        var texts: [String] = []
        while case let sent = client.takePublishes(), !sent.isEmpty {
            #expect(sent.count <= 2)
            texts += sent.map(\.text)
            for identifier in sent.compactMap(\.packetIdentifier) {
                client.send(.acknowledgement(Packet.pubAck, identifier))
            }
        }
        #expect(texts == (0..<10).map(String.init))
    }

    @Test("More than the announced Receive Maximum ends the connection with 0x93 [MQTT-3.3.4-7]")
    func exceeded() throws {
        let client = self.scene.client("p", acknowledges: false)
        for _ in 0..<64 { client.publish("t", "", qos: .exactlyOnce) }
        #expect(!client.isClosed)
        client.publish("t", "", qos: .exactlyOnce)
        client.expectEnd(.receiveMaximumExceeded)
    }

    @Test("Each connection has the whole quota: what earlier ones left unreleased does not count [MQTT-3.3.4-7]")
    func wholeQuota() throws {
        var client = self.scene.client("p", lasts: true, acknowledges: false)
        let watcher = self.scene.watcher()
        let first = (0..<64).compactMap { _ in client.publish("t", "", qos: .exactlyOnce) }
        client.drop()
        client = self.scene.client("p", lasts: true, acknowledges: false)
        for number: UInt16 in 1000..<1064 {
            let identifier = try #require(PacketIdentifier(rawValue: number))
            client.send(.publish(Publish(topic: "t", qos: .exactlyOnce, packetIdentifier: identifier)))
        }
        #expect(!client.isClosed)
        #expect(watcher.takePublishes().count == 128)
        for identifier in first { client.send(.acknowledgement(Packet.pubRel, identifier)) }
        #expect(client.takeAll().suffix(64) == first.map { .acknowledgement(Packet.pubComp, $0) }.suffix(64))
    }
}
