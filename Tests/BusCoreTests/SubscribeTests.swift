import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

@Suite("SUBSCRIBE")
struct SubscribeTests {
    let network = TestNetwork()

    func client(_ name: String, version: ProtocolVersion = .v5) -> ScriptedClient {
        let client = ScriptedClient(self.network, version: version)
        client.connect(name)
        return client
    }

    @Test("Every filter gets its code, in order [MQTT-3.9.3-1]")
    func codes() {
        let client = self.client("a")
        let codes = client.subscribe("a/b", "bad/#/filter", "+/x", qos: .atLeastOnce)
        #expect(codes == [.grantedQoS1, .topicFilterInvalid, .grantedQoS1])
        let old = self.client("b", version: .v3_1_1)
        #expect(old.subscribe("a/b", "bad#", qos: .exactlyOnce).map(\.rawValue) == [2, 0x80])
    }

    @Test(
        "Overlapping subscriptions deliver once, with all identifiers, at the highest QoS [MQTT-3.3.4-2] [MQTT-3.3.4-4]"
    )
    func overlapping() {
        let client = self.client("a")
        client.subscribe("t/#", qos: .atMostOnce, properties: [.subscriptionIdentifier(7)])
        client.subscribe("t/+", qos: .atLeastOnce, properties: [.subscriptionIdentifier(9)])
        self.client("p").publish("t/x", "once", qos: .exactlyOnce)
        let arrived = client.takePublishes()
        #expect(arrived.map(\.qos) == [.atLeastOnce])
        #expect(Set(arrived.flatMap(\.properties.subscriptionIdentifiers)) == [7, 9])
    }

    @Test("A repeated subscription replaces the old one [MQTT-3.8.4-3]")
    func replacing() {
        let client = self.client("a")
        client.subscribe("t", qos: .exactlyOnce, properties: [.subscriptionIdentifier(1)])
        client.subscribe("t", qos: .atMostOnce, properties: [.subscriptionIdentifier(2)])
        #expect(self.network.broker.subscriptionCount == 1)
        self.client("p").publish("t", "x", qos: .exactlyOnce)
        let arrived = client.takePublishes()
        #expect(arrived.map(\.qos) == [.atMostOnce])
        #expect(arrived.flatMap(\.properties.subscriptionIdentifiers) == [2])
    }

    @Test("After UNSUBSCRIBE nothing comes, and an unknown filter is told [MQTT-3.10.4-1] [MQTT-3.11.3-1]")
    func unsubscribe() throws {
        let client = self.client("a")
        client.subscribe("t")
        let identifier = client.nextPacketIdentifier()
        client.send(.unsubscribe(Unsubscribe(packetIdentifier: identifier, filters: ["t", "u"], properties: [])))
        let expected = UnsubAck(
            packetIdentifier: identifier, reasonCodes: [.success, .noSubscriptionExisted], properties: [])
        #expect(client.next() == .unsubAck(expected))
        self.client("p").publish("t", "x")
        #expect(client.takePublishes().isEmpty)
    }

    @Test("No local keeps a client's own messages from it [MQTT-3.8.3-3]")
    func noLocal() {
        let client = self.client("a")
        client.subscribe("t", noLocal: true)
        client.publish("t", "own")
        self.client("p").publish("t", "other's")
        #expect(client.takePublishes().map(\.text) == ["other's"])
    }

    @Test("No local on a shared subscription is a protocol error [MQTT-3.8.3-4]")
    func noLocalShared() {
        let client = self.client("a")
        client.subscribe("$share/g/t", noLocal: true)
        #expect(client.isClosed)
    }

    @Test(
        "The retain flag passes only where retain-as-published is set [MQTT-3.3.1-12] [MQTT-3.3.1-13]",
        arguments: [false, true])
    func retainAsPublished(_ isSet: Bool) {
        let client = self.client("a")
        client.subscribe("t", retainAsPublished: isSet)
        self.client("p").publish("t", "x", isRetained: true)
        #expect(client.takePublishes().map(\.isRetained) == [isSet])
    }

    @Test("Wildcards at the start do not match topics that begin with $ [MQTT-4.7.2-1]")
    func dollarTopics() {
        let client = self.client("a")
        client.subscribe("#", "+/x")
        self.client("p").publish("$private/x", "hidden")
        #expect(client.takePublishes().isEmpty)
    }

