import BusAccess
import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

@Suite("Login")
struct LoginTests {
    let network = TestNetwork()

    init() {
        self.network.broker.authenticates = true
    }

    @Test("A client waits for its CONNACK until it is known who it is")
    func waits() throws {
        let client = ScriptedClient(self.network)
        #expect(client.connect("a", user: "ana") == nil)
        let login = try #require(self.network.logins.first)
        #expect(login.userName == "ana")
        #expect(login.password == Array("secret of ana".utf8))
        self.network.answer(.accepted(user: "ana", groups: [], expiresAt: .never))
        #expect(client.takeConnAck()?.reasonCode == .success)
    }

    @Test(
        "A refused client is told why and is let go [MQTT-3.1.4-2] [MQTT-3.2.2-7]",
        arguments: [(ProtocolVersion.v5, UInt8(0x86)), (.v3_1_1, 0x86), (.v5, 0x87), (.v3_1_1, 0x87)])
    func refused(_ version: ProtocolVersion, _ code: UInt8) {
        let client = ScriptedClient(self.network, version: version)
        client.connect("a", user: "ana")
        self.network.answer(.refused(ReasonCode(rawValue: code), "no"))
        #expect(client.takeConnAck()?.reasonCode.rawValue == code)
        #expect(client.isClosed)
        #expect(self.network.broker.sessionCount == 0)
    }

    @Test("What a client sends before its CONNACK is done after it, in order [MQTT-3.1.4-5]")
    func pipelined() {
        let client = ScriptedClient(self.network)
        client.connect("a", user: "ana")
        client.subscribe("t", qos: .atLeastOnce)
        client.publish("t", "1", qos: .atLeastOnce)
        client.publish("t", "2")
        #expect(client.takeAll().isEmpty)
        self.network.answer(.accepted(user: "ana", groups: [], expiresAt: .never))
        #expect(client.takeConnAck()?.reasonCode == .success)
        #expect(client.takePublishes().map(\.text) == ["1", "2"])
    }

    @Test("Nothing is done for a client that is refused in the end")
    func nothingDone() {
        let client = ScriptedClient(self.network)
        client.connect("a", user: "ana")
        client.publish("t", "1", isRetained: true)
        self.network.answer(.refused(.badUserNameOrPassword, "no"))
        #expect(self.network.broker.retainedCount == 0)
    }

    @Test("A second CONNECT while the first one waits ends the connection [MQTT-3.1.0-2]")
    func secondConnect() {
        let client = ScriptedClient(self.network)
        client.connect("a", user: "ana")
        client.connect("a", user: "ana")
        #expect(client.isClosed)
        self.network.answer(.accepted(user: "ana", groups: [], expiresAt: .never))
        #expect(self.network.broker.sessionCount == 0)
    }

    @Test("A flood before CONNACK ends the connection")
    func flood() {
        let client = ScriptedClient(self.network)
        client.connect("a", user: "ana")
        for _ in 0..<300 { client.send(.pingReq) }
        #expect(client.isClosed)
    }

    @Test("A verdict for a client that has gone changes nothing")
    func gone() {
        let client = ScriptedClient(self.network)
        client.connect("a", user: "ana")
        client.drop()
        let other = ScriptedClient(self.network)
        other.connect("b", user: "ben")
        self.network.answer(.accepted(user: "ana", groups: [], expiresAt: .never))
        #expect(other.takeConnAck() == nil)
        #expect(self.network.broker.sessionCount == 0)
    }

    @Test("A login that expires ends its connection then, not before")
    func expiry() {
        let client = ScriptedClient(self.network)
        client.connect("a", keepAlive: 0, user: "ana")
        let due = self.network.now.adding(seconds: 10)
        self.network.answer(.accepted(user: "ana", groups: [], expiresAt: due))
        self.network.advance(seconds: 9)
        #expect(!client.isClosed)
        self.network.advance(seconds: 2)
        #expect(client.isClosed)
    }

    @Test("Users who are not known any more are sent away, others stay (S03)")
    func removedUser() {
        let ana = ScriptedClient(self.network)
        ana.logIn("a", as: "ana")
        let ben = ScriptedClient(self.network)
        ben.logIn("b", as: "ben")
        self.network.broker.endConnections(now: self.network.now) { $0.user == "ben" }
        self.network.settle()
        #expect(ana.isClosed)
        #expect(!ben.isClosed)
    }

    @Test("A list of users says nothing about one whose certificate gave the name (S03)")
    func certificateUser() {
        let cat = ScriptedClient(self.network, certificateUser: "cat")
        cat.logIn("c", as: "cat")
        self.network.broker.endConnections(now: self.network.now) { _ in false }
        self.network.settle()
        #expect(!cat.isClosed)
    }
}
