import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

@Suite("Connecting")
struct ConnectingTests {
    let scene = Scene()

    @Test(
        "Any other first packet ends the connection without an answer [MQTT-3.1.0-1] [MQTT311-3.1.0-1]",
        arguments: Scene.versions,
        [Packet.pingReq, .publish(Publish(topic: "t")), .disconnect(Disconnect())])
    func first(_ version: ProtocolVersion, _ packet: Packet) {
        let client = ScriptedClient(self.scene.network, version: version)
        client.send(packet)
        #expect(client.isClosed)
        #expect(client.takeAll().isEmpty)
    }

    @Test("A second CONNECT ends the connection [MQTT-3.1.0-2] [MQTT311-3.1.0-2]", arguments: Scene.versions)
    func second(_ version: ProtocolVersion) {
        let client = self.scene.client("a", version)
        client.send(.connect(Connect(version: version, clientIdentifier: "a")))
        client.expectEnd(.protocolError)
    }

    // [MQTT-3.1.4-5] [MQTT-3.2.0-1] [MQTT-3.2.0-2] [MQTT311-3.1.4-4] [MQTT311-3.2.0-1]
    @Test("What is sent together with CONNECT is answered after the one CONNACK", arguments: Scene.versions)
    func pipelined(_ version: ProtocolVersion) throws {
        let client = ScriptedClient(self.scene.network, version: version)
        client.send(
            .connect(Connect(version: version, clientIdentifier: "a")),
            .subscribe(Subscribe(packetIdentifier: client.nextPacketIdentifier(), subscriptions: [.init(filter: "t")])),
            .publish(Publish(topic: "t")), .pingReq)
        let types = client.takeAll().map(\.type)
        #expect(types == [.connAck, .subAck, .publish, .pingResp])
    }

    // [MQTT-3.1.4-6] [MQTT311-3.1.4-5]
    @Test("After a refused CONNECT nothing is processed", arguments: Scene.versions)
    func afterRefusal(_ version: ProtocolVersion) {
        let watcher = self.scene.watcher()
        let client = ScriptedClient(self.scene.network, version: version)
        client.send(
            .connect(Connect(version: version, clientIdentifier: String(repeating: "x", count: 300))),
            .publish(Publish(topic: "t", payload: ByteBuffer(string: "never"))))
        #expect(client.takeAll().map(\.type) == [.connAck])
        #expect(watcher.takePublishes().isEmpty)
    }

    // [MQTT-3.1.3-8] [MQTT-3.2.2-6] [MQTT-3.2.2-7] [MQTT-3.1.4-2] [MQTT-4.13.2-1] [MQTT311-3.1.3-9] [MQTT311-3.2.2-4]
    // [MQTT311-3.2.2-5]
    @Test(
        "A client identifier that is refused gets a CONNACK without session and is closed", arguments: Scene.versions)
    func refused(_ version: ProtocolVersion) throws {
        let client = ScriptedClient(self.scene.network, version: version)
        let answer = try #require(client.connect(String(repeating: "x", count: 300), cleanStart: false))
        #expect(answer.reasonCode == .clientIdentifierNotValid)
        #expect(!answer.sessionPresent)
        #expect(client.isClosed)
    }

    // [MQTT-3.1.3-5] [MQTT311-3.1.3-5]
    @Test("Identifiers of 1 to 23 letters and digits are allowed", arguments: Scene.versions)
    func allowedIdentifiers(_ version: ProtocolVersion) {
        for name in ["a", "0123456789abcdefghijklm", "nopqrstuvwxyzABCDEFGHIJ", "KLMNOPQRSTUVWXYZ"] {
            #expect(ScriptedClient(self.scene.network, version: version).connect(name)?.reasonCode == .success)
        }
    }

