import BusCore
import BusSession
import BusTestKit
import BusWire
import Testing

@Suite("$SYS and memory")
struct SystemTests {
    private func network(_ change: (inout BrokerLimits) -> Void = { _ in }) -> TestNetwork {
        var limits = BrokerLimits()
        limits.memoryBytesMax = 1000
        change(&limits)
        let network = TestNetwork(limits: limits)
        network.broker.startSystemTopics(every: 10, now: network.now)
        return network
    }

    private func client(_ network: TestNetwork, _ name: String, version: ProtocolVersion = .v5) -> ScriptedClient {
        let client = ScriptedClient(network, version: version)
        client.connect(name, keepAlive: 0)
        return client
    }

    @Test("A subscriber gets the last values at once, as retained messages, and changes as they come")
    func reports() {
        let network = self.network()
        let reader = self.client(network, "r")
        reader.subscribe("$SYS/broker/clients/connected", "$SYS/broker/subscriptions/count")
        let first = reader.takePublishes()
        #expect(first.map(\.text) == ["0", "0"])
        #expect(first.map(\.isRetained) == [true, true])
        network.advance(seconds: 10)
        let second = reader.takePublishes()
        #expect(
            Set(second.map { "\($0.topic) \($0.text)" }) == [
                "$SYS/broker/clients/connected 1", "$SYS/broker/subscriptions/count 2",
            ])
        #expect(second.map(\.isRetained) == [false, false])
        network.advance(seconds: 10)
        #expect(reader.takePublishes().isEmpty)
    }

    @Test(
        "The names that mosquitto's users know are there",
        arguments: [
            "version", "uptime", "clients/total", "clients/active", "clients/maximum", "messages/received",
            "messages/sent", "publish/messages/dropped", "bytes/received", "retained messages/count", "heap/current",
            "load/messages/received/1min", "load/publish/sent/5min", "load/connections/15min",
        ])
    func names(_ name: String) {
        let network = self.network()
        let reader = self.client(network, "r")
        reader.subscribe("$SYS/broker/\(name)")
        #expect(reader.takePublishes().count == 1)
    }

    @Test("`#` brings nothing of $SYS, and no client may publish there [MQTT-4.7.2-1]")
    func apart() {
        let network = self.network()
        let reader = self.client(network, "r")
        reader.subscribe("#", "+/broker/uptime")
        network.advance(seconds: 30)
        #expect(reader.takePublishes().isEmpty)
        reader.publish("$SYS/broker/uptime", "x", qos: .atLeastOnce)
        guard case .pubAck(let acknowledgement) = reader.next() else {
            Issue.record("no PUBACK")
            return
        }
        #expect(acknowledgement.reasonCode == .notAuthorized)
    }

    @Test(
        "From 80 % of the memory new clients are refused, those that are there go on",
        arguments: [
            (ProtocolVersion.v5, UInt8(0x97)), (.v3_1_1, 0x88),
        ])
    func refusesClients(_ version: ProtocolVersion, _ code: UInt8) {
        let network = self.network()
        let old = self.client(network, "old")
        old.subscribe("t")
        network.broker.setMemory(bytes: 800)
        let late = ScriptedClient(network, version: version)
        #expect(late.connect("late")?.reasonCode.rawValue == code)
        old.publish("t", "x")
        #expect(old.takePublishes().count == 1)
        network.broker.setMemory(bytes: 700)
        #expect(self.client(network, "later").isClosed == false)
    }

    @Test("From 90 % QoS 0 is shed, from 95 % all publishes are refused with 0x97; both are counted")
    func sheds() {
        let network = self.network()
        let client = self.client(network, "c")
        client.subscribe("t", qos: .atLeastOnce)
        network.broker.setMemory(bytes: 900)
        client.publish("t", "0")
        client.publish("t", "1", qos: .atLeastOnce)
        #expect(client.takePublishes().map(\.text) == ["1"])
        _ = client.takeAll()
        network.broker.setMemory(bytes: 950)
        client.publish("t", "2", qos: .atLeastOnce)
        guard case .pubAck(let acknowledgement) = client.next() else {
            Issue.record("no PUBACK")
            return
        }
        #expect(acknowledgement.reasonCode == .quotaExceeded)
        #expect(network.broker.statistics.droppedMemory == 2)
    }

    @Test("One session too many is refused, a known one is not")
    func sessions() {
        let network = self.network { $0.sessionsMax = 1 }
        let first = ScriptedClient(network)
        first.connect("a", properties: [.sessionExpiryInterval(100)])
        first.drop()
        let second = ScriptedClient(network)
        #expect(second.connect("b")?.reasonCode == .quotaExceeded)
        let again = ScriptedClient(network)
        #expect(again.connect("a", cleanStart: false)?.reasonCode == .success)
    }

    @Test("One user has its share of connections; one that leaves makes room")
    func perUser() {
        let network = self.network { $0.connectionsPerUserMax = 1 }
        network.broker.authenticates = true
        let first = ScriptedClient(network)
        #expect(first.logIn("a", as: "ana")?.reasonCode == .success)
        #expect(ScriptedClient(network).logIn("b", as: "ana")?.reasonCode == .quotaExceeded)
        #expect(ScriptedClient(network).logIn("c", as: "ben")?.reasonCode == .success)
        first.drop()
        #expect(ScriptedClient(network).logIn("b", as: "ana")?.reasonCode == .success)
    }

    @Test("A PUBLISH with too many properties is refused (R12)")
    func properties() {
        let network = self.network { $0.propertyBytesMax = 100 }
        let client = self.client(network, "c")
        client.subscribe("t")
        let bomb = (0..<50).map { Property.userProperty(name: "n\($0)", value: "v") }
        client.publish("t", "x", qos: .atLeastOnce, properties: Properties(bomb))
        #expect(client.takePublishes().isEmpty)
    }
}
