import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

@Suite("Retained messages by the book")
struct RetainedTests {
    let scene = Scene()

    private func kept(_ version: ProtocolVersion, at filter: String = "#") -> [Publish] {
        let reader = self.scene.client("reader", version)
        reader.subscribe(filter)
        return reader.takePublishes()
    }

    // [MQTT-3.3.1-5] [MQTT311-3.3.1-5] [MQTT311-3.3.1-6] [MQTT311-3.3.1-7] [MQTT311-3.3.1-8]
    @Test("The last one of each topic is kept with its QoS, and comes with RETAIN", arguments: Scene.versions)
    func kept(_ version: ProtocolVersion) {
        let publisher = self.scene.client("p", version)
        publisher.publish("a", "old", qos: .exactlyOnce, isRetained: true)
        publisher.publish("a", "new", qos: .atLeastOnce, isRetained: true)
        publisher.publish("b", "old", qos: .exactlyOnce, isRetained: true)
        publisher.publish("b", "new", isRetained: true)
        let arrived = self.kept(version).sorted { $0.topic < $1.topic }
        #expect(arrived.map(\.text) == ["new", "new"])
        #expect(arrived.map(\.qos) == [.atLeastOnce, .atMostOnce])
        #expect(arrived.allSatisfy { $0.isRetained })
    }

    // [MQTT-3.3.1-6] [MQTT-3.3.1-7] [MQTT311-3.3.1-10] [MQTT311-3.3.1-11]
    @Test("An empty one is delivered, removes the other, and is not kept", arguments: Scene.versions)
    func removed(_ version: ProtocolVersion) {
        let publisher = self.scene.client("p", version)
        publisher.publish("a", "x", isRetained: true)
        let live = self.scene.client("live", version)
        live.subscribe("a", retainHandling: .sendOnSubscribe)
        _ = live.takePublishes()
        publisher.publish("a", "", qos: .atLeastOnce, isRetained: true)
        publisher.publish("b", "", isRetained: true)
        #expect(live.takePublishes().map(\.text) == [""])
        #expect(self.kept(version).isEmpty)
        #expect(self.scene.network.broker.retainedCount == 0)
    }

    // [MQTT-3.3.1-8] [MQTT311-3.3.1-12]
    @Test("Without RETAIN nothing is kept, replaced or removed", arguments: Scene.versions)
    func untouched(_ version: ProtocolVersion) {
        let publisher = self.scene.client("p", version)
        publisher.publish("a", "kept", isRetained: true)
        publisher.publish("a", "passing")
        publisher.publish("a", "")
        publisher.publish("b", "passing", qos: .exactlyOnce)
        #expect(self.kept(version).map(\.text) == ["kept"])
    }

    // [MQTT-3.3.1-12] [MQTT-3.3.1-13] [MQTT311-3.3.1-9]
    @Test("To an established subscription RETAIN is passed on only where it was asked for")
    func flag() {
        let old = self.scene.client("old", .v3_1_1)
        old.subscribe("#")
        let plain = self.scene.client("plain")
        plain.subscribe("#")
        let asking = self.scene.client("asking")
        asking.subscribe("#", retainAsPublished: true)
        let publisher = self.scene.client("p")
        for isRetained in [true, false] { publisher.publish("a", "x", qos: .atLeastOnce, isRetained: isRetained) }
        #expect(old.takePublishes().map(\.isRetained) == [false, false])
        #expect(plain.takePublishes().map(\.isRetained) == [false, false])
        #expect(asking.takePublishes().map(\.isRetained) == [true, false])
    }

    // [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]
    @Test(
        "Retain handling: always, for a new subscription, never",
        arguments: [(RetainHandling.sendOnSubscribe, [1, 1, 1]), (.sendIfNew, [1, 0, 1]), (.doNotSend, [0, 0, 0])])
    func handling(_ handling: RetainHandling, _ expected: [Int]) {
        self.scene.client("p").publish("a", "x", isRetained: true)
        let client = self.scene.client("s")
        var counts: [Int] = []
        for round in 0..<3 {
            if round == 2 { _ = client.unsubscribe("+") }
            client.subscribe("+", retainHandling: handling)
            counts.append(client.takePublishes().count)
        }
        #expect(counts == expected)
    }

    // [MQTT-3.8.4-4] [MQTT311-3.8.4-3]
    @Test("Subscribing again sends them again and loses nothing that is under way", arguments: Scene.versions)
    func again(_ version: ProtocolVersion) {
        let publisher = self.scene.client("p")
        publisher.publish("a", "kept", isRetained: true)
        let client = self.scene.client("s", version, lasts: true, acknowledges: false)
        client.subscribe("a")
        publisher.publish("a", "live", qos: .exactlyOnce)
        client.subscribe("a", qos: .atMostOnce)
        #expect(client.takePublishes().map(\.text) == ["kept", "live", "kept"])
        client.drop()
        #expect(self.scene.client("s", version, lasts: true).takePublishes().map(\.text) == ["live"])
    }

    @Test("They come after SUBACK, before what is published later, one copy per subscription")
    func order() {
        let publisher = self.scene.client("p")
        for number in 0..<5 { publisher.publish("t/\(number)", "kept", qos: .atLeastOnce, isRetained: true) }
        let client = self.scene.client("s", acknowledges: false, properties: [.receiveMaximum(1)])
        client.send(
            .subscribe(
                Subscribe(
                    packetIdentifier: client.nextPacketIdentifier(),
                    subscriptions: [.init(filter: "t/+", maximumQoS: .atLeastOnce)])))
        publisher.publish("t/0", "live", qos: .atLeastOnce)
        publisher.publish("t/0", "also", qos: .atMostOnce)
        #expect(client.takeAll().map(\.type) == [.subAck, .publish])
        var texts = ["kept"]
        var identifier: UInt16 = 1
        while let last = PacketIdentifier(rawValue: identifier), texts.count < 7 {
            client.send(.acknowledgement(Packet.pubAck, last))
            let arrived = client.takePublishes()
            texts += arrived.map(\.text)
            guard let next = arrived.compactMap(\.packetIdentifier).first else { break }
            identifier = next.rawValue
        }
        #expect(texts == ["kept", "kept", "kept", "kept", "kept", "live", "also"])
    }

    @Test("No local holds for retained messages too [MQTT-3.8.3-3]")
    func noLocal() {
        let client = self.scene.client("s")
        client.publish("own", "x", isRetained: true)
        self.scene.client("p").publish("other", "x", isRetained: true)
        client.subscribe("+", noLocal: true)
        #expect(client.takePublishes().map(\.topic) == ["other"])
    }

    @Test(
        "Topics with $ are found by their own filters only [MQTT-4.7.2-1] [MQTT311-4.7.2-1]", arguments: Scene.versions)
    func dollar(_ version: ProtocolVersion) {
        self.scene.client("p").publish("$own/x", "kept", isRetained: true)
        #expect(self.kept(version, at: "#").isEmpty)
        #expect(self.kept(version, at: "+/x").isEmpty)
        #expect(self.kept(version, at: "$own/#").count == 1)
    }
}
