import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

@Suite("Wills by the book")
struct WillTests {
    let scene = Scene()

    private func will(_ properties: Properties = [], qos: QoS = .atMostOnce, isRetained: Bool = false) -> Will {
        Will(
            topic: "gone", payload: ByteBuffer(string: "bye"), qos: qos, isRetained: isRetained,
            properties: properties)
    }

    private func client(
        _ version: ProtocolVersion = .v5, _ will: Will?, expiry: UInt32 = 0, clean: Bool = true
    ) -> ScriptedClient {
        let client = ScriptedClient(self.scene.network, version: version)
        let properties: Properties = version == .v5 ? [.sessionExpiryInterval(expiry)] : []
        client.connect("a", cleanStart: clean, will: will, properties: properties)
        return client
    }

    // [MQTT-3.1.2-7] [MQTT-3.1.2-8] [MQTT-3.1.2-10] [MQTT311-3.1.2-8] [MQTT311-3.1.2-10] [MQTT311-3.1.2-12]
    @Test("A will is published once; the next connection has its own or none", arguments: Scene.versions)
    func once(_ version: ProtocolVersion) {
        let watcher = self.scene.watcher(version)
        self.client(version, self.will()).drop()
        #expect(watcher.takePublishes().map(\.text) == ["bye"])
        self.client(version, nil).drop()
        #expect(watcher.takePublishes().isEmpty)
    }

    // [MQTT-3.1.2-10] [MQTT-3.14.4-3] [MQTT311-3.1.2-10] [MQTT311-3.14.4-3]
    @Test("A normal DISCONNECT discards the will for good", arguments: Scene.versions)
    func discarded(_ version: ProtocolVersion) {
        let watcher = self.scene.watcher(version)
        let client = self.client(version, self.will(), expiry: 5, clean: false)
        client.send(.disconnect(Disconnect()))
        #expect(client.isClosed)
        self.scene.network.advance(seconds: 10)
        #expect(watcher.takePublishes().isEmpty)
    }

    @Test(
        "Any other reason leaves the will to be published [MQTT-3.1.2-8]",
        arguments: [ReasonCode.disconnectWithWill, .unspecifiedError, .administrativeAction])
    func otherReasons(_ code: ReasonCode) {
        let watcher = self.scene.watcher()
        self.client(.v5, self.will()).send(.disconnect(Disconnect(reasonCode: code)))
        #expect(watcher.takePublishes().count == 1)
    }

    @Test("A protocol error of the client leaves its will too [MQTT-3.1.2-8]", arguments: Scene.versions)
    func afterError(_ version: ProtocolVersion) {
        let watcher = self.scene.watcher(version)
        self.client(version, self.will()).publish("a/#", "wildcard")
        #expect(watcher.takePublishes().count == 1)
    }

    // [MQTT-3.1.2-14] [MQTT-3.1.2-15] [MQTT311-3.1.2-16] [MQTT311-3.1.2-17]
    @Test("A will is retained exactly when it says so", arguments: Scene.versions, [false, true])
    func retained(_ version: ProtocolVersion, _ isRetained: Bool) {
        self.client(version, self.will(qos: .atLeastOnce, isRetained: isRetained)).drop()
        let reader = self.scene.client("s", version)
        reader.subscribe("gone")
        #expect(reader.takePublishes().map(\.qos) == (isRetained ? [.atLeastOnce] : []))
        #expect(self.scene.network.broker.retainedCount == (isRetained ? 1 : 0))
    }

    @Test("A will keeps its QoS", arguments: [QoS.atMostOnce, .atLeastOnce, .exactlyOnce])
    func qos(_ qos: QoS) {
        let watcher = self.scene.watcher()
        self.client(.v5, self.will(qos: qos)).drop()
        #expect(watcher.takePublishes().map(\.qos) == [qos])
    }

    @Test("A will carries its properties, user properties in their order [MQTT-3.1.3-10]")
    func properties() {
        let properties: Properties = [
            .payloadFormatIndicator(1), .contentType("text/plain"), .responseTopic("answers"),
            .correlationData(ByteBuffer(string: "id")), .userProperty(name: "z", value: "1"),
            .userProperty(name: "a", value: "2"), .userProperty(name: "z", value: "3"),
        ]
        let watcher = self.scene.watcher()
        self.client(.v5, self.will(properties)).drop()
        #expect(watcher.takePublishes().map(\.properties) == [properties])
    }

