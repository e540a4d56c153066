import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

@Suite("PUBLISH by the book")
struct PublishTests {
    let scene = Scene()

    // [MQTT-3.3.4-1] [MQTT-2.2.1-5] [MQTT-4.3.2-4] [MQTT-4.3.3-8] [MQTT-4.3.3-11] [MQTT311-3.3.4-1] [MQTT311-2.3.1-6]
    @Test("Each QoS has its answer, with the identifier of the PUBLISH", arguments: Scene.versions)
    func answers(_ version: ProtocolVersion) throws {
        self.scene.client("s").subscribe("t")
        let publisher = self.scene.client("p", version, acknowledges: false)
        publisher.publish("t", "0")
        #expect(publisher.takeAll().isEmpty)
        let first = try #require(publisher.publish("t", "1", qos: .atLeastOnce))
        #expect(publisher.takeAll() == [.acknowledgement(Packet.pubAck, first)])
        let second = try #require(publisher.publish("t", "2", qos: .exactlyOnce))
        #expect(publisher.takeAll() == [.acknowledgement(Packet.pubRec, second)])
        publisher.send(.acknowledgement(Packet.pubRel, second))
        #expect(publisher.takeAll() == [.acknowledgement(Packet.pubComp, second)])
    }

    // [MQTT-3.3.1-3] [MQTT-4.3.2-2] [MQTT-4.3.3-2] [MQTT311-3.3.1-3]
    @Test("DUP of what comes in does not show in what goes out", arguments: Scene.versions)
    func duplicateFlag(_ version: ProtocolVersion) {
        let watcher = self.scene.watcher(version)
        let publisher = self.scene.client("p", version)
        for qos in [QoS.atLeastOnce, .exactlyOnce] {
            publisher.send(
                .publish(
                    Publish(
                        topic: "t", qos: qos, isDuplicate: true, packetIdentifier: publisher.nextPacketIdentifier())))
        }
        #expect(watcher.takePublishes().map(\.isDuplicate) == [false, false])
    }

    // [MQTT-3.3.1-2] [MQTT-3.3.1-4] [MQTT-4.13.1-1] [MQTT311-3.3.1-2] [MQTT311-3.3.1-4] [MQTT311-4.8.0-1]
    @Test("DUP with QoS 0, and QoS 3, end the connection", arguments: Scene.versions, [0x38, 0x36] as [UInt8])
    func badFlags(_ version: ProtocolVersion, _ first: UInt8) {
        let client = self.scene.client("a", version)
        client.send(bytes: Wire.packet(first, Wire.string("t") + [0, 1] + Wire.noProperties(version)))
        client.expectEnd(.malformedPacket)
    }

    // [MQTT-2.2.1-2] [MQTT-4.3.1-1] [MQTT311-2.3.1-5] [MQTT311-4.3.1-1]
    @Test("A PUBLISH of QoS 0 has no identifier and no DUP, in and out", arguments: Scene.versions)
    func noIdentifier(_ version: ProtocolVersion) throws {
        let watcher = self.scene.watcher(version)
        let client = self.scene.client("a", version)
        client.send(bytes: Wire.packet(0x30, Wire.string("t") + Wire.noProperties(version) + [0, 1]))
        let arrived = try #require(watcher.takePublishes().first)
        #expect(arrived.payload == ByteBuffer(bytes: [0, 1]))
        #expect(arrived.packetIdentifier == nil)
        #expect(!arrived.isDuplicate)
    }

    @Test("An identifier of 0 ends the connection [MQTT-2.2.1-3] [MQTT311-2.3.1-1]", arguments: Scene.versions)
    func identifierZero(_ version: ProtocolVersion) {
        let properties = Wire.noProperties(version)
        let packets = [
            Wire.packet(0x32, Wire.string("t") + [0, 0] + properties),
            Wire.packet(0x82, [0, 0] + properties + Wire.string("t") + [0]),
            Wire.packet(0xA2, [0, 0] + properties + Wire.string("t")),
        ]
        for packet in packets {
            let client = self.scene.client("a", version)
            client.send(bytes: packet)
            client.expectEnd(.protocolError)
        }
    }

