import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

@Suite("Maximum Packet Size of a client")
struct MaximumPacketSizeTests {
    let scene = Scene()

    // [MQTT-3.1.2-24] [MQTT-3.1.2-25]
    @Test(
        "A larger message is dropped, and the exchange counts as done",
        arguments: [QoS.atMostOnce, .atLeastOnce, .exactlyOnce])
    func dropped(_ qos: QoS) {
        let client = self.scene.client(
            "s", lasts: true, acknowledges: false, properties: [.maximumPacketSize(50), .receiveMaximum(1)])
        client.subscribe("t")
        let publisher = self.scene.client("p")
        publisher.publish("t", String(repeating: "x", count: 100), qos: qos)
        publisher.publish("t", "short", qos: qos)
        #expect(client.takePublishes().map(\.text) == ["short"])
        client.drop()
        let again = self.scene.client("s", lasts: true).takePublishes()
        #expect(again.map(\.text) == (qos == .atMostOnce ? [] : ["short"]))
    }

    @Test("The limit is that of the connection: a resumed session may drop or send what it has [MQTT-3.1.2-25]")
    func resumed() {
        var client = self.scene.client("s", lasts: true, acknowledges: false)
        client.subscribe("t")
        let publisher = self.scene.client("p")
        publisher.publish("t", String(repeating: "x", count: 100), qos: .exactlyOnce)
        #expect(client.takePublishes().count == 1)
        client.drop()
        publisher.publish("t", String(repeating: "y", count: 100), qos: .atLeastOnce)
        publisher.publish("t", "short", qos: .atLeastOnce)
        client = self.scene.client("s", lasts: true, properties: [.maximumPacketSize(50)])
        #expect(client.takePublishes().map(\.text) == ["short"])
    }

    @Test("It is met exactly: a packet of that size passes, one byte more does not [MQTT-3.1.2-24]")
    func exact() {
        // 2 bytes of header, 3 of topic, 1 of properties, and the payload.
        let client = self.scene.client("s", properties: [.maximumPacketSize(50)])
        client.subscribe("t")
        let publisher = self.scene.client("p")
        for count in [44, 45] { publisher.publish("t", String(repeating: "x", count: count)) }
        #expect(client.takePublishes().map(\.payloadLength) == [44])
    }

    // [MQTT-3.2.2-20] [MQTT-3.1.2-24]
    @Test(
        "CONNACK leaves out what only informs, and nobody is let in without one",
        arguments: [4, 5, 12, 13] as [UInt32])
    func connAck(_ limit: UInt32) throws {
        let client = ScriptedClient(self.scene.network)
        let answer = client.connect("a", properties: [.maximumPacketSize(limit), .requestResponseInformation(1)])
        switch limit {
        case 4:
            #expect(answer == nil)
        case 5, 12:
            #expect(answer?.reasonCode == .packetTooLarge)
        default:
            #expect(answer?.reasonCode == .success)
            #expect(answer?.properties.receiveMaximum == 64)
            #expect(answer?.properties.userProperties.isEmpty == true)
        }
        #expect(client.isClosed == (limit < 13))
    }

    // [MQTT-3.2.2-20]
    @Test("What only informs comes as soon as all of it fits", arguments: [-1, 0])
    func informing(_ difference: Int) throws {
        let whole = try #require(ScriptedClient(self.scene.network).connect("a"))
        var bytes = ByteBuffer()
        bytes.writePacket(.connAck(whole), version: .v5)
        let limit = UInt32(bytes.readableBytes + difference)
        let answer = ScriptedClient(self.scene.network).connect("b", properties: [.maximumPacketSize(limit)])
        #expect(whole.properties.userProperties.isEmpty == false)
        #expect((answer?.properties.userProperties.isEmpty == false) == (difference == 0))
    }

    // [MQTT-3.2.2-19] [MQTT-3.14.2-3]
    @Test("A reason string that does not fit is left out of CONNACK and DISCONNECT")
    func reasonString() throws {
        let refused = ScriptedClient(self.scene.network)
        let answer = try #require(
            refused.connect("a", properties: [.authenticationMethod("x"), .maximumPacketSize(20)]))
        #expect(answer.reasonCode == .badAuthenticationMethod)
        #expect(answer.properties.reasonString == nil)
        let client = self.scene.client("b", properties: [.maximumPacketSize(20)])
        client.publish("a/#", "")
        client.expectEnd(.topicNameInvalid)
        let roomy = self.scene.client("c")
        roomy.publish("a/#", "")
        guard case .disconnect(let goodbye) = roomy.takeAll().last else {
            Issue.record("no DISCONNECT")
            return
        }
        #expect(goodbye.properties.reasonString != nil)
    }

    // [MQTT-3.1.2-29] [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3] [MQTT-3.6.2-2] [MQTT-3.6.2-3]
    // [MQTT-3.7.2-2] [MQTT-3.7.2-3] [MQTT-3.9.2-1] [MQTT-3.9.2-2] [MQTT-3.11.2-1] [MQTT-3.11.2-2] [MQTT-3.14.2-4]
    @Test("Acknowledgements, refusals among them, carry neither reason string nor user properties")
    func bare() throws {
        let client = self.scene.client("s", acknowledges: false)
        client.subscribe("ok", "bad/#/filter")
        _ = client.publish("$SYS/x", "", qos: .atLeastOnce)
        _ = client.publish("$SYS/x", "", qos: .exactlyOnce)
        let unknown = try #require(PacketIdentifier(rawValue: 500))
        client.send(.acknowledgement(Packet.pubRel, unknown), .acknowledgement(Packet.pubRec, unknown))
        client.send(.unsubscribe(Unsubscribe(packetIdentifier: unknown, filters: ["none"])))
        var types: [PacketType] = []
        for packet in client.takeAll() {
            types.append(packet.type)
            switch packet {
            case .pubAck(let packet), .pubRec(let packet), .pubRel(let packet), .pubComp(let packet):
                #expect(packet.reasonCode.isError)
                #expect(packet.properties.isEmpty)
            case .unsubAck(let packet): #expect(packet.properties.isEmpty)
            default: Issue.record("\(packet.type) was not asked for")
            }
        }
        #expect(types == [.pubAck, .pubRec, .pubComp, .pubRel, .unsubAck])
        client.send(
            .subscribe(Subscribe(packetIdentifier: unknown, subscriptions: [Subscription(filter: "bad#")])))
        #expect(client.takeAll() == [.subAck(SubAck(packetIdentifier: unknown, reasonCodes: [.topicFilterInvalid]))])
        client.send(bytes: ByteBuffer(bytes: [0xC1, 0]))
        guard case .disconnect(let goodbye) = client.takeAll().last else {
            Issue.record("no DISCONNECT")
            return
        }
        #expect(goodbye.properties.userProperties.isEmpty)
    }

    @Test("A packet above the broker's own maximum ends the connection with 0x95 [MQTT-3.2.2-15]")
    func inbound() {
        for version in Scene.versions {
            let client = self.scene.client("a", version)
            client.send(bytes: ByteBuffer(bytes: [0x30, 0xFF, 0xFF, 0xFF, 0x7F]))
            client.expectEnd(.packetTooLarge)
        }
    }
}
