import BusCore
import BusSession
import BusTestKit
import BusTopics
import BusWire
import NIOCore
import Testing

/// What the broker asks its store to remember.
@Suite("Changes for the store")
struct StoreChangeTests {
    let scene = StoredScene()

    @Test("Without a store nothing is gathered")
    func off() {
        let network = TestNetwork()
        let client = ScriptedClient(network)
        client.connect("c", properties: [.sessionExpiryInterval(100)])
        client.subscribe("a")
        client.publish("a", "x", qos: .exactlyOnce, isRetained: true)
        let hasChanges = network.broker.hasChanges
        #expect(!hasChanges)
        #expect(network.broker.takeChanges() == nil)
    }

    @Test("A session that ends with its connection, and QoS 0, cost nothing")
    func volatile() {
        let passing = self.scene.passing("p", "a/#")
        passing.publish("a/1", "x", qos: .exactlyOnce)
        passing.publish("a/2", "x", qos: .atLeastOnce)
        let lasting = self.scene.lasting("l", "a/#")
        lasting.drop()
        let before = self.scene.network.store?.log.count
        passing.publish("a/3", "x")
        passing.drop()
        #expect(self.scene.network.store?.log.count == before)
        #expect(self.scene.committed.sessions.count == 1)
    }

    @Test("A session is stored with its terms, and when its client left")
    func session() throws {
        let client = self.scene.lasting("c", "a/+", "$share/g/b")
        var stored = try #require(self.scene.committed.sessions[1])
        #expect(stored.session == StoredSession(number: 1, clientIdentifier: "c", expirySeconds: 3600))
        #expect(Set(stored.subscriptions.values.map(\.filter)) == ["a/+", "$share/g/b"])
        self.scene.network.advance(seconds: 5)
        client.drop()
        stored = try #require(self.scene.committed.sessions[1])
        #expect(stored.session?.disconnectedAt == TestNetwork.wallMilliseconds + 6000)
        let again = self.scene.lasting("c")
        #expect(self.scene.committed.sessions[1]?.session?.disconnectedAt == nil)
        again.send(
            .unsubscribe(Unsubscribe(packetIdentifier: again.nextPacketIdentifier(), filters: ["a/+", "never"])))
        #expect(self.scene.committed.sessions[1]?.subscriptions.count == 1)
    }

    @Test("A subscription that is made again as it was costs nothing")
    func sameSubscription() {
        let client = self.scene.lasting("c", "a")
        let before = self.scene.network.store?.log.count
        client.subscribe("a")
        #expect(self.scene.network.store?.log.count == before)
        client.subscribe("a", qos: .atLeastOnce)
        #expect(self.scene.network.store?.log.count == (before ?? 0) + 1)
    }

    @Test("A message for several sessions is stored once, and goes with its last delivery")
    func shared() {
        let first = self.scene.lasting("1", "a")
        let second = self.scene.lasting("2", "a")
        first.drop()
        second.drop()
        self.scene.passing("p").publish("a", "x", qos: .atLeastOnce)
        #expect(self.scene.committed.messages.count == 1)
        #expect(self.scene.committed.sessions.values.map(\.deliveries.count) == [1, 1])
        #expect(self.scene.lasting("1").takePublishes().map(\.text) == ["x"])
        #expect(self.scene.committed.messages.count == 1)
        #expect(self.scene.lasting("2").takePublishes().map(\.text) == ["x"])
        #expect(self.scene.committed.messages.isEmpty)
        #expect(self.scene.committed.strays.isEmpty)
    }