    // [MQTT-3.1.3-2] [MQTT311-3.1.3-2]
    @Test("The identifier names the session, byte for byte", arguments: Scene.versions)
    func sessionName(_ version: ProtocolVersion) {
        let composed = self.scene.client("\u{E9}", version, lasts: true)
        let decomposed = ScriptedClient(self.scene.network, version: version)
        #expect(decomposed.connect("e\u{301}", cleanStart: false)?.sessionPresent == false)
        #expect(!composed.isClosed)
        composed.drop()
        #expect(
            ScriptedClient(self.scene.network, version: version).connect("\u{E9}", cleanStart: false)?.sessionPresent
                == true)
    }

    // [MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16]
    @Test("An assigned identifier is unique, told, and good for another time")
    func assigned() throws {
        let client = ScriptedClient(self.scene.network)
        let answer = try #require(client.connect("", properties: [.sessionExpiryInterval(100)]))
        let name = try #require(answer.properties.assignedClientIdentifier)
        let other = try #require(ScriptedClient(self.scene.network).connect("", cleanStart: false))
        #expect(other.properties.assignedClientIdentifier != name)
        #expect(!client.isClosed)
        client.drop()
        #expect(ScriptedClient(self.scene.network).connect(name, cleanStart: false)?.sessionPresent == true)
    }

    // [MQTT311-3.1.3-6] [MQTT311-3.1.3-7]
    @Test("Clients of 3.1.1 without an identifier are different ones, and need a clean session")
    func unnamed311() {
        let clients = (0..<3).map { _ in ScriptedClient(self.scene.network, version: .v3_1_1) }
        for client in clients { #expect(client.connect("")?.reasonCode == .success) }
        #expect(clients.allSatisfy { !$0.isClosed })
        #expect(
            ScriptedClient(self.scene.network, version: .v3_1_1).connect("", cleanStart: false)?.reasonCode
                == .clientIdentifierNotValid)
    }

    // [MQTT-3.1.4-3] [MQTT311-3.1.4-2]
    @Test("A second client of the same name takes the first one's place", arguments: Scene.versions)
    func takeover(_ version: ProtocolVersion) {
        let first = self.scene.client("a", version)
        let second = self.scene.client("a", version)
        first.expectEnd(.sessionTakenOver)
        #expect(!second.isClosed)
    }

    @Test(
        "A takeover with messages under way passes them on, and each is acknowledged once [MQTT-4.4.0-1]",
        arguments: Scene.versions)
    func takeoverUnderWay(_ version: ProtocolVersion) throws {
        let first = self.scene.client("s", version, lasts: true, acknowledges: false)
        first.subscribe("t")
        let publisher = self.scene.client("p")
        publisher.publish("t", "1", qos: .atLeastOnce)
        publisher.publish("t", "2", qos: .exactlyOnce)
        let sent = first.takePublishes()
        let second = self.scene.client("s", version, lasts: true)
        // The acknowledgement of the first connection comes too late and meets nobody.
        first.send(.acknowledgement(Packet.pubAck, try #require(sent.first?.packetIdentifier)))
        let again = second.takePublishes()
        #expect(again.map(\.text) == ["1", "2"])
        #expect(again.map(\.packetIdentifier) == sent.map(\.packetIdentifier))
        second.drop()
        #expect(self.scene.client("s", version, lasts: true).takePublishes().isEmpty)
    }

    @Test("Authentication methods are refused cleanly, and AUTH without one too [MQTT-4.12.0-4] [MQTT-4.12.0-7]")
    func authentication() throws {
        let client = ScriptedClient(self.scene.network)
        let answer = try #require(client.connect("a", properties: [.authenticationMethod("SCRAM-SHA-1")]))
        #expect(answer.reasonCode == .badAuthenticationMethod)
        #expect(client.isClosed)
        let unasked = self.scene.client("b")
        unasked.send(.auth(Auth(reasonCode: .reAuthenticate, properties: [.authenticationMethod("SCRAM-SHA-1")])))
        unasked.expectEnd(.protocolError)
    }

    @Test("Without a method nothing speaks of one [MQTT-4.12.0-6]")
    func noMethod() throws {
        let client = ScriptedClient(self.scene.network)
        let answer = try #require(client.connect("a"))
        #expect(answer.properties.authenticationMethod == nil)
        client.send(.pingReq)
        #expect(client.takeAll() == [.pingResp])
    }
}

@Suite("Keep alive")
struct KeepAliveTests {
    let scene = Scene()

    // [MQTT-3.1.2-22] [MQTT-3.2.2-22] [MQTT311-3.1.2-24]
    @Test("The client's own keep alive counts, and its will is published as after a failure", arguments: Scene.versions)
    func own(_ version: ProtocolVersion) throws {
        let watcher = self.scene.client("watcher", version)
        watcher.subscribe("#")
        let client = ScriptedClient(self.scene.network, version: version)
        let answer = try #require(client.connect("a", keepAlive: 20, will: Will(topic: "gone")))
        #expect(answer.properties.serverKeepAlive == nil)
        self.scene.network.advance(milliseconds: 29_900)
        #expect(!client.isClosed)
        self.scene.network.advance(milliseconds: 200)
        client.expectEnd(.keepAliveTimeout)
        #expect(watcher.takePublishes().map(\.topic) == ["gone"])
    }

    @Test("A client of 3.1.1, which cannot be told another one, keeps a long keep alive or none [MQTT311-3.1.2-24]")
    func long311() {
        let long = ScriptedClient(self.scene.network, version: .v3_1_1)
        long.connect("long", keepAlive: 1000)
        let none = ScriptedClient(self.scene.network, version: .v3_1_1)
        none.connect("none", keepAlive: 0)
        self.scene.network.advance(seconds: 1499)
        #expect(!long.isClosed)
        self.scene.network.advance(seconds: 2)
        #expect(long.isClosed)
        self.scene.network.advance(seconds: 100_000)
        #expect(!none.isClosed)
    }

    @Test("Every packet counts as a sign of life, and PINGREQ is answered [MQTT-3.12.4-1] [MQTT311-3.12.4-1]")
    func signs() {
        for version in Scene.versions {
            let client = ScriptedClient(self.scene.network, version: version)
            client.connect("a", keepAlive: 10)
            for _ in 0..<4 {
                self.scene.network.advance(seconds: 14)
                client.publish("t", "x")
            }
            client.send(.pingReq)
            #expect(client.takeAll() == [.pingResp])
        }
    }
}