    @Test("The expiry of a will begins when it is published [MQTT-3.3.2-6]")
    func expiry() throws {
        let reader = self.scene.client("s", lasts: true)
        reader.subscribe("gone")
        reader.drop()
        let will = self.will([.willDelayInterval(10), .messageExpiryInterval(20)], qos: .atLeastOnce)
        self.client(.v5, will, expiry: 1000).drop()
        self.scene.network.advance(seconds: 15)
        let arrived = self.scene.client("s", lasts: true).takePublishes()
        #expect(arrived.map(\.properties.messageExpiryInterval) == [15])
    }

    @Test("A return within the delay cancels the will [MQTT-3.1.3-9]")
    func cancelled() {
        let watcher = self.scene.watcher()
        self.client(.v5, self.will([.willDelayInterval(10)]), expiry: 100).drop()
        self.scene.network.advance(seconds: 9)
        _ = self.client(.v5, nil, expiry: 100, clean: false)
        self.scene.network.advance(seconds: 50)
        #expect(watcher.takePublishes().isEmpty)
    }

    @Test("A return with a clean start ends the session, and the will goes out with it [MQTT-3.1.2-8]")
    func cleanReturn() {
        let watcher = self.scene.watcher()
        self.client(.v5, self.will([.willDelayInterval(10)]), expiry: 100).drop()
        _ = self.client(.v5, nil)
        #expect(watcher.takePublishes().count == 1)
    }

    @Test(
        "A takeover publishes a will without delay and cancels one with [MQTT-3.1.3-9]", arguments: [0, 10] as [UInt32])
    func takenOver(_ delay: UInt32) {
        let watcher = self.scene.watcher()
        _ = self.client(.v5, self.will([.willDelayInterval(delay)]), expiry: 100, clean: false)
        _ = self.client(.v5, nil, expiry: 100, clean: false)
        self.scene.network.advance(seconds: 50)
        #expect(watcher.takePublishes().count == (delay == 0 ? 1 : 0))
    }

    @Test(
        "The will goes out when the session ends, if that is before the delay [MQTT-3.1.2-8]",
        arguments: [0, 5] as [UInt32])
    func sessionEnd(_ expiry: UInt32) {
        let watcher = self.scene.watcher()
        self.client(.v5, self.will([.willDelayInterval(60)]), expiry: expiry).drop()
        if expiry > 0 {
            self.scene.network.advance(seconds: UInt64(expiry) - 1)
            #expect(watcher.takePublishes().isEmpty)
            self.scene.network.advance(seconds: 2)
        }
        #expect(watcher.takePublishes().count == 1)
    }

    @Test("A will cannot write where its client could not", arguments: ["fc/_evt/x", "fc/_inst/other", "fc/_dead/x"])
    func reserved(_ topic: String) {
        let watcher = self.scene.client("watcher")
        watcher.subscribe(topic)
        let client = ScriptedClient(self.scene.network)
        client.connect("a", will: Will(topic: topic, payload: ByteBuffer(string: "{}")))
        client.drop()
        #expect(watcher.takePublishes().isEmpty)
    }

    @Test("A will below $SYS, as bridges leave it, is accepted and never published", arguments: Scene.versions)
    func belowSystem(_ version: ProtocolVersion) {
        let watcher = self.scene.client("watcher", version)
        watcher.subscribe("$SYS/#")
        let client = ScriptedClient(self.scene.network, version: version)
        let will = Will(topic: "$SYS/broker/connection/a/state", payload: ByteBuffer(string: "0"), isRetained: true)
        #expect(client.connect("a", will: will)?.reasonCode == .success)
        client.drop()
        #expect(watcher.takePublishes().isEmpty)
        #expect(self.scene.network.broker.retainedCount == 0)
    }

    @Test("A will that is said to be UTF-8 and is not is refused with 0x99")
    func format() throws {
        let client = ScriptedClient(self.scene.network)
        var will = self.will([.payloadFormatIndicator(1)])
        will.payload = ByteBuffer(bytes: [0xFF])
        let answer = try #require(client.connect("a", will: will))
        #expect(answer.reasonCode == .payloadFormatInvalid)
        #expect(client.isClosed)
    }
}
