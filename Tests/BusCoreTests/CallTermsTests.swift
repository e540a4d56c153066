import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

/// What bounds a call: sizes, deadlines, capacities, presences, limits.
@Suite("Terms of calls")
struct CallTermsTests {
    let people = CallClients()

    // MARK: Sizes

    @Test("A request larger than an instance's packets goes to another one; 413 at once where none can take it (§6)")
    func packetSize() throws {
        let small = self.people.instance("small", properties: [.maximumPacketSize(300)])
        let caller = self.people.caller()
        let large = String(repeating: "x", count: 400)
        #expect(self.people.call(caller, id: "1", payload: large) == .quotaExceeded)
        let refusal = try #require(caller.takePublishes().first)
        #expect(refusal.user("__stat") == "413")
        #expect(refusal.user("fc-code") == "REQUEST_TOO_LARGE")
        #expect(refusal.user("fc-exec") == "none")
        #expect(self.people.call(caller, id: "2") == .success)
        #expect(small.takePublishes().count == 1)
        let big = self.people.instance("big")
        #expect(self.people.call(caller, id: "3", payload: large) == .success)
        #expect(big.takePublishes().count == 1)
        #expect(small.takePublishes().isEmpty)
    }

    @Test("A request that waits ends with 413 when the last instance that could take it leaves")
    func packetSizeWaiting() {
        let big = self.people.instance("big", properties: [.receiveMaximum(1)])
        _ = self.people.instance("small", properties: [.maximumPacketSize(300)])
        let caller = self.people.caller()
        let large = String(repeating: "x", count: 400)
        self.people.call(caller, id: "1", payload: large)
        self.people.call(caller, id: "2", payload: large)
        #expect(caller.takeStatuses() == [])
        big.drop()
        #expect(caller.takeStatuses().sorted() == ["413", "502"])
    }

    @Test("A payload above what the catalog allows is 413")
    func requestLimit() {
        _ = self.people.instance()
        self.people.catalog(self.people.client("host"), "{\"maxRequest\":3}")
        let caller = self.people.caller()
        #expect(self.people.call(caller, id: "1", payload: "1234") == .quotaExceeded)
        #expect(self.people.call(caller, id: "2", payload: "123") == .success)
        #expect(caller.takeStatuses() == ["413"])
    }

