import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

/// Nothing that a client is told is ahead of the store (D05).
@Suite("Commits")
struct CommitTests {
    let scene = StoredScene(commitsAtOnce: false)

    private func identifier(_ raw: UInt16) throws -> PacketIdentifier { try #require(PacketIdentifier(rawValue: raw)) }

    /// A stored subscriber that is away.
    private func absent(_ name: String, _ filter: String) {
        let client = self.scene.lasting(name, filter)
        self.scene.network.commit()
        client.subscribe(filter)
        self.scene.network.commit()
        client.drop()
        self.scene.network.commit()
    }

    @Test("CONNACK of a new session waits for its commit, and everything behind it", arguments: [3, 5])
    func connAck(_ version: Int) {
        let client = self.scene.lasting("c", version: version == 5 ? .v5 : .v3_1_1)
        client.send(.pingReq)
        #expect(client.takeAll().isEmpty)
        self.scene.network.commit()
        #expect(client.takeTypes() == [.connAck, .pingResp])
    }

    @Test("CONNACK of a session that is not stored, or goes on, waits for nothing")
    func connAckAtOnce() throws {
        let passing = ScriptedClient(self.scene.network)
        #expect(passing.connect("p")?.reasonCode == .success)
        self.absent("s", "a")
        let again = ScriptedClient(self.scene.network)
        let connAck = again.connect("s", cleanStart: false, properties: [.sessionExpiryInterval(3600)])
        #expect(connAck?.sessionPresent == true)
    }

    @Test("CONNACK that denies a session waits until the old one is gone from the store")
    func connAckAfterRemoval() {
        self.absent("s", "a")
        let again = ScriptedClient(self.scene.network)
        #expect(again.connect("s", cleanStart: true) == nil)
        self.scene.network.commit()
        #expect(again.takeConnAck()?.sessionPresent == false)
    }

    @Test("A client that is gone or thrown out before its CONNACK hears nothing and harms nobody")
    func goneBeforeConnAck() {
        let first = self.scene.lasting("c")
        first.drop()
        let second = self.scene.lasting("d")
        second.send(.subscribe(Subscribe(packetIdentifier: second.nextPacketIdentifier(), subscriptions: [])))
        second.send(.connect(Connect(version: .v5, clientIdentifier: "d")))
        #expect(second.isClosed)
        self.scene.network.commit()
        #expect(first.takeAll().isEmpty && second.takeAll().isEmpty)
    }

    @Test("SUBACK and UNSUBACK of a stored session wait for their commit")
    func subAck() {
        let client = self.scene.lasting("c")
        self.scene.network.commit()
        client.takeAll()
        client.send(
            .subscribe(
                Subscribe(
                    packetIdentifier: client.nextPacketIdentifier(), subscriptions: [Subscription(filter: "a")])))
        #expect(client.takeAll().isEmpty)
        self.scene.network.commit()
        #expect(client.takeTypes() == [.subAck])
        client.send(.unsubscribe(Unsubscribe(packetIdentifier: client.nextPacketIdentifier(), filters: ["a"])))
        #expect(client.takeAll().isEmpty)
        self.scene.network.commit()
        #expect(client.takeTypes() == [.unsubAck])
    }

    @Test("PUBACK and PUBREC wait for the commit of what they acknowledge", arguments: [QoS.atLeastOnce, .exactlyOnce])
    func acknowledgement(_ qos: QoS) {
        self.absent("s", "a")
        let publisher = self.scene.passing("p")
        publisher.takeAll()
        publisher.publish("a", "x", qos: qos)
        #expect(publisher.takeAll().isEmpty)
        publisher.publish("nobody", "x", qos: .atMostOnce)
        self.scene.network.commit()
        #expect(publisher.takeTypes().first == (qos == .atLeastOnce ? .pubAck : .pubRec))
    }

    @Test("PUBACK for a retained message waits for its commit")
    func retained() {
        let publisher = self.scene.passing("p")
        publisher.publish("a", "x", qos: .atLeastOnce, isRetained: true)
        #expect(publisher.takeAll().isEmpty)
        self.scene.network.commit()
        #expect(publisher.takeTypes() == [.pubAck])
    }

    @Test("Acknowledgements stay in order: one that needs no commit waits behind one that does")
    func order() throws {
        self.absent("s", "a")
        let publisher = self.scene.passing("p")
        publisher.publish("nobody", "1", qos: .atLeastOnce)
        #expect(publisher.takeTypes() == [.pubAck])
        publisher.publish("a", "2", qos: .atLeastOnce)
        publisher.publish("nobody", "3", qos: .atLeastOnce)
        publisher.publish("a", "4", qos: .atLeastOnce)
        #expect(publisher.takeAll().isEmpty)
        self.scene.network.commit(1)
        let first = publisher.takeAll().compactMap {
            if case .pubAck(let value) = $0 { value.packetIdentifier } else { nil }
        }
        #expect(first.map(\.rawValue) == [2, 3])
        self.scene.network.commit()
        #expect(publisher.takeTypes() == [.pubAck])
    }

    @Test("Live traffic does not wait: QoS 0, QoS 1 and PINGRESP pass acknowledgements that are held")
    func live() {
        self.absent("s", "a")
        let client = self.scene.passing("c", "live")
        let other = self.scene.passing("o")
        client.publish("a", "x", qos: .atLeastOnce)
        other.publish("live", "0")
        other.publish("live", "1", qos: .atLeastOnce)
        client.send(.pingReq)
        #expect(client.takeTypes() == [.publish, .publish, .pingResp])
        #expect(other.takeTypes() == [.pubAck])
        self.scene.network.commit()
        #expect(client.takeTypes() == [.pubAck])
    }

    @Test("A stored QoS 1 message is sent at once, one of QoS 2 only after its commit")
    func deliveries() {
        let subscriber = self.scene.lasting("s", "a")
        self.scene.network.commit()
        subscriber.subscribe("a")
        self.scene.network.commit()
        subscriber.takeAll()
        let publisher = self.scene.passing("p")
        publisher.publish("a", "1", qos: .atLeastOnce)
        publisher.publish("a", "2", qos: .exactlyOnce)
        publisher.publish("a", "0", qos: .atMostOnce)
        #expect(subscriber.takePublishes().map(\.text) == ["1", "0"])
        self.scene.network.commit()
        #expect(subscriber.takePublishes().map(\.text) == ["2"])
    }

    @Test("QoS 2 messages that waited for their client get their identifiers into the store before they are sent")
    func queued() {
        self.absent("s", "a")
        let publisher = self.scene.passing("p")
        for number in 1...3 { publisher.publish("a", "\(number)", qos: .exactlyOnce) }
        self.scene.network.commit()
        let again = self.scene.lasting("s")
        #expect(again.takePublishes().isEmpty)
        self.scene.network.commit()
        #expect(again.takePublishes().map(\.text) == ["1", "2", "3"])
    }

    @Test("PUBREL waits until the store knows that the client has the message")
    func pubRel() throws {
        self.absent("s", "a")
        self.scene.passing("p").publish("a", "x", qos: .exactlyOnce)
        self.scene.network.commit()
        let again = ScriptedClient(self.scene.network)
        again.acknowledgesPublishes = false
        again.connect("s", cleanStart: false, properties: [.sessionExpiryInterval(3600)])
        self.scene.network.commit()
        #expect(again.takeTypes() == [.publish])
        again.send(.pubRec(Acknowledgement(packetIdentifier: try self.identifier(1))))
        #expect(again.takeAll().isEmpty)
        self.scene.network.commit()
        #expect(again.takeTypes() == [.pubRel])
    }

    @Test("PUBREL after a new connection waits for the commit as well")
    func pubRelResumed() throws {
        self.absent("s", "a")
        self.scene.passing("p").publish("a", "x", qos: .exactlyOnce)
        self.scene.network.commit()
        let first = ScriptedClient(self.scene.network)
        first.acknowledgesPublishes = false
        first.connect("s", cleanStart: false, properties: [.sessionExpiryInterval(3600)])
        self.scene.network.commit()
        first.send(.pubRec(Acknowledgement(packetIdentifier: try self.identifier(1))))
        first.drop()
        let second = ScriptedClient(self.scene.network)
        second.acknowledgesPublishes = false
        second.connect("s", cleanStart: false, properties: [.sessionExpiryInterval(3600)])
        #expect(second.takeAll().isEmpty)
        self.scene.network.commit()
        #expect(second.takeTypes() == [.pubRel])
    }

    @Test("PUBCOMP waits until the identifier is free in the store; else its next message would be lost")
    func pubComp() throws {
        let client = self.scene.lasting("c")
        client.acknowledgesPublishes = false
        self.scene.network.commit()
        client.takeAll()
        client.publish("nobody", "x", qos: .exactlyOnce)
        #expect(client.takeAll().isEmpty)
        self.scene.network.commit()
        #expect(client.takeTypes() == [.pubRec])
        client.send(.pubRel(Acknowledgement(packetIdentifier: try self.identifier(1))))
        #expect(client.takeAll().isEmpty)
        self.scene.network.commit()
        #expect(client.takeTypes() == [.pubComp])
    }

    @Test("A message that comes again before its commit is not acknowledged either")
    func duplicate() throws {
        let client = self.scene.lasting("c")
        self.scene.network.commit()
        client.publish("nobody", "x", qos: .exactlyOnce)
        client.drop()
        let again = self.scene.lasting("c")
        #expect(again.takeConnAck() == nil)
        again.send(
            .publish(
                Publish(
                    topic: "nobody", qos: .exactlyOnce, isDuplicate: true, packetIdentifier: try self.identifier(1))))
        #expect(again.takeAll().isEmpty)
        self.scene.network.commit()
        #expect(again.takeTypes().contains(.pubRec))
    }

    @Test("Batches are numbered without gaps, and an empty one is none")
    func numbers() {
        var broker = Broker(seed: 1)
        let now = Timestamp(nanoseconds: 1)
        broker.attachStore(wallMilliseconds: 0, now: now)
        #expect(broker.takeChanges() == nil)
        guard let identifier = broker.open(ConnectionOrigin(remoteAddress: "test"), now: now) else { return }
        let connect = Connect(
            version: .v5, cleanStart: true, clientIdentifier: "c", properties: [.sessionExpiryInterval(9)])
        broker.receive([.connect(connect)], from: identifier, now: now)
        #expect(broker.takeChanges()?.number == 1)
        #expect(broker.takeChanges() == nil)
        broker.close(identifier, now: now)
        #expect(broker.takeChanges()?.number == 2)
    }
}
