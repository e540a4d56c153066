import BusAccess
import BusContract
import BusCore
import BusTestKit
import BusWire
import NIOCore
import Testing

/// The platform's own functions, operators' words and events (protocol §3).
@Suite("Operators")
struct OperationTests {
    let people = CallClients()

    func ask(_ caller: ScriptedClient, _ operation: String, _ payload: String = "") throws -> JSONText {
        self.people.call(caller, function: "_sys/\(operation)", id: nil, payload: payload)
        let reply = try #require(caller.takePublishes().last)
        return try JSONText(parsing: reply.text)
    }

    @Test("stats tells instances, calls by status, times and the last failure of every function")
    func stats() throws {
        let instance = self.people.instance()
        let caller = self.people.caller()
        for id in ["1", "2", "3"] { self.people.call(caller, id: id) }
        self.people.network.advance(milliseconds: 10)
        let requests = instance.takePublishes()
        self.people.answer(instance, requests[0])
        self.people.answer(instance, requests[1], "", [("__stat", "500"), ("__stMsg", "broken"), ("fc-code", "X")])
        _ = caller.takePublishes()
        let stats = try self.ask(caller, "stats")
        let function = try #require(stats["functions"]?.array?.first)
        #expect(function["function"]?.string == "demo/echo")
        #expect(function["running"]?.integer == 1)
        #expect(function["calls"]?["200"]?.integer == 1)
        #expect(function["calls"]?["500"]?.integer == 1)
        #expect(function["serviceUs"]?["max"]?.integer == 10_000)
        #expect(function["queueUs"]?["count"]?.integer == 3)
        #expect(function["lastError"]?["code"]?.string == "X")
        #expect(function["lastError"]?["message"]?.string == "broken")
        let one = try #require(function["instances"]?.array?.first)
        #expect(one["instance"]?.string == "i")
        #expect(one["outstanding"]?.integer == 1)
        #expect(one["capacity"]?.integer == 64)
        #expect(one["status"]?.string == "online")
        #expect(one["sinceMs"]?.integer == 10)
        #expect(stats["broker"]?["connections"]?.integer == 2)
        #expect(stats["broker"]?["callsOpen"]?.integer == 1)
    }

    @Test("catalog tells every function with its descriptor and instances, and one when asked for one")
    func catalog() throws {
        let instance = self.people.instance()
        _ = self.people.instance("j", function: "other/one")
        self.people.catalog(instance, "{\"description\":\"says it again\"}")
        let caller = self.people.caller()
        #expect(try self.ask(caller, "catalog")["functions"]?.array?.count == 2)
        let one = try self.ask(caller, "catalog", "{\"function\":\"demo/echo\"}")["functions"]?.array
        #expect(one?.count == 1)
        #expect(one?.first?["descriptor"]?["description"]?.string == "says it again")
        #expect(one?.first?["instances"]?.integer == 1)
    }

    @Test("An unknown operation is 404, wrong terms are 400, and a 3.1.1 client is answered in its form")
    func failures() throws {
        let caller = self.people.caller()
        #expect(self.people.call(caller, function: "_sys/nothing") == .noMatchingSubscribers)
        self.people.call(caller, function: "_sys/stats", payload: "[]")
        self.people.call(caller, function: "_sys/task-get")
        #expect(caller.takeStatuses() == ["404", "400", "400"])
        let old = self.people.caller("me1", version: .v3_1_1)
        old.publish("fc/_sys/stats/req/me1/1", "", qos: .atLeastOnce)
        old.publish("fc/_sys/task-get/req/me1/2", "{\"task\":\"x\"}", qos: .atLeastOnce)
        #expect(old.takePublishes().map(\.topic) == ["fc/_reply/me1/1", "fc/_reply/me1/2/err/404"])
    }

    @Test("Nobody serves the platform's functions in its place, or listens to them")
    func guarded() throws {
        let stranger = self.people.instance("x", function: "_sys/stats")
        stranger.subscribe("fc/+/+/req", "fc/#", "$share/g/fc/+/+/req/#")
        let caller = self.people.caller()
        #expect(try self.ask(caller, "stats")["broker"] != nil)
        #expect(!stranger.takePublishes().contains { $0.topic.hasPrefix("fc/_sys/") })
    }

    @Test("With rules, operators' functions and words are for those who are allowed them")
    func access() throws {
        self.people.network.broker.authenticates = true
        self.people.network.setPolicy(
            AccessPolicy(rules: [AccessRule(.everyone, .allow, try .call(of: "demo/*"))], groups: [:]))
        let caller = ScriptedClient(self.people.network)
        caller.logIn("c", as: "someone")
        caller.subscribe("fc/_reply/c/#")
        #expect(self.people.call(caller, function: "_sys/stats") == .notAuthorized)
        #expect(caller.takeStatuses() == ["403"])
        caller.publish("fc/_ctl/drain", "", qos: .atLeastOnce)
        #expect(caller.takeCodes() == [.notAuthorized])
    }

