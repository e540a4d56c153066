import BusAccess
import BusSession
import BusTestKit
import BusTopics
import BusWire
import NIOCore
import Testing

@testable import BusCore

/// What a broker finds that begins with the store of another one (D01, D02).
@Suite("Recovery")
struct RecoveryTests {
    let scene = StoredScene()
    var network: TestNetwork { self.scene.network }

    @Test(
        "Sessions, subscriptions, queues and retained messages are there", arguments: [QoS.atLeastOnce, .exactlyOnce])
    func everything(_ qos: QoS) throws {
        self.scene.lasting("s", "a/#").drop()
        let publisher = self.scene.passing("p")
        for number in 1...5 {
            publisher.publish(
                "a/\(number)", "\(number)", qos: qos, isRetained: number == 3,
                properties: [.userProperty(name: "n", value: "\(number)")])
        }
        let before = self.scene.committed
        self.network.crash()
        #expect(self.scene.committed == before)
        let again = ScriptedClient(self.network)
        let connAck = again.connect("s", cleanStart: false, properties: [.sessionExpiryInterval(3600)])
        #expect(connAck?.sessionPresent == true)
        let messages = again.takePublishes()
        #expect(messages.map(\.text) == ["1", "2", "3", "4", "5"])
        #expect(messages.map { $0.properties.firstUserProperty(named: "n") } == ["1", "2", "3", "4", "5"])
        #expect(messages.allSatisfy { $0.qos == qos })
        self.scene.passing("q").publish("a/6", "6", qos: qos)
        #expect(again.takePublishes().map(\.text) == ["6"])
        #expect(self.scene.committed.messages.isEmpty)
        let retained = self.scene.passing("r", "a/+").takePublishes()
        #expect(retained.map(\.text) == ["3"] && retained.first?.qos == qos)
    }

