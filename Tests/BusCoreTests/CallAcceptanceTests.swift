import BusCore
import BusSession
import BusTestKit
import BusWire
import NIOCore
import Testing

/// What the call protocol promises, row by row, through a whole broker.
@Suite("Acceptance of calls")
struct CallAcceptanceTests {
    let people = CallClients()

    // MARK: Fail-fast

    @Test(
        "An unknown function is 404, a known one without instances 503, in one round trip, whoever observes (R21, §7)",
        arguments: [QoS.atMostOnce, .atLeastOnce, .exactlyOnce], [ProtocolVersion.v3_1_1, .v5])
    func failsFast(_ qos: QoS, _ version: ProtocolVersion) throws {
        self.people.client("o").subscribe("fc/#")
        self.people.instance().drop()
        let caller = self.people.caller("me", version: version)
        for (function, status) in [("demo/nobody", "404"), ("demo/echo", "503")] {
            if version == .v5 {
                let code = self.people.call(
                    caller, at: "fc/_reply/me", function: function, id: status, qos: qos)
                // QoS 2 says the same in PUBREC.
                if qos != .atMostOnce { #expect(code == .noMatchingSubscribers) }
                let reply = try #require(caller.takePublishes().first)
                #expect(reply.user("__stat") == status)
                #expect(reply.user("fc-exec") == "none")
                #expect(reply.properties.correlationData == ByteBuffer(string: status))
            } else {
                caller.publish("fc/\(function)/req/me/\(status)", "hi", qos: qos)
                #expect(caller.takePublishes().map(\.topic) == ["fc/_reply/me/\(status)/err/\(status)"])
            }
        }
        #expect(self.people.network.broker.openCallCount == 0)
    }

    // MARK: Death

    @Test(
        "An instance dies with 100 calls in flight: those that may run twice succeed elsewhere, none runs twice (R19)")
    func death() throws {
        let first = self.people.instance("i1")
        let caller = self.people.caller()
        self.people.presence(first, "i1", "{\"capacity\":100}")
        for id in 0..<100 {
            self.people.call(caller, id: "\(id)", payload: "\(id)", id % 2 == 0 ? [("fc-idempotent", "1")] : [])
        }
        #expect(first.takePublishes().count == 100)
        let second = self.people.instance("i2")
        self.people.presence(second, "i2", "{\"capacity\":10}")
        first.drop()
        var ran: [String] = []
        while true {
            let requests = second.takePublishes()
            if requests.isEmpty { break }
            for request in requests {
                ran.append(request.text)
                self.people.answer(second, request, request.text)
            }
        }
        #expect(ran == (0..<50).map { "\(2 * $0)" }, "in their order, each once")
        let replies = caller.takePublishes()
        #expect(replies.count == 100)
        let lost = replies.filter { $0.user("__stat") == "502" }
        #expect(lost.count == 50)
        #expect(Set(lost.map { $0.user("fc-exec") }) == ["maybe"])
        #expect(Set(replies.map(\.properties.correlationData)).count == 100)
        #expect(self.people.network.broker.openCallCount == 0)
    }

    @Test("Receive Maximum 1 never delays a call that another instance could take")
    func smallWindow() {
        let small = self.people.instance("small", properties: [.receiveMaximum(1)])
        let large = self.people.instance("large")
        let caller = self.people.caller()
        for id in 0..<60 { self.people.call(caller, id: "\(id)") }
        #expect(small.takePublishes().count + large.takePublishes().count == 60)
    }

    @Test("An offline member with a persistent session gets no call, and none when it is back")
    func offlineMember() {
        let member = self.people.instance("m", properties: [.sessionExpiryInterval(1_000)])
        member.drop()
        let other = self.people.instance("o")
        let caller = self.people.caller()
        for id in 0..<20 { self.people.call(caller, id: "\(id)") }
        #expect(other.takePublishes().count == 20)
        let back = ScriptedClient(self.people.network)
        back.connect("m", cleanStart: false, properties: [.sessionExpiryInterval(1_000)])
        #expect(back.takePublishes().isEmpty)
    }

    // MARK: Once

    @Test("The same request 50 times over two instances runs once, before and after its end; its answer is repeated")
    func once() throws {
        let instances = [self.people.instance("i1"), self.people.instance("i2")]
        let caller = self.people.caller()
        for _ in 0..<25 { self.people.call(caller) }
        let requests = instances.flatMap { instance in instance.takePublishes().map { (instance, $0) } }
        #expect(requests.count == 1)
        let (server, request) = try #require(requests.first)
        self.people.answer(server, request, "once")
        for _ in 0..<25 { self.people.call(caller) }
        #expect(instances.allSatisfy { $0.takePublishes().isEmpty })
        let replies = caller.takePublishes()
        #expect(replies.map(\.text) == Array(repeating: "once", count: 26))
        #expect(replies.count { $0.user("fc-replay") == "1" } == 25)
        self.people.call(caller, payload: "other")
        #expect(caller.takeStatuses() == ["409"])
    }

    @Test("A repeated request is answered in the form and at the topic of the repetition")
    func replayForm() throws {
        let instance = self.people.instance()
        let caller = self.people.caller("me1", version: .v3_1_1)
        caller.publish("fc/demo/echo/req/me1/1", "hi", qos: .atLeastOnce)
        self.people.network.settle()
        _ = try #require(instance.takePublishes().first)
        instance.publish(
            "fc/_reply/me1/1", "bad", qos: .atLeastOnce, properties: [.userProperty(name: "__stat", value: "400")])
        caller.publish("fc/demo/echo/req/me1/1", "hi", qos: .atLeastOnce)
        #expect(caller.takePublishes().map(\.topic) == Array(repeating: "fc/_reply/me1/1/err/400", count: 2))
        #expect(instance.takePublishes().isEmpty)
    }

    @Test("Two clients may use the same correlation data: each gets its own answer")
    func sameCorrelation() throws {
        let instance = self.people.instance()
        let callers = ["c", "d"].map { ($0, self.people.caller($0)) }
        for (name, caller) in callers { self.people.call(caller, at: "fc/_reply/\(name)", payload: name) }
        for request in instance.takePublishes() { self.people.answer(instance, request, request.text) }
        for (name, caller) in callers { #expect(caller.takePublishes().map(\.text) == [name]) }
    }

    // MARK: Strangers

    @Test("Only the instance that was asked answers; its late answer is not the caller's business (S08)")
    func grant() throws {
        let asked = self.people.instance("i1")
        let caller = self.people.caller()
        self.people.call(caller, [("fc-ttl-ms", "100")])
        let request = try #require(asked.takePublishes().first)
        let other = self.people.instance("i2")
        #expect(self.people.answer(other, request, "forged") == .notAuthorized)
        #expect(caller.takePublishes().isEmpty)
        self.people.network.advance(milliseconds: 110)
        #expect(caller.takeStatuses() == ["408"])
        #expect(self.people.answer(asked, request, "late") == .success)
        #expect(self.people.answer(other, request, "forged") == .notAuthorized)
        #expect(caller.takePublishes().isEmpty)
    }

    @Test("1000 callers and a function that hangs: every one hears of its deadline in time (R20)")
    func hangs() {
        let instance = self.people.instance()
        self.people.presence(instance, "i", "{\"capacity\":1000}")
        let callers = (0..<40).map { self.people.caller("c\($0)") }
        for (index, caller) in callers.enumerated() {
            for id in 0..<25 {
                self.people.call(caller, at: "fc/_reply/c\(index)", id: "\(id)", [("fc-ttl-ms", "200")])
            }
        }
        self.people.network.advance(milliseconds: 199)
        #expect(callers.allSatisfy { $0.takePublishes().isEmpty })
        self.people.network.advance(milliseconds: 51)
        #expect(callers.allSatisfy { $0.takeStatuses() == Array(repeating: "408", count: 25) })
        let late = instance.takePublishes()
        for request in late { self.people.answer(instance, request) }
        #expect(callers.allSatisfy { $0.takePublishes().isEmpty })
        #expect(self.people.network.broker.statistics.answersLate == 1000)
        #expect(self.people.network.broker.openCallCount == 0)
    }

    // MARK: Overload

    @Test("Ten times more calls than the instance takes: it stays busy, nothing is lost, every refusal is 429 (§7)")
    func overload() throws {
        let instance = self.people.instance(properties: [.receiveMaximum(10)])
        let caller = self.people.caller()
        var (sent, done) = (0, 0)
        var statuses: [String: Int] = [:]
        var running: [Publish] = []
        // 10 calls run 10 ms each: 1000 a second. 10 000 a second come.
        for _ in 0..<60 {
            for _ in 0..<100 {
                self.people.call(caller, id: "\(sent)", [("fc-ttl-ms", "60000")])
                sent += 1
            }
            running += instance.takePublishes()
            self.people.network.advance(milliseconds: 10)
            for request in running {
                self.people.answer(instance, request)
                done += 1
            }
            running = instance.takePublishes()
            for reply in caller.takePublishes() {
                statuses[reply.user("__stat") ?? "200", default: 0] += 1
                guard reply.user("__stat") == "429" else { continue }
                let wait = try #require(reply.user("fc-retry-after-ms").flatMap { Int($0) })
                #expect((1...1000).contains(wait))
            }
        }
        #expect(done >= 540, "within a tenth of the 600 that the instance could do")
        #expect(Set(statuses.keys) == ["200", "429"])
        let open = self.people.network.broker.openCallCount
        #expect(statuses.values.reduce(0, +) + open == sent)
    }

    // MARK: Keys

    @Test("A key stays with its instance when another one joins, and its calls stay in order across the queue (§4)")
    func keys() throws {
        let first = self.people.instance("i1", properties: [.receiveMaximum(2)])
        let caller = self.people.caller()
        for id in 0..<6 { self.people.call(caller, id: "\(id)", payload: "\(id)", [("fc-key", "k")]) }
        let second = self.people.instance("i2")
        var order: [String] = []
        for _ in 0..<3 {
            for request in first.takePublishes() {
                order.append(request.text)
                self.people.answer(first, request)
            }
        }
        #expect(order == ["0", "1", "2", "3", "4", "5"])
        for id in 10..<30 { self.people.call(caller, id: "\(id)", [("fc-key", "k\(id)")]) }
        #expect(!second.takePublishes().isEmpty, "new keys go to both")
    }
}
