import BusCalls
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

    @Test("A client that subscribes again and again and reads nothing is owed retained messages up to a limit")
    func replays() throws {
        var limits = BrokerLimits()
        limits.retainedMessagesMax = 10
        let network = TestNetwork(limits: limits)
        let publisher = ScriptedClient(network)
        publisher.connect("p")
        for number in 0..<10 { publisher.publish("r/\(number)", "x", isRetained: true) }
        let subscriber = ScriptedClient(network)
        subscriber.connect("s")
        network.setCongested(true, on: try #require(subscriber.identifier))
        for _ in 0..<100 { subscriber.subscribe("r/+") }
        let session = try #require(network.broker.sessionOfClient[ClientIdentifier("s")])
        #expect(network.broker.sessions[session].replay.count == 10)
        #expect(network.broker.statistics.droppedQueueFull == 990)
        network.setCongested(false, on: try #require(subscriber.identifier))
        #expect(subscriber.takePublishes().count == 10)
    }

    @Test("A route keeps its place while others pass by, until one of them comes twice in a row or it is stale")
    func routePlaces() {
        var cache = RouteCache(seed: 1, placesLog2: 0)
        func route(_ topic: String, generation: UInt64 = 1) -> Route {
            Route(topic: Array(topic.utf8), generation: generation, kind: .plain, recipients: [])
        }
        func isKept(_ topic: String, generation: UInt64 = 1) -> Bool {
            cache.find(Publish(topic: topic), generation: generation) != nil
        }
        cache.insert(route("a"))
        for other in ["b", "c", "b"] { cache.insert(route(other)) }
        #expect(isKept("a") && !isKept("b"))
        cache.insert(route("b"))
        #expect(isKept("b") && !isKept("a"))
        cache.insert(route("c", generation: 2))
        #expect(isKept("c", generation: 2) && !isKept("b"))
    }

    @Test("Routes that are kept for their topics have a limit on their recipients in all")
    func routes() {
        let recipients = Array(
            repeating: Route.Recipient(session: 0, options: SubscriptionOptions(rawValue: 0), identifiers: []), count: 6
        )
        var cache = RouteCache(seed: 1, placesLog2: 6, recipientsMax: 20)
        for generation in 0..<3 {
            for number in 0..<50 {
                let publish = Publish(topic: "topic \(number)")
                let route = Route(
                    topic: Array(publish.topic.utf8), generation: UInt64(generation), kind: .plain,
                    recipients: recipients)
                // The second time in a row it takes the place of whoever has it.
                cache.insert(route)
                cache.insert(route)
                #expect(cache.recipientCount <= 20)
                #expect(cache.find(publish, generation: route.generation) === route)
            }
        }
    }
}

/// What calls leave behind.
@Suite("Growth of calls")
struct CallGrowthTests {
    @Test("Calls that come and go leave no more than the answers that are remembered", arguments: [true, false])
    func calls(_ areNamed: Bool) throws {
        let people = CallClients()
        let instance = people.instance()
        let caller = people.caller()
        for number in 0..<1_500 {
            people.call(caller, id: areNamed ? "\(number)" : nil, [("fc-key", "k\(number)")])
            for request in instance.takePublishes() { people.answer(instance, request) }
            _ = caller.takePublishes()
            people.network.advance(milliseconds: 100)
        }
        let size = people.network.broker.calls.size
        #expect(size.rows < 10)
        #expect(size.remembered < 650, "at ten calls a second, sixty seconds are remembered")
        #expect(size.keys <= 4096)
        #expect(size.ended < 650)
        #expect(size.timers < 700)
        people.network.advance(seconds: 130)
        #expect(people.network.broker.calls.size.named == 0)
        #expect(people.network.broker.calls.size.remembered == 0)
        caller.drop()
        instance.drop()
        #expect(people.network.broker.calls.size.ended == 0)
    }

    @Test("Callers and instances that come and go leave no rows, places or presences behind")
    func clients() {
        let people = CallClients()
        for _ in 0..<500 {
            let instance = people.instance(version: .v3_1_1)
            people.presence(instance, "i", "{\"capacity\":3}")
            let caller = people.caller()
            people.call(caller)
            caller.drop()
            instance.drop()
        }
        let size = people.network.broker.calls.size
        #expect(size.rows <= 2)
        #expect(size.clients <= 4)
        #expect(size.presences == 0)
        #expect(size.named == 0)
    }
}