    @Test("A QoS 2 message that was under way is sent again under its identifier, a released one is not")
    func underWay() throws {
        let subscriber = self.scene.lasting("s", "a")
        subscriber.acknowledgesPublishes = false
        let publisher = self.scene.passing("p")
        publisher.publish("a", "one", qos: .exactlyOnce)
        publisher.publish("a", "two", qos: .exactlyOnce)
        let sent = subscriber.takePublishes()
        let identifiers = try sent.map { try #require($0.packetIdentifier) }
        subscriber.send(.pubRec(Acknowledgement(packetIdentifier: identifiers[0])))
        self.network.crash()
        let again = ScriptedClient(self.network)
        again.acknowledgesPublishes = false
        again.connect("s", cleanStart: false, properties: [.sessionExpiryInterval(3600)])
        let packets = again.takeAll()
        guard case .pubRel(let release) = packets.first, case .publish(let publish) = packets.last else {
            Issue.record("expected PUBREL and PUBLISH, got \(packets.map(\.type))")
            return
        }
        #expect(packets.count == 2)
        #expect(release.packetIdentifier == identifiers[0])
        #expect(publish.text == "two" && publish.packetIdentifier == identifiers[1] && publish.isDuplicate)
    }

    @Test("A QoS 2 message that came in before the crash is known when it comes again")
    func received() throws {
        self.scene.lasting("s", "a").drop()
        let publisher = self.scene.lasting("p")
        publisher.acknowledgesPublishes = false
        let identifier = try #require(publisher.publish("a", "x", qos: .exactlyOnce))
        self.network.crash()
        let again = ScriptedClient(self.network)
        again.acknowledgesPublishes = false
        again.connect("p", cleanStart: false, properties: [.sessionExpiryInterval(3600)])
        again.takeAll()
        again.send(
            .publish(
                Publish(
                    topic: "a", qos: .exactlyOnce, isDuplicate: true, packetIdentifier: identifier,
                    payload: ByteBuffer(string: "x"))))
        again.send(.pubRel(Acknowledgement(packetIdentifier: identifier)))
        #expect(again.takeTypes() == [.pubRec, .pubComp])
        #expect(self.scene.lasting("s").takePublishes().map(\.text) == ["x"])
    }

    @Test("Time goes by while the broker is down: a session and a message that have expired are gone")
    func expiry() {
        self.scene.lasting("s", "a").drop()
        self.scene.passing("p").publish(
            "a", "short", qos: .atLeastOnce, isRetained: true, properties: [.messageExpiryInterval(60)])
        self.network.crash(downSeconds: 100)
        #expect(self.network.broker.sessionCount == 1)
        #expect(self.network.broker.retainedCount == 0)
        #expect(self.scene.committed.retained.isEmpty)
        #expect(self.scene.lasting("s").takePublishes().isEmpty)
        self.network.crash(downSeconds: 3590)
        self.network.advance(seconds: 0)
        #expect(self.network.broker.sessionCount == 1, "its client was there when the broker died")
        self.network.crash(downSeconds: 3601)
        self.network.advance(seconds: 0)
        #expect(self.network.broker.sessionCount == 0)
        #expect(self.scene.committed == StoredState())
    }

    @Test("A message that waits says how long it has to live after the time that the broker was down")
    func expiryLeft() throws {
        self.scene.lasting("s", "a").drop()
        self.scene.passing("p").publish(
            "a", "x", qos: .atLeastOnce, properties: [.messageExpiryInterval(60)])
        self.network.crash(downSeconds: 20)
        let message = try #require(self.scene.lasting("s").takePublishes().first)
        #expect(message.messageExpiryInterval == 40)
    }

    @Test("Numbers of sessions and messages go on above those in the store")
    func numbers() throws {
        self.scene.lasting("s", "a").drop()
        let publisher = self.scene.passing("p")
        for _ in 0..<3 { publisher.publish("a", "x", qos: .atLeastOnce) }
        self.network.crash()
        self.scene.passing("p").publish("a", "y", qos: .atLeastOnce)
        _ = self.scene.lasting("t")
        #expect(self.scene.committed.sessions.keys.sorted() == [1, 2])
        #expect(self.scene.committed.messages.keys.sorted() == [1, 2, 3, 4])
        #expect(self.scene.committed.sessions[1]?.deliveries.map(\.order) == [1, 2, 3, 4])
    }

    @Test("A retained message remembers its publisher, whose rights count, and whose own it is")
    func publisher() throws {
        let publisher = ScriptedClient(self.network)
        publisher.connect("p")
        publisher.publish("a", "x", isRetained: true)
        self.network.crash()
        let again = ScriptedClient(self.network)
        again.connect("p")
        again.subscribe("a", noLocal: true)
        #expect(again.takePublishes().isEmpty)
        #expect(self.scene.passing("other", "a").takePublishes().count == 1)
    }

    @Test("A shared subscription of a stored session is one again")
    func shared() {
        self.scene.lasting("s", "$share/g/a").drop()
        self.network.crash()
        self.scene.passing("p").publish("a", "x", qos: .atLeastOnce)
        #expect(self.scene.lasting("s").takePublishes().map(\.text) == ["x"])
    }

    @Test("A catalog entry is known again")
    func catalog() {
        let host = self.scene.passing("h")
        host.publish("fc/_catalog/demo/echo", #"{"version":"1"}"#, qos: .atLeastOnce, isRetained: true)
        self.network.crash()
        let caller = self.scene.passing("c", "fc/_reply/c/#")
        caller.send(
            .publish(
                Publish(
                    topic: "fc/demo/echo/req", qos: .atLeastOnce, packetIdentifier: caller.nextPacketIdentifier(),
                    properties: [.responseTopic("fc/_reply/c")])))
        let status = caller.takePublishes().first?.properties.firstUserProperty(named: "__stat")
        #expect(status == "503", "the function is known and no instance is there")
    }

    @Test("Content that nobody needs and records that belong to nothing are left out")
    func strays() {
        var state = StoredState()
        state.apply(.saveMessage(number: 7, StoredMessage(packet: [])))
        state.apply(.saveMessage(number: 8, StoredMessage(packet: [0x30, 0x04, 0x00, 0x01, 0x61, 0x00])))
        state.apply(.saveDelivery(session: 9, StoredDelivery(order: 1, message: 8, qos: 1)))
        state.apply(.saveReceived(session: 9, packetIdentifier: 1))
        let network = TestNetwork()
        network.attachStore(ModelStore(state))
        #expect(network.broker.sessionCount == 0)
        #expect(network.store?.committed.messages.keys.sorted() == [7], "what cannot be read stays for whoever can")
        let client = ScriptedClient(network)
        client.connect("c", properties: [.sessionExpiryInterval(9)])
        client.subscribe("a")
        client.acknowledgesPublishes = false
        client.publish("a", "x", qos: .atLeastOnce)
        #expect(network.store?.committed.messages.keys.sorted() == [7, 9])
    }

    @Test("Whoever a session belongs to is remembered with its groups", arguments: [nil, "", "née/élan", "a,b"])
    func identity(_ user: String?) {
        let groups: Set<String> = user == nil ? [] : ["one", "tw,o", "thr/ee"]
        let text = StoredIdentity.encode(user: user, groups: groups)
        let decoded = StoredIdentity.decodeUser(text)
        #expect(decoded.user == user && decoded.groups == groups)
        let whole = Identity(user: user, clientIdentifier: "c/d é", groups: groups)
        #expect(StoredIdentity.decode(StoredIdentity.encode(whole)) == whole)
    }

    @Test("The wall clock and the broker's own are turned into each other")
    func clock() {
        let clock = WallClock(milliseconds: 1_000_000, at: Timestamp(nanoseconds: 5_000_000_000))
        for milliseconds in [995_000, 999_999, 1_000_000, 1_000_001, 9_000_000] as [Int64] {
            #expect(clock.milliseconds(at: clock.instant(of: milliseconds)) == milliseconds)
        }
        #expect(clock.milliseconds(at: .never) == nil)
        #expect(clock.instant(of: nil) == .never)
        for extreme in [Int64.min, Int64.max, 0, -1] { _ = clock.instant(of: extreme) }
        #expect(clock.instant(of: .min) == Timestamp(nanoseconds: 0))
        #expect(clock.instant(of: .max) > clock.instant(of: 1 << 40))
    }
}