    // MARK: Tasks

    @Test("A task can be looked at and cancelled, also while it runs")
    func tasks() throws {
        let instance = self.people.instance()
        instance.subscribe("fc/demo/echo/cancel/#")
        let caller = self.people.caller()
        caller.publish("fc/demo/echo/async", "x", qos: .atLeastOnce, properties: [.responseTopic("fc/_reply/c")])
        let task = try #require(caller.takePublishes().first?.user("fc-task"))
        #expect(instance.takePublishes().count == 1)
        #expect(try self.ask(caller, "task-get", "{\"task\":\"\(task)\"}")["state"]?.string == "running")
        #expect(try self.ask(caller, "task-cancel", "{\"task\":\"\(task)\"}")["state"]?.string == "cancelled")
        #expect(instance.takePublishes().map(\.topic) == ["fc/demo/echo/cancel"])
        #expect(self.people.network.broker.taskCount == 0)
        #expect(self.people.network.broker.openCallCount == 0)
        #expect(try self.ask(caller, "task-get", "{\"task\":\"\(task)\"}")["state"]?.string == "cancelled")
        self.people.network.advance(seconds: 601)
        let later = self.people.caller()
        #expect(try self.ask(later, "task-get", "{\"task\":\"\(task)\"}")["status"]?.integer == 404)
    }

    @Test("Dead letters are listed, live again and are purged")
    func deadLetters() throws {
        let instance = self.people.instance()
        let caller = self.people.caller()
        for text in ["a", "b"] { caller.publish("fc/demo/echo/async", text, qos: .atLeastOnce) }
        for request in instance.takePublishes() { self.people.answer(instance, request, "", [("__stat", "400")]) }
        let letters = try #require(try self.ask(caller, "dead-list")["letters"]?.array)
        #expect(letters.map { $0["status"]?.integer } == [400, 400])
        let task = try #require(letters.first?["task"]?.string)
        #expect(try self.ask(caller, "task-get", "{\"task\":\"\(task)\"}")["state"]?.string == "dead")
        #expect(try self.ask(caller, "dead-requeue", "{\"task\":\"\(task)\"}")["requeued"]?.integer == 1)
        let again = try #require(instance.takePublishes().first)
        #expect(again.text == "a")
        #expect(again.user("fc-task") == task)
        #expect(try self.ask(caller, "dead-purge", "{\"function\":\"demo/other\"}")["purged"]?.integer == 0)
        #expect(try self.ask(caller, "dead-purge")["purged"]?.integer == 1)
        #expect(try self.ask(caller, "dead-list")["letters"]?.array?.isEmpty == true)
    }

    // MARK: Draining and words

    @Test("An operator drains one instance, or all of a service: they finish and get nothing new")
    func drain() throws {
        let first = self.people.instance("i1")
        let second = self.people.instance("i2")
        let caller = self.people.caller()
        #expect(try self.ask(caller, "drain", "{\"instance\":\"i1.7\"}")["drained"]?.integer == 1)
        for id in ["1", "2"] { self.people.call(caller, id: id) }
        #expect(first.takePublishes().isEmpty)
        #expect(second.takePublishes().count == 2)
        #expect(try self.ask(caller, "drain", "{\"service\":\"demo\"}")["drained"]?.integer == 2)
        self.people.call(caller, id: "3")
        #expect(caller.takeStatuses() == ["503"])
        first.send(
            .unsubscribe(
                Unsubscribe(
                    packetIdentifier: first.nextPacketIdentifier(), filters: ["$share/fc/fc/demo/echo/req/#"],
                    properties: [])))
        first.subscribe("$share/fc/fc/demo/echo/req/#", qos: .atLeastOnce)
        self.people.call(caller, id: "4")
        #expect(first.takePublishes().map(\.text) == ["hi"])
    }

