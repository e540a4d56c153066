import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

@Suite("Shared subscriptions by the book")
struct SharedTests {
    let scene = Scene()

    private func member(_ name: String, acknowledges: Bool = true, properties: Properties = []) -> ScriptedClient {
        let client = self.scene.client(name, lasts: true, acknowledges: acknowledges, properties: properties)
        client.subscribe("$share/g/t")
        return client
    }

    // [MQTT-4.8.2-1] [MQTT-4.8.2-2]
    @Test(
        "The share name has at least one character, no wildcard, and a filter behind it",
        arguments: ["$share//t", "$share/g", "$share/g/", "$share/+/t", "$share/a#/t", "$share/"])
    func badNames(_ filter: String) {
        #expect(self.scene.client("s").subscribe(filter) == [.topicFilterInvalid])
    }

    @Test("A member gets its message at the lower of both QoS [MQTT-4.8.2-3]")
    func qos() {
        let client = self.scene.client("s")
        client.subscribe("$share/g/t", qos: .atLeastOnce)
        let publisher = self.scene.client("p")
        for qos in [QoS.atMostOnce, .atLeastOnce, .exactlyOnce] { publisher.publish("t", "", qos: qos) }
        #expect(client.takePublishes().map(\.qos) == [.atMostOnce, .atLeastOnce, .atLeastOnce])
    }

    @Test("No local is forbidden on them [MQTT-3.8.3-4]")
    func noLocal() {
        let client = self.scene.client("s")
        client.subscribe("$share/g/t", noLocal: true)
        client.expectEnd(.protocolError)
    }

    @Test("A QoS 2 delivery is completed with the member it began with [MQTT-4.8.2-4]")
    func sameMember() throws {
        let first = self.member("first", acknowledges: false)
        self.scene.client("p").publish("t", "x", qos: .exactlyOnce)
        let identifier = try #require(first.takePublishes().first?.packetIdentifier)
        let second = self.member("second")
        first.drop()
        #expect(second.takePublishes().isEmpty)
        let back = self.scene.client("first", lasts: true)
        #expect(back.takePublishes().map(\.packetIdentifier) == [identifier])
    }

    @Test("If its session ends, a QoS 2 delivery that had begun goes to nobody else [MQTT-4.8.2-5]")
    func nobodyElse() throws {
        let first = self.member("first", acknowledges: false)
        let publisher = self.scene.client("p")
        publisher.publish("t", "sent", qos: .exactlyOnce)
        publisher.publish("t", "received", qos: .exactlyOnce)
        let identifier = try #require(first.takePublishes().last?.packetIdentifier)
        first.send(.acknowledgement(Packet.pubRec, identifier))
        let second = self.member("second")
        first.send(.disconnect(Disconnect(properties: [.sessionExpiryInterval(0)])))
        #expect(second.takePublishes().isEmpty)
    }

    @Test("A QoS 1 delivery and what was never sent go to another member when the session ends")
    func redelivered() {
        let first = self.scene.client(
            "first", acknowledges: false, properties: [.receiveMaximum(2), .sessionExpiryInterval(20)])
        first.subscribe("$share/g/t")
        let publisher = self.scene.client("p")
        for text in ["1", "2", "3", "4"] {
            let qos = text == "4" ? QoS.exactlyOnce : .atLeastOnce
            publisher.publish("t", text, qos: qos, properties: text == "3" ? [.messageExpiryInterval(100)] : [])
        }
        publisher.publish("t", "gone", qos: .atLeastOnce, properties: [.messageExpiryInterval(5)])
        #expect(first.takePublishes().map(\.text) == ["1", "2"])
        let second = self.member("second")
        first.drop()
        self.scene.network.advance(seconds: 19)
        #expect(second.takePublishes().isEmpty)
        self.scene.network.advance(seconds: 2)
        #expect(second.takePublishes().map(\.text) == ["1", "2", "3", "4"])
        #expect(self.scene.network.broker.statistics.droppedExpired == 1)
    }

    @Test("What is given on keeps its age, comes as new, and only to the same group")
    func givenOn() {
        let first = self.member("first", acknowledges: false)
        self.scene.client("p").publish("t", "x", qos: .atLeastOnce, properties: [.messageExpiryInterval(100)])
        #expect(first.takePublishes().count == 1)
        let second = self.member("second")
        let stranger = self.scene.client("stranger")
        stranger.subscribe("$share/other/t", "t")
        self.scene.network.advance(seconds: 30)
        first.send(.disconnect(Disconnect(properties: [.sessionExpiryInterval(0)])))
        let arrived = second.takePublishes()
        #expect(arrived.map(\.properties.messageExpiryInterval) == [70])
        #expect(arrived.map(\.isDuplicate) == [false])
        #expect(stranger.takePublishes().isEmpty)
    }

    @Test("A message refused with 0x80 or above goes to no other member [MQTT-4.8.2-6]")
    func refused() throws {
        let first = self.member("first", acknowledges: false)
        self.scene.client("p").publish("t", "x", qos: .atLeastOnce)
        let identifier = try #require(first.takePublishes().first?.packetIdentifier)
        let second = self.member("second")
        first.send(.acknowledgement(Packet.pubAck, identifier, .unspecifiedError))
        first.send(.disconnect(Disconnect(properties: [.sessionExpiryInterval(0)])))
        #expect(second.takePublishes().isEmpty)
    }

    @Test("A message too large for one member goes to another [MQTT-3.1.2-24]")
    func tooLarge() {
        let small = self.member("small", properties: [.maximumPacketSize(60)])
        let large = self.member("large")
        let publisher = self.scene.client("p")
        for _ in 0..<4 { publisher.publish("t", String(repeating: "x", count: 100), qos: .atLeastOnce) }
        #expect(small.takePublishes().isEmpty)
        #expect(large.takePublishes().count == 4)
        for _ in 0..<4 { publisher.publish("t", "short", qos: .atLeastOnce) }
        #expect(small.takePublishes().count == 2)
    }

    @Test("UNSUBSCRIBE leaves the group, and the others serve on [MQTT-3.10.4-2]")
    func leaving() {
        let first = self.member("first")
        let second = self.member("second")
        #expect(first.unsubscribe("$share/g/t")?.reasonCodes == [.success])
        let publisher = self.scene.client("p")
        for _ in 0..<3 { publisher.publish("t", "", qos: .atLeastOnce) }
        #expect(first.takePublishes().isEmpty)
        #expect(second.takePublishes().count == 3)
    }

    @Test("They bring no retained messages, and only their own identifier beside that of a plain one")
    func retained() {
        let publisher = self.scene.client("p")
        publisher.publish("t", "kept", isRetained: true)
        let client = self.scene.client("s")
        client.subscribe("$share/g/t", properties: [.subscriptionIdentifier(1)])
        #expect(client.takePublishes().isEmpty)
        client.subscribe("t", retainHandling: .doNotSend, properties: [.subscriptionIdentifier(2)])
        publisher.publish("t", "live")
        #expect(client.takePublishes().map { $0.properties.subscriptionIdentifiers } == [[2], [1]])
    }
}
