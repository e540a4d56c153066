import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

@Suite("CONNECT")
struct ConnectTests {
    let network = TestNetwork()

    @Test("A CONNECT is answered by a CONNACK without session", arguments: [ProtocolVersion.v3_1, .v3_1_1, .v5])
    func accepted(_ version: ProtocolVersion) throws {
        let client = ScriptedClient(self.network, version: version)
        let acknowledgement = try #require(client.connect("a"))
        #expect(acknowledgement.reasonCode == .success)
        #expect(!acknowledgement.sessionPresent)
    }

    @Test("The first packet must be CONNECT [MQTT-3.1.0-1]")
    func firstPacket() {
        let client = ScriptedClient(self.network)
        client.send(.pingReq)
        #expect(client.isClosed)
        #expect(client.takeAll().isEmpty)
    }

    @Test("A second CONNECT ends the connection with a protocol error [MQTT-3.1.0-2]")
    func secondConnect() {
        let client = ScriptedClient(self.network)
        client.connect("a")
        #expect(client.connect("a") == nil)
        #expect(client.isClosed)
    }

    @Test("A network connection without CONNECT is closed after five seconds")
    func connectTimeout() {
        let client = ScriptedClient(self.network)
        self.network.advance(milliseconds: 4900)
        #expect(!client.isClosed)
        self.network.advance(milliseconds: 200)
        #expect(client.isClosed)
    }

    @Test("An empty client identifier gets one from the broker and is told it [MQTT-3.1.3-7]")
    func assignedIdentifier() throws {
        let first = try #require(ScriptedClient(self.network).connect(""))
        let second = try #require(ScriptedClient(self.network).connect(""))
        let names = [first, second].compactMap(\.properties.assignedClientIdentifier)
        #expect(Set(names).count == 2)
    }

    @Test("An empty client identifier needs a clean session in 3.1.1 [MQTT311-3.1.3-8]")
    func emptyIdentifier311() throws {
        let refused = ScriptedClient(self.network, version: .v3_1_1)
        let acknowledgement = try #require(refused.connect("", cleanStart: false))
        #expect(acknowledgement.reasonCode.rawValue == 2 || acknowledgement.reasonCode == .clientIdentifierNotValid)
        #expect(refused.isClosed)
        #expect(ScriptedClient(self.network, version: .v3_1_1).connect("")?.reasonCode == .success)
    }

    @Test("A client identifier of more than 256 bytes is refused with 0x85")
    func longIdentifier() throws {
        let client = ScriptedClient(self.network)
        let acknowledgement = try #require(client.connect(String(repeating: "x", count: 257)))
        #expect(acknowledgement.reasonCode == .clientIdentifierNotValid)
        #expect(client.isClosed)
    }

    @Test("An authentication method that is not offered is refused with 0x8C [MQTT-4.12.0-1]")
    func authenticationMethod() throws {
        let client = ScriptedClient(self.network)
        let acknowledgement = try #require(client.connect("a", properties: [.authenticationMethod("SCRAM")]))
        #expect(acknowledgement.reasonCode == .badAuthenticationMethod)
    }