    @Test("Every instance that a word reaches may answer it once, and the broker answers for itself")
    func words() throws {
        let first = self.people.client("i1")
        let second = self.people.client("i2")
        for client in [first, second] { client.subscribe("fc/_ctl/+", "fc/_ctl/+/demo", qos: .atLeastOnce) }
        let stranger = self.people.client("x")
        let caller = self.people.caller()
        self.people.ping(caller, "fc/_ctl/ping")
        for client in [first, second] {
            let word = try #require(client.takePublishes().first)
            for text in ["here", "again"] { self.people.answer(client, word, text) }
        }
        let answer: Properties = [.correlationData(ByteBuffer(string: "p"))]
        stranger.publish("fc/_reply/c", "forged", qos: .atLeastOnce, properties: answer)
        #expect(stranger.takeCodes() == [.notAuthorized])
        let answers = caller.takePublishes().map(\.text)
        #expect(answers.filter { $0 == "here" }.count == 2)
        #expect(answers.filter { $0.contains("\"instance\":\"broker\"") }.count == 1)
        #expect(answers.count == 3)
        self.people.ping(caller, "fc/_ctl/ping/demo")
        #expect(first.takePublishes().map(\.topic) == ["fc/_ctl/ping/demo"])
        #expect(caller.takePublishes().isEmpty, "the broker was not asked")
    }

    @Test("A drain word reaches the instances, and the broker gives them nothing more")
    func drainWord() throws {
        let instance = self.people.instance()
        instance.subscribe("fc/_ctl/+/demo")
        let caller = self.people.caller()
        self.people.ping(caller, "fc/_ctl/drain/demo")
        #expect(instance.takePublishes().map(\.topic) == ["fc/_ctl/drain/demo"])
        #expect(caller.takePublishes().map(\.text) == ["{\"instance\":\"broker\",\"drained\":1}"])
        self.people.call(caller)
        #expect(caller.takeStatuses() == ["503"])
    }

    @Test("info and stats are the broker's own when it is meant", arguments: ["info", "stats"])
    func brokerAnswers(_ verb: String) throws {
        let caller = self.people.caller()
        self.people.ping(caller, "fc/_ctl/\(verb)/_sys")
        let answer = try JSONText(parsing: try #require(caller.takePublishes().first).text)
        #expect(answer["uptimeMs"] != nil || answer["broker"]?["uptimeMs"] != nil)
    }

    // MARK: Events

    @Test("Events are CloudEvents whose attributes are user properties, of every kind (§3)")
    func events() throws {
        let reader = self.people.client("r")
        reader.subscribe("fc/_evt/#")
        let instance = self.people.instance()
        let caller = self.people.caller()
        self.people.call(caller, id: "1", [("fc-ttl-ms", "100")])
        let request = try #require(instance.takePublishes().first)
        self.people.network.advance(milliseconds: 150)
        self.people.answer(instance, request)
        self.people.call(caller, id: "2")
        self.people.answer(instance, try #require(instance.takePublishes().first), "", [("__stat", "500")])
        self.people.call(caller, id: "3")
        caller.publish("fc/demo/echo/async", "x", qos: .atLeastOnce)
        for task in instance.takePublishes() where task.user("fc-task") != nil {
            self.people.answer(instance, task, "", [("__stat", "400")])
        }
        instance.drop()
        let events = reader.takePublishes()
        #expect(
            events.map(\.topic)
                == ["registered", "expired", "late", "failed", "dead", "failed", "unregistered", "lost"]
                .map { "fc/_evt/\($0)/demo/echo" })
        let event = try #require(events.first)
        #expect(event.qos == .atMostOnce)
        #expect(event.user("specversion") == "1.0")
        #expect(event.user("type") == "fcbus.call.registered")
        #expect(event.user("source") == "fcbus")
        #expect(event.user("subject") == "demo/echo")
        #expect(Set(events.map { $0.user("id") }).count == events.count)
        #expect(event.properties.contentType == "application/json")
    }

    @Test("Nobody publishes events in the broker's place")
    func forgedEvent() {
        let stranger = self.people.client("x")
        stranger.publish("fc/_evt/failed/demo/echo", "{}", qos: .atLeastOnce)
        #expect(stranger.takeCodes() == [.notAuthorized])
    }

    @Test("One of a hundred completed calls is an event, and an overload is one")
    func sampled() throws {
        let reader = self.people.client("r")
        reader.subscribe("fc/_evt/completed/demo/+", "fc/_evt/overload/#")
        let instance = self.people.instance(properties: [.receiveMaximum(1)])
        let caller = self.people.caller()
        for id in 0..<200 {
            self.people.call(caller, id: "\(id)")
            for request in instance.takePublishes() { self.people.answer(instance, request) }
        }
        #expect(reader.takePublishes().map(\.topic) == Array(repeating: "fc/_evt/completed/demo/echo", count: 2))
        for id in 200..<266 { self.people.call(caller, id: "\(id)") }
        #expect(reader.takePublishes().map(\.topic) == ["fc/_evt/overload/demo/echo"])
    }
}

extension CallClients {
    /// An operator's word that asks for answers.
    func ping(_ caller: ScriptedClient, _ topic: String) {
        caller.publish(
            topic, "",
            properties: [.responseTopic("fc/_reply/c"), .correlationData(ByteBuffer(string: "p"))])
    }
}