    @Test("More subscriptions than allowed are refused with 0x97")
    func limit() {
        var limits = BrokerLimits()
        limits.session.subscriptionsMax = 2
        let network = TestNetwork(limits: limits)
        let client = ScriptedClient(network)
        client.connect("a")
        #expect(client.subscribe("1", "2", "3", qos: .atMostOnce) == [.success, .success, .quotaExceeded])
        #expect(client.subscribe("1", qos: .atMostOnce) == [.success])
    }

    @Test("One member of a shared subscription gets each message, in turn [MQTT-4.8.2-4]")
    func shared() {
        let members = ["a", "b", "c"].map { self.client($0) }
        for member in members { member.subscribe("$share/g/t/#", qos: .atLeastOnce) }
        let publisher = self.client("p")
        for number in 0..<9 { publisher.publish("t/x", "\(number)", qos: .atLeastOnce) }
        let counts = members.map { $0.takePublishes().count }
        #expect(counts == [3, 3, 3])
    }

    @Test("A shared subscription passes over members that are away")
    func sharedOffline() {
        let away = ScriptedClient(self.network)
        away.connect("away", properties: [.sessionExpiryInterval(100)])
        away.subscribe("$share/g/t")
        away.drop()
        let here = self.client("here")
        here.subscribe("$share/g/t")
        let publisher = self.client("p")
        for number in 0..<4 { publisher.publish("t", "\(number)", qos: .atLeastOnce) }
        #expect(here.takePublishes().count == 4)
    }

    @Test("Messages of one topic arrive in the order in which they were published [MQTT-4.6.0-6]")
    func order() {
        let client = self.client("a")
        client.subscribe("t", qos: .exactlyOnce)
        let publisher = self.client("p")
        for number in 0..<500 { publisher.publish("t", "\(number)", qos: .exactlyOnce) }
        #expect(client.takePublishes().map(\.text) == (0..<500).map(String.init))
    }
}

@Suite("Retained messages")
struct RetainedTests {
    let network = TestNetwork()

    func client(_ name: String) -> ScriptedClient {
        let client = ScriptedClient(self.network)
        client.connect(name)
        return client
    }

    @Test("A new subscription gets the last retained message, marked as such [MQTT-3.3.1-6] [MQTT-3.3.1-8]")
    func delivered() {
        let publisher = self.client("p")
        publisher.publish("a/b", "old", isRetained: true)
        publisher.publish("a/b", "new", qos: .atLeastOnce, isRetained: true)
        publisher.publish("a/c", "other", isRetained: true)
        let client = self.client("s")
        client.subscribe("a/+")
        let arrived = client.takePublishes()
        #expect(Set(arrived.map(\.text)) == ["new", "other"])
        #expect(arrived.allSatisfy { $0.isRetained })
    }

    @Test("An empty retained message removes the old one and is itself delivered [MQTT-3.3.1-6] [MQTT-3.3.1-7]")
    func removed() {
        let publisher = self.client("p")
        publisher.publish("t", "x", isRetained: true)
        #expect(self.network.broker.retainedCount == 1)
        let live = self.client("live")
        live.subscribe("t")
        _ = live.takePublishes()
        publisher.publish("t", "", isRetained: true)
        #expect(live.takePublishes().map(\.text) == [""])
        #expect(self.network.broker.retainedCount == 0)
    }

    @Test("Retain handling decides when they are sent [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]")
    func retainHandling() {
        self.client("p").publish("t", "x", isRetained: true)
        let client = self.client("s")
        client.subscribe("t", retainHandling: .doNotSend)
        #expect(client.takePublishes().isEmpty)
        client.subscribe("t", retainHandling: .sendIfNew)
        #expect(client.takePublishes().isEmpty)
        client.subscribe("t", retainHandling: .sendOnSubscribe)
        #expect(client.takePublishes().count == 1)
        let other = self.client("o")
        other.subscribe("t", retainHandling: .sendIfNew)
        #expect(other.takePublishes().count == 1)
    }

    @Test("Shared subscriptions get none")
    func shared() {
        self.client("p").publish("t", "x", isRetained: true)
        let client = self.client("s")
        client.subscribe("$share/g/t")
        #expect(client.takePublishes().isEmpty)
    }

    @Test("An expired retained message is gone")
    func expired() {
        self.client("p").publish("t", "x", isRetained: true, properties: [.messageExpiryInterval(5)])
        self.network.advance(seconds: 6)
        let client = self.client("s")
        client.subscribe("t")
        #expect(client.takePublishes().isEmpty)
        #expect(self.network.broker.retainedCount == 0)
    }