    @Test(
        "A delivery goes from queued to published to released to nothing", arguments: [QoS.atLeastOnce, .exactlyOnce])
    func phases(_ qos: QoS) throws {
        let subscriber = self.scene.lasting("s", "a")
        subscriber.drop()
        self.scene.passing("p").publish("a", "x", qos: qos)
        var delivery = try #require(self.scene.committed.sessions[1]?.deliveries.first)
        #expect(delivery.phase == .queued && delivery.packetIdentifier == 0 && delivery.qos == qos.rawValue)
        let again = ScriptedClient(self.scene.network)
        again.acknowledgesPublishes = false
        again.connect("s", cleanStart: false, properties: [.sessionExpiryInterval(3600)])
        delivery = try #require(self.scene.committed.sessions[1]?.deliveries.first)
        #expect(delivery.phase == .published && delivery.packetIdentifier == 1)
        let identifier = try #require(PacketIdentifier(rawValue: 1))
        if qos == .exactlyOnce {
            again.send(.pubRec(Acknowledgement(packetIdentifier: identifier)))
            #expect(self.scene.committed.sessions[1]?.deliveries.first?.phase == .released)
            again.send(.pubComp(Acknowledgement(packetIdentifier: identifier)))
        } else {
            again.send(.pubAck(Acknowledgement(packetIdentifier: identifier)))
        }
        #expect(self.scene.committed.sessions[1]?.deliveries.isEmpty == true)
        #expect(self.scene.committed.strays.isEmpty)
    }

    @Test("The identifier of a QoS 2 message that came in is stored until it is released")
    func received() {
        let client = self.scene.lasting("c")
        client.acknowledgesPublishes = false
        let identifier = client.publish("a", "x", qos: .exactlyOnce)
        #expect(self.scene.committed.sessions[1]?.received == [1])
        if let identifier { client.send(.pubRel(Acknowledgement(packetIdentifier: identifier))) }
        #expect(self.scene.committed.sessions[1]?.received.isEmpty == true)
    }

    @Test("A retained message is stored with its publisher, of QoS 0 too, and goes with an empty one")
    func retained() throws {
        let client = self.scene.passing("p/1")
        client.publish("a", "x", isRetained: true, properties: [.messageExpiryInterval(60)])
        let stored = try #require(self.scene.committed.retained.first?.value)
        #expect(stored.publisher == "p%2F1")
        #expect(stored.message.expiresAt == TestNetwork.wallMilliseconds + 61_000)
        client.publish("a", "", isRetained: true)
        #expect(self.scene.committed.retained.isEmpty)
        let before = self.scene.network.store?.log.count
        client.publish("a", "", isRetained: true)
        #expect(self.scene.network.store?.log.count == before)
    }

    @Test("A retained message that has expired is removed when somebody asks for it")
    func expiredRetained() {
        let client = self.scene.passing("p")
        client.publish("a", "x", isRetained: true, properties: [.messageExpiryInterval(5)])
        self.scene.network.advance(seconds: 6)
        client.subscribe("a")
        #expect(self.scene.committed.retained.isEmpty)
    }

    @Test("What expires, is refused or too large leaves nothing behind")
    func dropped() throws {
        let subscriber = self.scene.lasting("s", "a")
        subscriber.drop()
        let publisher = self.scene.passing("p")
        publisher.publish("a", "old", qos: .atLeastOnce, properties: [.messageExpiryInterval(5)])
        publisher.publish("a", String(repeating: "large ", count: 50), qos: .exactlyOnce)
        self.scene.network.advance(seconds: 6)
        publisher.publish("a", "refused", qos: .exactlyOnce)
        let again = ScriptedClient(self.scene.network)
        again.acknowledgesPublishes = false
        again.connect(
            "s", cleanStart: false, properties: [.sessionExpiryInterval(3600), .maximumPacketSize(100)])
        #expect(again.takePublishes().map(\.text) == ["refused"])
        let delivery = try #require(self.scene.committed.sessions[1]?.deliveries.first)
        #expect(self.scene.committed.sessions[1]?.deliveries.count == 1)
        let identifier = try #require(PacketIdentifier(rawValue: delivery.packetIdentifier))
        again.send(.pubRec(Acknowledgement(packetIdentifier: identifier, reasonCode: .quotaExceeded)))
        #expect(self.scene.committed.sessions[1]?.deliveries.isEmpty == true)
        #expect(self.scene.committed.messages.isEmpty)
    }