    // [MQTT-3.3.2-2] [MQTT-4.7.0-1] [MQTT311-3.3.2-2] [MQTT311-4.7.1-1]
    @Test("A topic with a wildcard ends the connection", arguments: Scene.versions, ["a/#", "+/a", "a+", "#", "a#b"])
    func wildcard(_ version: ProtocolVersion, _ topic: String) {
        let client = self.scene.client("a", version)
        client.publish(topic, "x")
        client.expectEnd(.topicNameInvalid)
    }

    @Test("A topic that is not UTF-8 ends the connection [MQTT-3.3.2-1] [MQTT311-3.3.2-1]", arguments: Scene.versions)
    func illFormedTopic(_ version: ProtocolVersion) {
        for bytes: [UInt8] in [[0xFF], [0x61, 0x00], [0xED, 0xB0, 0x80]] {
            let client = self.scene.client("a", version)
            client.send(bytes: Wire.packet(0x30, Wire.binary(bytes) + Wire.noProperties(version)))
            client.expectEnd(.malformedPacket)
        }
    }

    @Test("An empty topic ends the connection [MQTT-4.7.3-1] [MQTT311-4.7.3-1]", arguments: Scene.versions)
    func emptyTopic(_ version: ProtocolVersion) {
        let client = self.scene.client("a", version)
        client.send(bytes: Wire.packet(0x30, [0, 0] + Wire.noProperties(version)))
        client.expectEnd(.protocolError)
    }

    // [MQTT-3.3.2-3] [MQTT311-3.3.2-3] [MQTT-4.7.3-4] [MQTT311-4.7.3-4]
    @Test("A message arrives under its own topic, byte for byte, by whatever filter", arguments: Scene.versions)
    func topicKept(_ version: ProtocolVersion) {
        let subscriber = self.scene.client("s", version)
        subscriber.subscribe("a/+/c", "\u{E9}", "\u{FEFF}x", "/")
        let publisher = self.scene.client("p", version)
        for topic in ["a/b/c", "e\u{301}", "\u{E9}", "x", "\u{FEFF}x", "/", "A/b/c"] { publisher.publish(topic, "") }
        let topics = subscriber.takePublishes().map { Array($0.topic.utf8) }
        #expect(topics == ["a/b/c", "\u{E9}", "\u{FEFF}x", "/"].map { Array($0.utf8) })
    }

    // [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18] [MQTT-3.3.2-20]
    @Test("Properties pass unaltered, at once, from the queue and retained", arguments: ["live", "queued", "retained"])
    func properties(_ way: String) {
        let properties: Properties = [
            .payloadFormatIndicator(1), .contentType("a/b"), .responseTopic("r"),
            .correlationData(ByteBuffer(bytes: [0, 255])), .userProperty(name: "k", value: "2"),
            .userProperty(name: "", value: ""), .userProperty(name: "k", value: "1"),
        ]
        var subscriber = self.scene.client("s", lasts: true)
        if way != "retained" { subscriber.subscribe("t") }
        if way == "queued" { subscriber.drop() }
        self.scene.client("p").publish(
            "t", "x", qos: .atLeastOnce, isRetained: way == "retained", properties: properties)
        if way == "queued" { subscriber = self.scene.client("s", lasts: true) }
        if way == "retained" { subscriber.subscribe("t") }
        #expect(subscriber.takePublishes().map(\.properties) == [properties])
    }