    @Test("Beyond the limit a message is delivered but not kept, with 0x97")
    func limit() throws {
        var limits = BrokerLimits()
        limits.retainedMessagesMax = 1
        let network = TestNetwork(limits: limits)
        let client = ScriptedClient(network)
        client.connect("a")
        client.subscribe("#")
        client.publish("1", "x", isRetained: true)
        client.takeAll()
        let identifier = try #require(client.publish("2", "y", qos: .atLeastOnce, isRetained: true))
        #expect(network.broker.retainedCount == 1)
        let packets = client.takeAll()
        #expect(packets.contains(.pubAck(Acknowledgement(packetIdentifier: identifier, reasonCode: .quotaExceeded))))
        #expect(packets.count == 2)
    }

    @Test("Many retained messages come whole, before newer ones of the same topic")
    func manyRetained() {
        let publisher = self.client("p")
        for number in 0..<3000 {
            publisher.publish("t/\(number)", String(repeating: "x", count: 1000), isRetained: true)
        }
        let client = self.client("s")
        client.subscribe("t/#", qos: .atLeastOnce)
        #expect(client.takePublishes().count == 3000)
    }
}

@Suite("Wills")
struct WillTests {
    let network = TestNetwork()

    func watcher() -> ScriptedClient {
        let client = ScriptedClient(self.network)
        client.connect("watcher")
        client.subscribe("#")
        return client
    }

    func will(delay: UInt32 = 0) -> Will {
        Will(
            topic: "gone", payload: ByteBuffer(string: "a"), qos: .atLeastOnce, isRetained: false,
            properties: delay == 0 ? [] : [.willDelayInterval(delay), .contentType("text/plain")])
    }

    @Test("A lost connection publishes the will [MQTT-3.1.2-8]")
    func published() {
        let watcher = self.watcher()
        let client = ScriptedClient(self.network)
        client.connect("a", will: self.will())
        client.drop()
        #expect(watcher.takePublishes().map(\.text) == ["a"])
    }

    @Test(
        "A normal DISCONNECT takes the will away, 0x04 does not [MQTT-3.14.4-3]",
        arguments: [ReasonCode.normalDisconnection, .disconnectWithWill])
    func disconnect(_ code: ReasonCode) {
        let watcher = self.watcher()
        let client = ScriptedClient(self.network)
        client.connect("a", will: self.will())
        client.send(.disconnect(Disconnect(reasonCode: code, properties: [])))
        #expect(watcher.takePublishes().count == (code == .disconnectWithWill ? 1 : 0))
    }

    @Test("A will waits for its delay and is cancelled by the client's return [MQTT-3.1.3-9]")
    func delay() {
        let watcher = self.watcher()
        var client = ScriptedClient(self.network)
        client.connect("a", will: self.will(delay: 5), properties: [.sessionExpiryInterval(100)])
        client.drop()
        self.network.advance(seconds: 4)
        #expect(watcher.takePublishes().isEmpty)
        client = ScriptedClient(self.network)
        client.connect("a", cleanStart: false, will: self.will(delay: 5), properties: [.sessionExpiryInterval(100)])
        self.network.advance(seconds: 10)
        #expect(watcher.takePublishes().isEmpty)
        client.drop()
        self.network.advance(seconds: 6)
        let arrived = watcher.takePublishes()
        #expect(arrived.map(\.text) == ["a"])
        #expect(arrived.first?.properties == [.contentType("text/plain")])
    }

    @Test("A will is published at the latest when its session ends")
    func sessionEnd() {
        let watcher = self.watcher()
        let client = ScriptedClient(self.network)
        client.connect("a", will: self.will(delay: 60), properties: [.sessionExpiryInterval(2)])
        client.drop()
        self.network.advance(seconds: 3)
        #expect(watcher.takePublishes().count == 1)
    }

    @Test("A client cut for silence or taken over leaves its will")
    func cutOff() {
        let watcher = self.watcher()
        let silent = ScriptedClient(self.network)
        silent.connect("a", keepAlive: 10, will: self.will())
        for _ in 0..<2 {
            self.network.advance(seconds: 8)
            watcher.send(.pingReq)
        }
        #expect(watcher.takePublishes().count == 1)
        ScriptedClient(self.network).connect("b", will: self.will())
        ScriptedClient(self.network).connect("b")
        #expect(watcher.takePublishes().count == 1)
    }

    @Test("A will with a bad topic is refused at CONNECT")
    func badTopic() throws {
        let client = ScriptedClient(self.network)
        var will = self.will()
        will.topic = "a/#"
        let acknowledgement = try #require(client.connect("a", will: will))
        #expect(acknowledgement.reasonCode == .topicNameInvalid)
    }
}
