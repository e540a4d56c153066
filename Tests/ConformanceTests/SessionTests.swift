import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

@Suite("Sessions")
struct SessionTests {
    let scene = Scene()

    private func connect(_ version: ProtocolVersion, clean: Bool, expiry: UInt32 = 100) -> (ScriptedClient, ConnAck?) {
        let client = ScriptedClient(self.scene.network, version: version)
        let properties: Properties = version == .v5 ? [.sessionExpiryInterval(expiry)] : []
        return (client, client.connect("a", cleanStart: clean, properties: properties))
    }

    // [MQTT-3.1.2-5] [MQTT-3.1.2-6] [MQTT-3.2.2-3] [MQTT-3.1.4-4] [MQTT311-3.1.2-4] [MQTT311-3.1.4-3] [MQTT311-3.2.2-2]
    // [MQTT311-3.2.2-3]
    @Test("Without a clean start a session is begun, and then resumed, as CONNACK says", arguments: Scene.versions)
    func resumed(_ version: ProtocolVersion) {
        let (first, begun) = self.connect(version, clean: false)
        #expect(begun?.sessionPresent == false)
        first.subscribe("t")
        first.drop()
        let (second, resumed) = self.connect(version, clean: false)
        #expect(resumed?.sessionPresent == true)
        self.scene.client("p").publish("t", "x")
        #expect(second.takePublishes().count == 1)
    }

    // [MQTT-3.1.2-4] [MQTT-3.2.2-2] [MQTT311-3.1.2-6] [MQTT311-3.2.2-1] [MQTT311-3.1.4-3]
    @Test(
        "A clean start forgets subscriptions, queue and exchanges, also by a takeover", arguments: Scene.versions,
        [true, false])
    func clean(_ version: ProtocolVersion, _ isOnline: Bool) throws {
        let (first, _) = self.connect(version, clean: false)
        first.acknowledgesPublishes = false
        first.subscribe("t")
        let publisher = self.scene.client("p")
        publisher.publish("t", "under way", qos: .exactlyOnce)
        let identifier = try #require(first.publish("x", "unreleased", qos: .exactlyOnce))
        if !isOnline { first.drop() }
        publisher.publish("t", "queued", qos: .atLeastOnce)
        let (second, answer) = self.connect(version, clean: true)
        #expect(answer?.sessionPresent == false)
        #expect(second.takeAll().isEmpty)
        publisher.publish("t", "later", qos: .atLeastOnce)
        #expect(second.takeAll().isEmpty)
        let watcher = self.scene.watcher()
        second.send(
            .publish(Publish(topic: "x", qos: .exactlyOnce, isDuplicate: true, packetIdentifier: identifier)))
        #expect(watcher.takePublishes().count == 1)
    }

    // [MQTT311-3.1.2-6] [MQTT-3.1.2-23]
    @Test("A clean session of 3.1.1, or one of 5.0 without expiry, ends with its connection", arguments: Scene.versions)
    func ends(_ version: ProtocolVersion) {
        let (first, _) = self.connect(version, clean: true, expiry: 0)
        first.subscribe("t")
        first.drop()
        #expect(self.scene.network.broker.sessionCount == 0)
        #expect(self.scene.network.broker.subscriptionCount == 0)
        #expect(self.connect(version, clean: false).1?.sessionPresent == false)
    }

    // [MQTT-4.1.0-1] [MQTT-4.1.0-2] [MQTT-3.1.2-23] [MQTT311-4.1.0-1] [MQTT311-4.1.0-2]
    @Test("A session lasts while its client is connected, and then as long as agreed", arguments: Scene.versions)
    func lifetime(_ version: ProtocolVersion) {
        let client = ScriptedClient(self.scene.network, version: version)
        client.connect(
            "a", cleanStart: false, keepAlive: 0, properties: version == .v5 ? [.sessionExpiryInterval(10)] : [])
        for _ in 0..<10 {
            self.scene.network.advance(seconds: 200)
            client.send(.pingReq)
        }
        client.subscribe("t")
        #expect(self.scene.network.broker.sessionCount == 1)
        client.drop()
        self.scene.network.advance(seconds: 9)
        #expect(self.scene.network.broker.sessionCount == 1)
        self.scene.network.advance(seconds: 2)
        #expect(self.scene.network.broker.sessionCount == (version == .v5 ? 0 : 1))
    }

    // [MQTT311-3.1.2-5] [MQTT-4.5.0-1] [MQTT311-4.5.0-1]
    @Test("Messages of QoS 1 and 2 wait for a client that is away; those of QoS 0 do not", arguments: Scene.versions)
    func stored(_ version: ProtocolVersion) {
        let (first, _) = self.connect(version, clean: false)
        first.subscribe("t")
        first.drop()
        let publisher = self.scene.client("p", version)
        for qos in [QoS.atMostOnce, .atLeastOnce, .exactlyOnce] { publisher.publish("t", "\(qos)", qos: qos) }
        let (second, _) = self.connect(version, clean: false)
        #expect(second.takePublishes().map(\.qos) == [.atLeastOnce, .exactlyOnce])
    }

    @Test("DISCONNECT may shorten or lengthen the expiry [MQTT-4.1.0-2]", arguments: [5, 0, 500] as [UInt32])
    func changedExpiry(_ seconds: UInt32) {
        let (client, _) = self.connect(.v5, clean: false)
        client.send(.disconnect(Disconnect(properties: [.sessionExpiryInterval(seconds)])))
        #expect(client.isClosed)
        #expect(self.scene.network.broker.sessionCount == (seconds == 0 ? 0 : 1))
        if seconds > 1 { self.scene.network.advance(seconds: UInt64(seconds) - 1) }
        #expect(self.scene.network.broker.sessionCount == (seconds == 0 ? 0 : 1))
        self.scene.network.advance(seconds: 2)
        #expect(self.scene.network.broker.sessionCount == 0)
    }

    @Test("Retained messages do not end with a session [MQTT311-3.1.2-7]", arguments: Scene.versions)
    func retained(_ version: ProtocolVersion) {
        let (client, _) = self.connect(version, clean: true, expiry: 0)
        client.publish("t", "kept", isRetained: true)
        client.send(.disconnect(Disconnect()))
        #expect(self.scene.network.broker.sessionCount == 0)
        let reader = self.scene.client("s", version)
        reader.subscribe("t")
        #expect(reader.takePublishes().map(\.text) == ["kept"])
    }
}
