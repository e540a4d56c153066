import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

@Suite("Errors and the end of a connection")
struct ErrorTests {
    let scene = Scene()

    static let violations: [(what: String, bytes: [UInt8], code: ReasonCode)] = [
        ("a reserved packet type", [0x00, 0], .malformedPacket),
        ("a server's packet", [0xD0, 0], .protocolError),
        ("PINGREQ with a body", [0xC0, 1, 0], .malformedPacket),
        ("a remaining length of five bytes", [0x30, 0x80, 0x80, 0x80, 0x80, 1], .malformedPacket),
        ("a field past the end", [0x30, 3, 0, 9, 0x61], .malformedPacket),
    ]

    // [MQTT-4.13.1-1] [MQTT-4.13.2-1] [MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT-3.14.2-1] [MQTT-3.14.2-2]
    // [MQTT311-4.8.0-1] [MQTT311-3.2.2-6]
    @Test(
        "A violation ends the connection, in 5.0 after one DISCONNECT, and nothing after it is heard",
        arguments: Scene.versions, violations.indices)
    func violation(_ version: ProtocolVersion, _ number: Int) {
        let (_, bytes, code) = Self.violations[number]
        let watcher = self.scene.watcher(version)
        let client = self.scene.client("a", version)
        client.send(bytes: ByteBuffer(bytes: bytes))
        client.expectEnd(code)
        #expect(client.takeAll().count == (version == .v5 ? 1 : 0))
        client.publish("t", "too late")
        #expect(client.takeAll().isEmpty)
        #expect(watcher.takePublishes().isEmpty)
    }

    // [MQTT-3.14.4-1] [MQTT311-3.14.4-2]
    @Test("After the client's DISCONNECT nothing is heard", arguments: Scene.versions)
    func afterDisconnect(_ version: ProtocolVersion) {
        let watcher = self.scene.watcher(version)
        let client = self.scene.client("a", version)
        client.send(.disconnect(Disconnect()), .publish(Publish(topic: "t")), .pingReq)
        #expect(client.isClosed)
        #expect(client.takeAll().isEmpty)
        #expect(watcher.takePublishes().isEmpty)
    }

    @Test("What came before a violation in the same read still counts", arguments: Scene.versions)
    func before(_ version: ProtocolVersion) {
        let watcher = self.scene.watcher(version)
        let client = self.scene.client("a", version)
        var bytes = ByteBuffer()
        bytes.writePacket(.publish(Publish(topic: "t")), version: version)
        bytes.writeBytes([0xD0, 0])
        client.send(bytes: bytes)
        #expect(client.isClosed)
        #expect(watcher.takePublishes().count == 1)
    }

    // [MQTT-3.14.0-1] [MQTT311-3.2.2-6]
    @Test("Before CONNACK there is no DISCONNECT")
    func beforeConnAck() {
        for bytes: [UInt8] in [[0xD0, 0], [0x00, 0], [0x10, 0x7F], [0x30, 3, 0, 1, 0x61]] {
            let client = ScriptedClient(self.scene.network)
            client.send(bytes: ByteBuffer(bytes: bytes))
            #expect(client.takeAll().isEmpty)
        }
    }

    // [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1] [MQTT-3.14.2-1] [MQTT-3.15.2-1] [MQTT-3.15.1-1]
    @Test(
        "A reason code that does not belong into its packet ends the connection",
        arguments: [
            [0x40, 3, 0, 1, 0x92], [0x50, 3, 0, 1, 0x01], [0x62, 3, 0, 1, 0x80], [0x70, 3, 0, 1, 0x10],
            [0xE0, 1, 0x01],
            [0xF0, 2, 0x01, 0],
        ] as [[UInt8]])
    func reasonCodes(_ bytes: [UInt8]) {
        let client = self.scene.client("a")
        client.send(bytes: ByteBuffer(bytes: bytes))
        client.expectEnd(.protocolError)
    }

    @Test("Reserved flags of AUTH are malformed [MQTT-3.15.1-1]")
    func authFlags() {
        let client = self.scene.client("a")
        client.send(bytes: ByteBuffer(bytes: [0xF1, 0]))
        client.expectEnd(.malformedPacket)
    }

    // [MQTT-3.1.2-28]
    @Test("Response information comes with 1 only", arguments: [nil, 0, 1] as [UInt8?])
    func responseInformation(_ wish: UInt8?) throws {
        let client = ScriptedClient(self.scene.network)
        let answer = try #require(
            client.connect("a", properties: wish.map { [.requestResponseInformation($0)] } ?? []))
        #expect((answer.properties.responseInformation != nil) == (wish == 1))
    }

    // [MQTT-4.2.0-1] [MQTT311-4.2.0-1] [MQTT311-7.1.1-1] [MQTT311-7.0.0-2]
    @Test("Any stream of bytes will do, however it is cut, and no extension is needed", arguments: Scene.versions)
    func stream(_ version: ProtocolVersion) {
        let client = ScriptedClient(self.scene.network, version: version)
        var bytes = ByteBuffer()
        for packet: Packet in [
            .connect(Connect(version: version, clientIdentifier: "a")),
            .subscribe(Subscribe(packetIdentifier: client.nextPacketIdentifier(), subscriptions: [.init(filter: "t")])),
            .publish(Publish(topic: "t", payload: ByteBuffer(string: "x"))), .disconnect(Disconnect()),
        ] {
            bytes.writePacket(packet, version: version)
        }
        for byte in bytes.readableBytesView { client.send(bytes: ByteBuffer(bytes: [byte])) }
        #expect(client.takeAll().map(\.type) == [.connAck, .subAck, .publish])
        #expect(client.isClosed)
    }
}
