import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

@testable import BusCore

/// What clients can do again and again must not leave something behind each time.
@Suite("Growth")
struct GrowthTests {
    let network = TestNetwork()

    @Test("A client that comes and goes leaves no heap of timers behind", arguments: [false, true])
    func timers(_ isClean: Bool) {
        for _ in 0..<1000 {
            let client = ScriptedClient(self.network)
            client.connect(
                "c", cleanStart: isClean, will: Will(topic: "w", properties: [.willDelayInterval(3600)]),
                properties: [.sessionExpiryInterval(86_400)])
            client.drop()
            self.network.advance(milliseconds: 1)
        }
        #expect(self.network.broker.timers.count < 200)
    }

    @Test("Timers that still mean something survive when the others are thrown away")
    func meaning() {
        let lasting = ScriptedClient(self.network)
        lasting.connect("lasting", keepAlive: 60)
        let waiting = ScriptedClient(self.network)
        let gone = ScriptedClient(self.network)
        gone.connect(
            "gone", will: Will(topic: "will", properties: [.willDelayInterval(30)]),
            properties: [.sessionExpiryInterval(70)])
        gone.drop()
        let watcher = ScriptedClient(self.network, version: .v3_1_1)
        watcher.connect("watcher", keepAlive: 300)
        watcher.subscribe("will")
        for _ in 0..<500 {
            let client = ScriptedClient(self.network)
            client.connect("c", properties: [.sessionExpiryInterval(100)])
            client.drop()
        }
        self.network.advance(seconds: 6)
        #expect(waiting.isClosed)
        #expect(watcher.takePublishes().isEmpty)
        self.network.advance(seconds: 30)
        #expect(watcher.takePublishes().count == 1)
        self.network.advance(seconds: 40)
        #expect(self.network.events.contains(.sessionEnded(client: "gone")))
        #expect(!lasting.isClosed)
        self.network.advance(seconds: 20)
        #expect(lasting.isClosed)
        self.network.advance(seconds: 100)
        #expect(self.network.broker.sessionCount == 1)
    }
}