    @Test("A response topic with a wildcard is a protocol error [MQTT-3.3.2-14]", arguments: ["a/+", "#", "a#"])
    func responseTopic(_ topic: String) {
        let client = self.scene.client("a")
        client.publish("t", "x", properties: [.responseTopic(topic)])
        client.expectEnd(.protocolError)
        let other = ScriptedClient(self.scene.network)
        #expect(
            other.connect("b", will: Will(topic: "t", properties: [.responseTopic(topic)]))?.reasonCode
                == .protocolError)
    }

    @Test("A subscription identifier from a client is a protocol error [MQTT-3.3.4-6]")
    func subscriptionIdentifier() {
        let client = self.scene.client("a")
        client.publish("t", "x", properties: [.subscriptionIdentifier(1)])
        client.expectEnd(.protocolError)
    }

    @Test("Nobody gets properties who speaks 3.1.1")
    func downgraded() {
        let watcher = self.scene.watcher(.v3_1_1)
        self.scene.client("p").publish("t", "x", properties: [.contentType("a"), .messageExpiryInterval(9)])
        #expect(watcher.takePublishes().map(\.text) == ["x"])
    }

    // [MQTT-3.3.2-5] [MQTT-3.3.2-6]
    @Test("A message expires where it waits: in a queue, retained, or behind a full window")
    func expiry() {
        let away = self.scene.client("away", lasts: true)
        away.subscribe("t")
        away.drop()
        let busy = self.scene.client("busy", acknowledges: false, properties: [.receiveMaximum(1)])
        busy.subscribe("t")
        let publisher = self.scene.client("p")
        publisher.publish("t", "first", qos: .atLeastOnce)
        let first = busy.takePublishes()
        for (text, seconds) in [("short", 5), ("long", 50)] as [(String, UInt32)] {
            publisher.publish(
                "t", text, qos: .atLeastOnce, isRetained: text == "long",
                properties: [.messageExpiryInterval(seconds)])
        }
        self.scene.network.advance(seconds: 10)
        if let identifier = first.first?.packetIdentifier { busy.send(.acknowledgement(Packet.pubAck, identifier)) }
        #expect(busy.takePublishes().map(\.properties.messageExpiryInterval) == [40])
        let back = self.scene.client("away", lasts: true).takePublishes()
        #expect(back.map(\.text) == ["first", "long"])
        #expect(back.last?.properties.messageExpiryInterval == 40)
        let late = self.scene.client("late")
        late.subscribe("t")
        #expect(late.takePublishes().map(\.properties.messageExpiryInterval) == [40])
    }
}

@Suite("Payload Format Indicator")
struct PayloadFormatTests {
    let scene = Scene()

    static let payloads: [([UInt8], Bool)] = [
        ([], true), (Array("text \u{E9}\u{1F600}".utf8), true), ([0x61, 0x00], true), ([0xFF], false),
        ([0xC3], false), ([0xED, 0xA0, 0x80], false),
    ]

    @Test("A payload that is said to be UTF-8 is checked, and refused with 0x99 where it is not", arguments: payloads)
    func checked(_ payload: [UInt8], _ isFine: Bool) throws {
        let watcher = self.scene.watcher()
        let publisher = self.scene.client("p", acknowledges: false)
        for qos in [QoS.atMostOnce, .atLeastOnce, .exactlyOnce] {
            publisher.send(
                .publish(
                    Publish(
                        topic: "t", qos: qos,
                        packetIdentifier: qos == .atMostOnce ? nil : publisher.nextPacketIdentifier(),
                        properties: [.payloadFormatIndicator(1)], payload: ByteBuffer(bytes: payload))))
        }
        #expect(watcher.takePublishes().count == (isFine ? 3 : 0))
        let code = isFine ? ReasonCode.success : .payloadFormatInvalid
        #expect(
            publisher.takeAll() == [
                .acknowledgement(Packet.pubAck, try #require(PacketIdentifier(rawValue: 1)), code),
                .acknowledgement(Packet.pubRec, try #require(PacketIdentifier(rawValue: 2)), code),
            ])
        #expect(!publisher.isClosed)
    }

    @Test("Without the indicator, with 0, or unchecked by configuration, any payload passes", arguments: 0...2)
    func unchecked(_ way: Int) {
        var limits = BrokerLimits()
        limits.session.checksPayloadFormat = way != 2
        let scene = Scene(limits: limits)
        let watcher = scene.watcher()
        let properties: Properties = way == 0 ? [] : [.payloadFormatIndicator(way == 1 ? 0 : 1)]
        scene.client("p").send(
            .publish(Publish(topic: "t", properties: properties, payload: ByteBuffer(bytes: [0xFF]))))
        #expect(watcher.takePublishes().count == 1)
    }
}

@Suite("Topic aliases")
struct TopicAliasTests {
    let scene = Scene()

