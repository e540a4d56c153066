import BusCore
import BusTestKit
import BusWire
import NIOCore
import Testing

/// A store without room (D08) or that has failed (D09).
@Suite("A store without room")
struct StoreRoomTests {
    let scene = StoredScene()
    var network: TestNetwork { self.scene.network }

    /// A stored subscriber that is away, then a store that takes nothing more.
    private func prepare(_ condition: StoreCondition) {
        self.scene.lasting("s", "a").drop()
        self.network.commitsAtOnce = false
        self.network.broker.setStore(condition)
    }

    private func reason(_ client: ScriptedClient) -> ReasonCode? {
        for packet in client.takeAll() {
            if case .pubAck(let value) = packet { return value.reasonCode }
            if case .pubRec(let value) = packet { return value.reasonCode }
        }
        return nil
    }

    @Test(
        "New messages for stored sessions are refused with 0x97, and reach nobody",
        arguments: [StoreCondition.full, .failed], [QoS.atLeastOnce, .exactlyOnce])
    func messages(_ condition: StoreCondition, _ qos: QoS) {
        let live = self.scene.passing("live", "a")
        let publisher = self.scene.passing("p")
        self.prepare(condition)
        publisher.publish("a", "x", qos: qos)
        #expect(self.reason(publisher) == .quotaExceeded)
        #expect(live.takePublishes().isEmpty)
        #expect(self.scene.latest.messages.isEmpty)
    }

    @Test("A client of 3.1.1 gets no PUBACK until there is room, and stays")
    func old() {
        let publisher = self.scene.passing("p", version: .v3_1_1)
        self.prepare(.full)
        publisher.publish("a", "x", qos: .atLeastOnce)
        #expect(publisher.takeAll().isEmpty && !publisher.isClosed)
        self.network.broker.setStore(.sound)
        self.network.commit()
        #expect(publisher.takeTypes() == [.pubAck])
        #expect(self.scene.committed.messages.count == 1)
    }

    @Test("A retained message is delivered and not kept, with 0x97", arguments: [StoreCondition.full, .failed])
    func retained(_ condition: StoreCondition) {
        let live = self.scene.passing("live", "r")
        let publisher = self.scene.passing("p")
        self.prepare(condition)
        publisher.publish("r", "x", qos: .atLeastOnce, isRetained: true)
        #expect(self.reason(publisher) == .quotaExceeded)
        publisher.publish("r", "y", isRetained: true)
        #expect(live.takePublishes().map(\.text) == ["x", "y"])
        #expect(self.network.broker.retainedCount == 0)
    }

    @Test("A new stored session is refused, one that exists and one that need not be stored are not")
    func connect() {
        self.prepare(.full)
        let new = ScriptedClient(self.network)
        #expect(new.connect("new", properties: [.sessionExpiryInterval(9)])?.reasonCode == .quotaExceeded)
        let old = ScriptedClient(self.network, version: .v3_1_1)
        #expect(old.connect("old", cleanStart: false)?.reasonCode == .serverUnavailable)
        #expect(self.scene.passing("passing").isClosed == false)
        let known = ScriptedClient(self.network)
        #expect(
            known.connect("s", cleanStart: false, properties: [.sessionExpiryInterval(9)])?.sessionPresent == true)
    }

    @Test("A new subscription of a stored session is refused with 0x97; the one that it has is not")
    func subscribe() {
        let client = self.scene.lasting("c", "known")
        self.prepare(.full)
        #expect(client.subscribe("known", "new") == [.grantedQoS2, .quotaExceeded])
        let passing = self.scene.passing("p")
        #expect(passing.subscribe("new") == [.grantedQoS2])
    }

    @Test("What needs no store goes on: QoS 0, sessions in memory, reading, draining")
    func others() {
        self.scene.lasting("s", "a", qos: .atLeastOnce).drop()
        let publisher = self.scene.passing("p")
        publisher.publish("kept", "r", isRetained: true)
        publisher.publish("a", "queued", qos: .atLeastOnce)
        publisher.takeAll()
        self.network.commitsAtOnce = false
        self.network.broker.setStore(.full)
        let live = self.scene.passing("live", "#")
        #expect(live.takePublishes().map(\.text) == ["r"])
        publisher.publish("a", "0")
        publisher.publish("other", "1", qos: .atLeastOnce)
        publisher.publish("other", "2", qos: .exactlyOnce)
        #expect(live.takePublishes().map(\.text) == ["0", "1", "2"])
        #expect(self.scene.lasting("s").takePublishes().map(\.text) == ["queued"])
    }

    @Test("With room again everything is as before, without anybody's help")
    func recovery() {
        let publisher = self.scene.passing("p")
        self.prepare(.full)
        publisher.publish("a", "x", qos: .atLeastOnce)
        #expect(self.reason(publisher) == .quotaExceeded)
        self.network.broker.setStore(.sound)
        publisher.publish("a", "y", qos: .atLeastOnce)
        self.network.commit()
        #expect(self.reason(publisher) == .success)
        #expect(self.scene.lasting("s").takePublishes().map(\.text) == ["y"])
    }

    @Test("After a failure nothing that waits is ever acknowledged, and nothing more is gathered")
    func failure() {
        let old = self.scene.passing("p", version: .v3_1_1)
        self.prepare(.sound)
        old.publish("a", "x", qos: .atLeastOnce)
        self.network.broker.setStore(.failed, reason: "cannot write")
        self.network.broker.setStore(.sound)
        #expect(self.network.broker.storeCondition == .failed)
        old.publish("a", "y", qos: .atLeastOnce)
        #expect(old.takeAll().isEmpty)
        let hasChanges = self.network.broker.hasChanges
        #expect(!hasChanges)
        #expect(self.network.events.isEmpty == false)
    }
}