    @Test(
        "The end of a session takes everything with it", arguments: ["clean start", "expiry", "disconnect", "expiry 0"])
    func end(_ way: String) {
        let subscriber = self.scene.lasting("s", "a")
        if way == "disconnect" {
            subscriber.acknowledgesPublishes = false
            self.scene.passing("p").publish("a", "x", qos: .exactlyOnce)
            subscriber.send(.disconnect(Disconnect(properties: [.sessionExpiryInterval(0)])))
        } else {
            subscriber.drop()
            self.scene.passing("p").publish("a", "x", qos: .exactlyOnce)
            #expect(self.scene.committed.messages.count == 1)
        }
        switch way {
        case "clean start": self.scene.passing("s").drop()
        case "expiry": self.scene.network.advance(seconds: 3601)
        case "expiry 0":
            let again = ScriptedClient(self.scene.network)
            #expect(again.connect("s", cleanStart: false)?.sessionPresent == true)
        default: break
        }
        #expect(self.scene.committed.sessions.isEmpty)
        #expect(self.scene.committed.messages.isEmpty)
    }

    @Test("What a member of a shared subscription leaves to another is stored there")
    func leftToOthers() {
        let first = self.scene.lasting("1", "$share/g/a", qos: .atLeastOnce)
        first.acknowledgesPublishes = false
        self.scene.passing("p").publish("a", "x", qos: .atLeastOnce)
        first.drop()
        let second = self.scene.lasting("2", "$share/g/a", qos: .atLeastOnce)
        second.drop()
        let again = ScriptedClient(self.scene.network)
        again.connect("1")
        #expect(self.scene.committed.sessions.keys.sorted() == [2])
        #expect(self.scene.committed.sessions[2]?.deliveries.count == 1)
        #expect(self.scene.committed.strays.isEmpty)
    }

    @Test("Retained messages that a new subscription waits for are stored with its session")
    func replay() throws {
        self.scene.passing("p").publish("a", "x", qos: .atLeastOnce, isRetained: true)
        let subscriber = ScriptedClient(self.scene.network)
        subscriber.acknowledgesPublishes = false
        subscriber.connect("s", properties: [.sessionExpiryInterval(3600)])
        subscriber.subscribe("a")
        let delivery = try #require(self.scene.committed.sessions[1]?.deliveries.first)
        #expect(delivery.isRetained && delivery.phase == .published)
        #expect(self.scene.committed.strays.isEmpty)
    }

    @Test("Where durability says memory, by topic or by listener, nothing is stored")
    func memory() throws {
        let network = self.scene.network
        network.broker.durability.topics = [
            Durability.TopicRule(filter: try TopicFilter("fast/kept"), isStored: true),
            Durability.TopicRule(filter: try TopicFilter("fast/#"), isStored: false),
        ]
        let subscriber = self.scene.lasting("s", "#")
        subscriber.drop()
        let publisher = self.scene.passing("p")
        publisher.publish("fast/1", "memory", qos: .exactlyOnce, isRetained: true)
        publisher.publish("fast/kept", "disk", qos: .exactlyOnce)
        #expect(self.scene.committed.sessions[1]?.deliveries.count == 1)
        #expect(self.scene.committed.retained.isEmpty)
        network.broker.durability.listenersInMemory = [0]
        let quick = self.scene.lasting("q", "x")
        quick.publish("slow", "not stored", qos: .atLeastOnce)
        #expect(self.scene.committed.sessions.count == 1)
        #expect(self.scene.committed.sessions[1]?.deliveries.count == 1)
        network.broker.durability = Durability()
        let messages = self.scene.lasting("s").takePublishes().map(\.text)
        #expect(Set(messages) == ["memory", "disk", "not stored"])
        #expect(self.scene.committed.strays.isEmpty)
    }

    @Test("Presence of instances is not stored: it ends with the process")
    func presence() {
        let instance = self.scene.passing("i")
        instance.publish("fc/_inst/i", #"{"status":"online"}"#, qos: .atLeastOnce, isRetained: true)
        #expect(self.scene.network.broker.retainedCount == 1)
        #expect(self.scene.committed.retained.isEmpty)
    }
}