    @Test("CONNACK announces the broker's limits and its calls")
    func capabilities() throws {
        let acknowledgement = try #require(
            ScriptedClient(self.network).connect("me/1", properties: [.requestResponseInformation(1)]))
        #expect(acknowledgement.properties.receiveMaximum == 64)
        #expect(acknowledgement.properties.topicAliasMaximum == 16)
        #expect(acknowledgement.properties.maximumPacketSize == 2_000_000)
        #expect(acknowledgement.properties.firstUserProperty(named: "fc") == "1")
        #expect(acknowledgement.properties.responseInformation == "fc/_reply/me%2F1")
    }

    @Test("Response information is given only when it is asked for [MQTT-3.1.2-28]")
    func responseInformation() throws {
        let acknowledgement = try #require(ScriptedClient(self.network).connect("a"))
        #expect(acknowledgement.properties.responseInformation == nil)
    }

    @Test("A second client with the same identifier takes over [MQTT-3.1.4-3]")
    func takeover() {
        let first = ScriptedClient(self.network)
        first.connect("a", properties: [.sessionExpiryInterval(60)])
        let second = ScriptedClient(self.network)
        #expect(second.connect("a", cleanStart: false)?.sessionPresent == true)
        #expect(first.isClosed)
        #expect(first.next() == .disconnect(Disconnect(reasonCode: .sessionTakenOver, properties: [])))
        #expect(!second.isClosed)
    }

    @Test("A session resumes with its subscriptions, a clean start forgets them [MQTT-3.1.2-4]")
    func resumption() {
        let publisher = ScriptedClient(self.network)
        publisher.connect("p")
        var client = ScriptedClient(self.network)
        client.connect("a", properties: [.sessionExpiryInterval(100)])
        client.subscribe("t")
        client.drop()
        publisher.publish("t", "while away", qos: .atLeastOnce)
        client = ScriptedClient(self.network)
        #expect(
            client.connect("a", cleanStart: false, properties: [.sessionExpiryInterval(100)])?.sessionPresent == true)
        #expect(client.takePublishes().map(\.text) == ["while away"])
        client.drop()
        client = ScriptedClient(self.network)
        #expect(client.connect("a", cleanStart: true)?.sessionPresent == false)
        publisher.publish("t", "nobody", qos: .atLeastOnce)
        #expect(client.takePublishes().isEmpty)
    }

    @Test("A session ends when its expiry has passed [MQTT-3.1.2-23]")
    func sessionExpiry() {
        var client = ScriptedClient(self.network)
        client.connect("a", properties: [.sessionExpiryInterval(10)])
        client.drop()
        self.network.advance(seconds: 9)
        #expect(self.network.broker.sessionCount == 1)
        self.network.advance(seconds: 2)
        #expect(self.network.broker.sessionCount == 0)
        client = ScriptedClient(self.network)
        #expect(client.connect("a", cleanStart: false)?.sessionPresent == false)
    }

    @Test("A longer expiry than the broker keeps is lowered and told")
    func expiryCap() throws {
        let acknowledgement = try #require(
            ScriptedClient(self.network).connect("a", properties: [.sessionExpiryInterval(.max)]))
        #expect(acknowledgement.properties.sessionExpiryInterval == UInt32(604_800))
    }

    @Test(
        "A silent client is cut after one and a half keep alives [MQTT-3.1.2-22]",
        arguments: [ProtocolVersion.v3_1_1, .v5])
    func keepAlive(_ version: ProtocolVersion) {
        let client = ScriptedClient(self.network, version: version)
        client.connect("a", keepAlive: 10)
        self.network.advance(seconds: 14)
        client.send(.pingReq)
        #expect(client.next() == .pingResp)
        self.network.advance(milliseconds: 14_900)
        #expect(!client.isClosed)
        self.network.advance(milliseconds: 200)
        #expect(client.isClosed)
        let goodbye: Packet? =
            version == .v5 ? .disconnect(Disconnect(reasonCode: .keepAliveTimeout, properties: [])) : nil
        #expect(client.next() == goodbye)
    }

    @Test("A client without keep alive gets the server's and is told [MQTT-3.2.2-21]")
    func serverKeepAlive() throws {
        let acknowledgement = try #require(ScriptedClient(self.network).connect("a", keepAlive: 0))
        #expect(acknowledgement.properties.serverKeepAlive == 300)
    }

    @Test("A DISCONNECT cannot prolong a session that was to end [MQTT-3.14.2-2]")
    func disconnectProlongs() {
        let client = ScriptedClient(self.network)
        client.connect("a")
        client.send(.disconnect(Disconnect(reasonCode: .normalDisconnection, properties: [.sessionExpiryInterval(5)])))
        guard case .disconnect(let goodbye) = client.next() else {
            Issue.record("no DISCONNECT")
            return
        }
        #expect(goodbye.reasonCode == .protocolError)
    }

    @Test(
        "A reason string comes unless the client declined problem information [MQTT-3.1.2-29]",
        arguments: [true, false])
    func problemInformation(_ isWanted: Bool) {
        let client = ScriptedClient(self.network)
        client.connect("a", properties: isWanted ? [] : [.requestProblemInformation(0)])
        client.publish("a/+", "wildcard")
        guard case .disconnect(let goodbye) = client.next() else {
            Issue.record("no DISCONNECT")
            return
        }
        #expect(goodbye.reasonCode == .topicNameInvalid)
        #expect((goodbye.properties.reasonString != nil) == isWanted)
    }

    @Test("Shutting down tells every client")
    func shutDown() {
        let client = ScriptedClient(self.network)
        client.connect("a")
        self.network.broker.shutDown(now: self.network.now)
        self.network.settle()
        #expect(client.next() == .disconnect(Disconnect(reasonCode: .serverShuttingDown, properties: [])))
        #expect(client.isClosed)
        #expect(self.network.broker.connectionCount == 0)
    }
}
