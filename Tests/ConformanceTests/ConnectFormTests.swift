import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

@Suite("The form of CONNECT")
struct ConnectFormTests {
    let scene = Scene()

    @Test("Another protocol name ends the connection without an answer [MQTT-3.1.2-1] [MQTT311-3.1.2-1]")
    func protocolName() {
        let client = ScriptedClient(self.scene.network)
        client.send(bytes: Wire.connect(.v5, name: "mqtt", payload: Wire.string("a")))
        #expect(client.isClosed)
        #expect(client.takeAll().isEmpty)
    }

    @Test(
        "A level that is not served is refused in a form that its client knows [MQTT-3.1.2-2] [MQTT311-3.1.2-2]",
        arguments: [(6, ProtocolVersion.v5), (0x85, .v5), (0xFF, .v5), (0, .v3_1_1), (3, .v3_1_1), (0x84, .v3_1_1)]
            as [(UInt8, ProtocolVersion)])
    func level(_ level: UInt8, _ form: ProtocolVersion) {
        let client = ScriptedClient(self.scene.network, version: form)
        client.send(bytes: Wire.connect(form, level: level, payload: Wire.string("a")))
        guard case .connAck(let answer) = client.next() else {
            Issue.record("no CONNACK")
            return
        }
        #expect(answer.reasonCode == .unsupportedProtocolVersion)
        #expect(client.isClosed)
    }

    // [MQTT-3.1.2-3] [MQTT-3.1.4-1] [MQTT-3.2.2-7] [MQTT311-3.1.2-3] [MQTT311-3.1.4-1]
    @Test("The reserved flag is refused: with CONNACK 0x81 in 5.0, without a word in 3.1.1", arguments: Scene.versions)
    func reservedFlag(_ version: ProtocolVersion) {
        let client = ScriptedClient(self.scene.network, version: version)
        client.send(bytes: Wire.connect(version, flags: 0x03, payload: Wire.string("a")))
        self.expectRefusal(of: client)
    }

    static let disagreeing: [(what: String, flags: UInt8, payload: [UInt8])] = [
        ("no client identifier", 0x02, []),
        ("a will flag without will", 0x06, Wire.string("a")),
        ("a will without will flag", 0x02, Wire.string("a") + Wire.string("t") + Wire.string("w")),
        ("a will QoS without will", 0x0A, Wire.string("a")),
        ("a will retain without will", 0x22, Wire.string("a")),
        ("a user name without flag", 0x02, Wire.string("a") + Wire.string("u")),
        ("a user name flag without user name", 0x82, Wire.string("a")),
        ("a password without flag", 0x82, Wire.string("a") + Wire.string("u") + Wire.string("p")),
        ("a password flag without password", 0xC2, Wire.string("a") + Wire.string("u")),
    ]

    // [MQTT-3.1.2-9] [MQTT-3.1.2-11] [MQTT-3.1.2-13] [MQTT-3.1.2-16] [MQTT-3.1.2-17] [MQTT-3.1.2-18] [MQTT-3.1.2-19]
    // [MQTT-3.1.3-3] [MQTT311-3.1.2-9] [MQTT311-3.1.2-11] [MQTT311-3.1.2-13] [MQTT311-3.1.2-15] [MQTT311-3.1.2-18]
    // [MQTT311-3.1.2-19] [MQTT311-3.1.2-20] [MQTT311-3.1.2-21] [MQTT311-3.1.3-3]
    @Test("Flags and payload that disagree are refused", arguments: Scene.versions, disagreeing.indices)
    func disagreement(_ version: ProtocolVersion, _ number: Int) {
        let (what, flags, payload) = Self.disagreeing[number]
        let client = ScriptedClient(self.scene.network, version: version)
        client.send(bytes: Wire.connect(version, flags: flags, payload: payload))
        self.expectRefusal(of: client, what)
    }

    @Test("A will QoS of 3 is refused [MQTT-3.1.2-12] [MQTT311-3.1.2-14]", arguments: Scene.versions)
    func willQoS(_ version: ProtocolVersion) {
        let client = ScriptedClient(self.scene.network, version: version)
        let payload = Wire.string("a") + Wire.noProperties(version) + Wire.string("t") + Wire.string("w")
        client.send(bytes: Wire.connect(version, flags: 0x1E, payload: payload))
        self.expectRefusal(of: client)
    }

    @Test("A password without user name is refused in 3.1.1 and fine in 5.0 [MQTT311-3.1.2-22]")
    func passwordAlone() {
        let payload = Wire.string("a") + Wire.string("p")
        let old = ScriptedClient(self.scene.network, version: .v3_1_1)
        old.send(bytes: Wire.connect(.v3_1_1, flags: 0x42, payload: payload))
        self.expectRefusal(of: old)
        let modern = ScriptedClient(self.scene.network)
        modern.send(bytes: Wire.connect(.v5, flags: 0x42, payload: payload))
        #expect(!modern.isClosed)
    }

    @Test(
        "Client identifier, will, user name and password come in this order [MQTT-3.1.3-1] [MQTT311-3.1.3-1]",
        arguments: Scene.versions)
    func order(_ version: ProtocolVersion) {
        let watcher = self.scene.watcher(version)
        let client = ScriptedClient(self.scene.network, version: version)
        let fields = ["gone", "payload", "user", "secret"].flatMap(Wire.string)
        client.send(
            bytes: Wire.connect(
                version, flags: 0xC6, payload: Wire.string("a") + Wire.noProperties(version) + fields))
        #expect(!client.isClosed)
        client.drop()
        let will = watcher.takePublishes()
        #expect(will.map(\.topic) == ["gone"])
        #expect(will.map(\.text) == ["payload"])
    }

    static let illFormed: [[UInt8]] = [[0xFF], [0x00], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0x61, 0xC2]]

    // [MQTT-3.1.3-4] [MQTT-3.1.3-11] [MQTT-3.1.3-12] [MQTT311-1.5.3-1] [MQTT311-1.5.3-2] [MQTT311-3.1.3-4]
    // [MQTT311-3.1.3-10] [MQTT311-3.1.3-11]
    @Test(
        "Client identifier, will topic and user name must be UTF-8 without U+0000", arguments: Scene.versions,
        illFormed)
    func strings(_ version: ProtocolVersion, _ bytes: [UInt8]) {
        let bad = Wire.binary(bytes)
        let name = Wire.string("a")
        let packets = [
            Wire.connect(version, payload: bad),
            Wire.connect(version, flags: 0x06, payload: name + Wire.noProperties(version) + bad + Wire.string("w")),
            Wire.connect(version, flags: 0x82, payload: name + bad),
        ]
        for packet in packets {
            let client = ScriptedClient(self.scene.network, version: version)
            client.send(bytes: packet)
            self.expectRefusal(of: client)
        }
    }

    /// CONNACK 0x81 to a client of 5.0; 3.1.1 has no code for it.
    private func expectRefusal(of client: ScriptedClient, _ what: String = "") {
        #expect(client.isClosed, "\(what)")
        guard client.version == .v5 else {
            #expect(client.takeAll().isEmpty, "\(what)")
            return
        }
        guard case .connAck(let answer) = client.next() else {
            Issue.record("no CONNACK to \(what)")
            return
        }
        #expect(answer.reasonCode == .malformedPacket, "\(what)")
        #expect(!answer.sessionPresent)
    }
}