    @Test("An answer larger than the caller takes becomes 413/yes, exactly at the limit (§7)")
    func replySize() throws {
        let instance = self.people.instance()
        for (limit, fits) in [(61, true), (60, false)] {
            let caller = self.people.caller("c\(limit)", properties: [.maximumPacketSize(UInt32(limit))])
            self.people.call(caller, at: "fc/_reply/c\(limit)", id: "1")
            let request = try #require(instance.takePublishes().first)
            // 2 fixed header, 2 + 13 topic, 2 identifier, 1 + 4 properties, 37 payload
            self.people.answer(instance, request, String(repeating: "y", count: 37))
            let reply = caller.takePublishes().first
            #expect((reply?.text.count == 37) == fits, "\(limit)")
        }
        let caller = self.people.caller("large", properties: [.maximumPacketSize(600)])
        self.people.call(caller, at: "fc/_reply/large", id: "1")
        self.people.answer(
            instance, try #require(instance.takePublishes().first), String(repeating: "y", count: 700))
        let reply = try #require(caller.takePublishes().first)
        #expect(reply.user("__stat") == "413")
        #expect(reply.user("fc-exec") == "yes")
    }

    // MARK: Deadlines

    @Test("Time that is up when the request comes: 408/none at once, and nobody is asked", arguments: [true, false])
    func noTime(_ byExpiry: Bool) throws {
        let instance = self.people.instance()
        let caller = self.people.caller()
        self.people.call(
            caller, byExpiry ? [] : [("fc-ttl-ms", "0")], properties: byExpiry ? [.messageExpiryInterval(0)] : [])
        let reply = try #require(caller.takePublishes().first)
        #expect(reply.user("__stat") == "408")
        #expect(reply.user("fc-exec") == "none")
        #expect(instance.takePublishes().isEmpty)
    }

    @Test("A failed deadline names the property to blame and the time that was given (§5)")
    func blame() throws {
        _ = self.people.instance()
        let caller = self.people.caller()
        self.people.call(caller, [("fc-ttl-ms", "250")])
        self.people.network.advance(milliseconds: 300)
        let reply = try #require(caller.takePublishes().first)
        #expect(reply.user("__propName") == "MessageExpiry")
        #expect(reply.user("__propVal") == "PT0.25S")
    }

    @Test("The function's timeout is the deadline of calls without one, and bounds each attempt of the others (R20)")
    func catalogTimeout() throws {
        let instance = self.people.instance()
        instance.subscribe("fc/demo/echo/cancel/#")
        self.people.catalog(instance, "{\"timeoutMs\":2000}")
        let caller = self.people.caller()
        self.people.call(caller, id: "silent")
        self.people.call(caller, id: "patient", properties: [.messageExpiryInterval(60)])
        self.people.call(caller, id: "hasty", [("fc-ttl-ms", "500")])
        #expect(instance.takePublishes().map { $0.user("fc-ttl-ms") } == ["2000", "2000", "500"])
        self.people.network.advance(milliseconds: 510)
        #expect(caller.takePublishes().map(\.properties.correlationData) == [ByteBuffer(string: "hasty")])
        self.people.network.advance(milliseconds: 1500)
        #expect(caller.takePublishes().map(\.properties.correlationData) == [ByteBuffer(string: "silent")])
        #expect(instance.takePublishes().count == 2, "two cancellations")
        self.people.network.advance(milliseconds: 250)
        let reply = try #require(caller.takePublishes().first)
        #expect(reply.user("__stat") == "408")
        #expect(reply.user("__propName") == "ExecutionTimeout")
        #expect(reply.user("__propVal") == "PT2S")
    }

    // MARK: Capacity

    @Test("Presence that comes before the subscription counts (§3)")
    func earlyPresence() {
        let instance = self.people.client("i")
        self.people.presence(instance, "i", "{\"capacity\":1,\"functions\":[\"demo/echo\"]}")
        instance.subscribe("$share/fc/fc/demo/echo/req/#", qos: .atLeastOnce)
        let caller = self.people.caller()
        for id in ["1", "2"] { self.people.call(caller, id: id) }
        #expect(instance.takePublishes().count == 1)
    }

    @Test("Presences of one client are kept apart: each speaks of its own functions")
    func manyPresences() {
        let instance = self.people.instance(function: "demo/a")
        instance.subscribe("$share/fc/fc/demo/b/req/#", qos: .atLeastOnce)
        self.people.presence(instance, "i.1", "{\"capacity\":1,\"functions\":[\"demo/a\"]}")
        self.people.presence(instance, "i.2", "{\"capacity\":2,\"functions\":[\"demo/b\"]}")
        let caller = self.people.caller()
        for id in 0..<4 {
            self.people.call(caller, function: "demo/a", id: "a\(id)")
            self.people.call(caller, function: "demo/b", id: "b\(id)")
        }
        #expect(instance.takePublishes().map(\.topic).sorted() == ["fc/demo/a/req", "fc/demo/b/req", "fc/demo/b/req"])
        self.people.presence(instance, "i.3", "{\"capacity\":1,\"functions\":[\"demo/a\"]}")
        #expect(instance.takePublishes().map(\.topic) == ["fc/demo/a/req"])
        self.people.presence(instance, "i.2", "{\"status\":\"draining\",\"functions\":[\"demo/b\"]}")
        #expect(caller.takeStatuses() == ["503", "503"], "b drains and its waiting calls end; a goes on")
    }

    @Test("The catalog's concurrency bounds each instance of the function, the Receive Maximum all of them together")
    func concurrency() {
        let instance = self.people.instance(function: "demo/a", properties: [.receiveMaximum(3)])
        instance.subscribe("$share/fc/fc/demo/b/req/#", qos: .atLeastOnce)
        self.people.catalog(instance, function: "demo/a", "{\"concurrency\":2}")
        let caller = self.people.caller()
        for id in 0..<4 { self.people.call(caller, function: "demo/a", id: "a\(id)") }
        #expect(instance.takePublishes().count == 2)
        for id in 0..<4 { self.people.call(caller, function: "demo/b", id: "b\(id)") }
        #expect(instance.takePublishes().count == 1)
    }

    @Test("A new presence changes the terms in place: what runs goes on, and more comes")
    func newPresence() throws {
        let instance = self.people.instance()
        self.people.presence(instance, "i", "{\"capacity\":1}")
        let caller = self.people.caller()
        for id in ["1", "2", "3"] { self.people.call(caller, id: id) }
        let first = try #require(instance.takePublishes().first)
        self.people.presence(instance, "i", "{\"capacity\":2}")
        #expect(instance.takePublishes().count == 1)
        self.people.answer(instance, first)
        #expect(instance.takePublishes().count == 1)
        #expect(caller.takePublishes().map(\.text) == ["ho"])
    }

    @Test("A repeated subscription changes its options in place")
    func resubscription() throws {
        let instance = self.people.instance()
        let caller = self.people.caller()
        self.people.call(caller, id: "1")
        #expect(instance.takePublishes().map(\.qos) == [.atLeastOnce])
        instance.subscribe("$share/fc/fc/demo/echo/req/#", qos: .atMostOnce, properties: [.subscriptionIdentifier(7)])
        self.people.call(caller, id: "2")
        let request = try #require(instance.takePublishes().first)
        #expect(request.qos == .atMostOnce)
        #expect(request.properties.subscriptionIdentifiers == [7])
    }

    @Test("Draining under load: no call fails, and nothing new goes to the one that drains (§7)")
    func drainsUnderLoad() throws {
        let first = self.people.instance("i1")
        let second = self.people.instance("i2")
        let caller = self.people.caller()
        var sent = 0
        var done: [String] = []
        func round() {
            for _ in 0..<10 {
                self.people.call(caller, id: "\(sent)")
                sent += 1
            }
        }
        round()
        self.people.presence(first, "i1", "{\"status\":\"draining\"}")
        round()
        let drained = first.takePublishes()
        #expect(drained.count == 5)
        for request in drained { self.people.answer(first, request) }
        #expect(first.takePublishes().isEmpty)
        first.send(.disconnect(Disconnect(reasonCode: .normalDisconnection)))
        round()
        for request in second.takePublishes() { self.people.answer(second, request) }
        done += caller.takeStatuses()
        #expect(done.count == sent)
        #expect(Set(done) == ["200"])
    }

    @Test("One that unsubscribes keeps what runs and gets nothing new")
    func unsubscribed() throws {
        let first = self.people.instance("i1")
        let caller = self.people.caller()
        self.people.call(caller, id: "1")
        let second = self.people.instance("i2")
        first.send(
            .unsubscribe(
                Unsubscribe(
                    packetIdentifier: first.nextPacketIdentifier(), filters: ["$share/fc/fc/demo/echo/req/#"],
                    properties: [])))
        for id in ["2", "3"] { self.people.call(caller, id: id) }
        #expect(second.takePublishes().count == 2)
        self.people.answer(first, try #require(first.takePublishes().first), "done")
        #expect(caller.takePublishes().map(\.text) == ["done"])
    }

    // MARK: Limits

    @Test("A host with more functions than an ordinary client may have subscriptions can serve them")
    func manyFunctions() {
        let host = self.people.client("host")
        for index in 0..<1_200 {
            let codes = host.subscribe(
                "$share/fc/fc/demo/f\(index)/req/#", "fc/demo/f\(index)/cancel/#", qos: .atLeastOnce)
            #expect(codes == [.grantedQoS1, .grantedQoS1])
        }
        for index in 0..<1_000 { #expect(host.subscribe("plain/\(index)") == [.grantedQoS2]) }
        #expect(host.subscribe("plain/x") == [.quotaExceeded])
    }

    @Test("Subscriptions of the call space have a limit of their own, and give it back")
    func callSubscriptions() {
        var limits = BrokerLimits()
        limits.session.callSubscriptionsMax = 2
        let people = CallClients(TestNetwork(limits: limits))
        let host = people.client("host")
        #expect(host.subscribe("fc/a/b/req", "fc/a/c/req", "fc/a/d/req").last == .quotaExceeded)
        host.send(
            .unsubscribe(
                Unsubscribe(packetIdentifier: host.nextPacketIdentifier(), filters: ["fc/a/b/req"], properties: [])))
        #expect(host.subscribe("fc/a/d/req", "fc/a/d/req") == [.grantedQoS2, .grantedQoS2])
    }
}