    @Test("Every alias up to the announced maximum is accepted [MQTT-3.3.2-12]")
    func accepted() {
        let watcher = self.scene.watcher()
        let publisher = self.scene.client("p")
        for alias: UInt16 in 1...16 { publisher.publish("t/\(alias)", "", properties: [.topicAlias(alias)]) }
        for alias: UInt16 in 1...16 { publisher.publish("", "again", properties: [.topicAlias(alias)]) }
        let topics = watcher.takePublishes().map(\.topic)
        #expect(topics == (1...16).map { "t/\($0)" } + (1...16).map { "t/\($0)" })
    }

    // [MQTT-3.3.2-8] [MQTT-3.3.2-9] [MQTT-3.2.2-17] [MQTT-3.2.2-18]
    @Test("An alias of 0, above the maximum, or where there are none is refused with 0x94")
    func refused() {
        var limits = BrokerLimits()
        limits.session.topicAliasMaximumIn = 0
        let without = Scene(limits: limits)
        for (scene, alias) in [(self.scene, 0), (self.scene, 17), (without, 1)] as [(Scene, UInt16)] {
            let client = scene.client("a")
            client.publish("t", "x", properties: [.topicAlias(alias)])
            client.expectEnd(.topicAliasInvalid)
        }
    }

    @Test("An alias that was never set is a protocol error, and none is carried to the next connection [MQTT-3.3.2-7]")
    func forgotten() {
        let first = self.scene.client("a", lasts: true)
        first.publish("t", "x", properties: [.topicAlias(1)])
        first.drop()
        let second = self.scene.client("a", lasts: true)
        second.publish("", "x", properties: [.topicAlias(1)])
        second.expectEnd(.protocolError)
    }

    @Test("An alias set anew means the new topic")
    func replaced() {
        let watcher = self.scene.watcher()
        let publisher = self.scene.client("p")
        for topic in ["a", "", "b", ""] { publisher.publish(topic, "", properties: [.topicAlias(3)]) }
        #expect(watcher.takePublishes().map(\.topic) == ["a", "a", "b", "b"])
    }

    // [MQTT-3.1.2-26] [MQTT-3.1.2-27] [MQTT-3.3.2-11] [MQTT-3.3.2-7]
    @Test("Towards a client there are at most as many as it takes", arguments: [0, 1, 2, 100] as [UInt16])
    func outbound(_ maximum: UInt16) {
        let properties: Properties = maximum == 0 ? [] : [.topicAliasMaximum(maximum)]
        var subscriber = self.scene.client("s", lasts: true, properties: properties)
        subscriber.subscribe("#")
        let publisher = self.scene.client("p")
        for round in 0..<2 {
            // A new network connection knows no aliases of the one before.
            if round == 1 { subscriber = self.scene.client("s", lasts: true, properties: properties) }
            for topic in ["a", "b", "c", "a", "b", "c"] { publisher.publish(topic, topic, qos: .atLeastOnce) }
            var known: [UInt16: String] = [:]
            for publish in subscriber.takePublishes() {
                let alias = publish.topicAlias ?? 0
                #expect(alias <= maximum)
                if alias > 0, publish.topicLength > 0 { known[alias] = publish.topic }
                #expect((publish.topicLength > 0 ? publish.topic : known[alias]) == publish.text)
            }
            #expect(known.count <= Int(maximum))
            subscriber.drop()
        }
    }

    @Test("Topics that look alike have aliases of their own [MQTT-4.7.3-4]")
    func lookalikes() {
        let subscriber = self.scene.client("s", properties: [.topicAliasMaximum(10)])
        subscriber.subscribe("#")
        let publisher = self.scene.client("p")
        for topic in ["\u{E9}", "e\u{301}"] { publisher.publish(topic, "") }
        #expect(subscriber.takePublishes().map(\.topicAlias) == [1, 2])
    }
}
