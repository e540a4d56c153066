import BusCore
import BusTestKit
import BusWire
import NIOCore
import Testing

/// Requests and answers between clients of both versions, in both forms (protocol §3, §5).
@Suite("Forms of calls")
struct CallFormTests {
    let people = CallClients()

    // MARK: What an instance subscribes to

    @Test("An instance on …/req alone serves calls of both forms; none is lost to it (protocol §3)")
    func shortFilter() throws {
        let instance = self.people.instance(filter: "fc/demo/echo/req")
        let caller = self.people.caller()
        self.people.call(caller)
        let first = try #require(instance.takePublishes().first)
        #expect(first.topic == "fc/demo/echo/req")
        self.people.answer(instance, first, "one")
        let old = self.people.caller("me1", version: .v3_1_1)
        old.publish("fc/demo/echo/req/me1/42", "hi", qos: .atLeastOnce)
        let second = try #require(instance.takePublishes().first)
        #expect(second.topic == "fc/demo/echo/req")
        #expect(second.properties.responseTopic == "fc/_reply/me1/42")
        self.people.answer(instance, second, "two")
        #expect(caller.takePublishes().map(\.text) == ["one"])
        #expect(old.takePublishes().map { [$0.topic, $0.text] } == [["fc/_reply/me1/42", "two"]])
    }

    @Test("A 3.1.1 client on …/req alone cannot know where to answer, and is no instance")
    func oldShortFilter() {
        let stranger = self.people.instance(version: .v3_1_1, filter: "fc/demo/echo/req")
        let caller = self.people.caller()
        #expect(self.people.call(caller) == .noMatchingSubscribers)
        #expect(caller.takeStatuses() == ["404"])
        #expect(stranger.takePublishes().isEmpty)
    }

    @Test("An instance on the longer form alone gets every call in it")
    func longFilter() throws {
        let instance = self.people.instance(filter: "$share/g/fc/demo/echo/req/+/+")
        let caller = self.people.caller()
        self.people.call(caller)
        let request = try #require(instance.takePublishes().first)
        let levels = request.topic.split(separator: "/").map(String.init)
        #expect(levels.prefix(5) == ["fc", "demo", "echo", "req", "c"])
        #expect(request.properties.responseTopic == "fc/_reply/c")
        self.people.answer(instance, request)
        #expect(caller.takePublishes().map(\.text) == ["ho"])
    }

    // MARK: MQTT 5 callers, 3.1.1 instances

    @Test("A 3.1.1 instance answers MQTT 5 callers: it gets the topic form, its answer gets correlation data")
    func oldInstance() throws {
        let instance = self.people.instance(version: .v3_1_1)
        let caller = self.people.caller()
        #expect(self.people.call(caller, id: "42", payload: "ping") == .success)
        let request = try #require(instance.takePublishes().first)
        #expect(request.text == "ping")
        let levels = request.topic.split(separator: "/").map(String.init)
        #expect(levels.prefix(5) == ["fc", "demo", "echo", "req", "c"])
        instance.publish("fc/_reply/c/\(levels[5])", "pong", qos: .atLeastOnce)
        let reply = try #require(caller.takePublishes().first)
        #expect(reply.topic == "fc/_reply/c")
        #expect(reply.text == "pong")
        #expect(reply.properties.correlationData == ByteBuffer(string: "42"))
        instance.publish("fc/_reply/c/\(levels[5])", "again", qos: .atLeastOnce)
        #expect(caller.takePublishes().isEmpty)
        #expect(self.people.network.broker.statistics.answersLate == 1)
    }

    @Test("The error levels of a 3.1.1 instance's answer become status properties")
    func oldInstanceFails() throws {
        let instance = self.people.instance(version: .v3_1_1)
        let caller = self.people.caller()
        self.people.call(caller)
        let call = try #require(instance.takePublishes().first).topic.split(separator: "/").last
        instance.publish("fc/_reply/c/\(try #require(call))/err/500", "broken", qos: .atLeastOnce)
        let reply = try #require(caller.takePublishes().first)
        #expect(reply.topic == "fc/_reply/c")
        #expect(reply.user("__stat") == "500")
        #expect(reply.user("fc-exec") == "yes")
        #expect(reply.text == "broken")
    }

    @Test("A 3.1.1 instance that answers 429 is passed over like any other")
    func oldInstanceRefuses() throws {
        let old = self.people.instance("old", version: .v3_1_1)
        let caller = self.people.caller()
        self.people.call(caller)
        let new = self.people.instance("new")
        let call = try #require(old.takePublishes().first).topic.split(separator: "/").last
        old.publish("fc/_reply/c/\(try #require(call))/err/429", "", qos: .atLeastOnce)
        let request = try #require(new.takePublishes().first)
        #expect(request.topic == "fc/demo/echo/req")
        self.people.answer(new, request, "done")
        #expect(caller.takePublishes().map(\.text) == ["done"])
    }

    @Test("A call that goes from one 3.1.1 instance to another has a name of its own at each")
    func oldInstanceDies() throws {
        let first = self.people.instance("i1", version: .v3_1_1)
        let caller = self.people.caller()
        self.people.call(caller, [("fc-idempotent", "1")])
        let here = try #require(first.takePublishes().first).topic
        let second = self.people.instance("i2", version: .v3_1_1)
        first.drop()
        let there = try #require(second.takePublishes().first).topic
        #expect(here != there)
        second.publish(there.replacing("fc/demo/echo/req", with: "fc/_reply"), "done", qos: .atLeastOnce)
        #expect(caller.takePublishes().map(\.text) == ["done"])
    }

    @Test("One-way calls reach 3.1.1 instances, and their answers end the task")
    func oldInstanceTask() throws {
        let instance = self.people.instance(version: .v3_1_1)
        self.people.client("s").publish("fc/demo/echo/async", "letter", qos: .atLeastOnce)
        let topic = try #require(instance.takePublishes().first).topic
        #expect(self.people.network.broker.taskCount == 1)
        instance.publish(topic.replacing("fc/demo/echo/req", with: "fc/_reply"), "", qos: .atLeastOnce)
        #expect(self.people.network.broker.taskCount == 0)
    }

    @Test("A 3.1.1 instance hears of a cancellation under the name by which it knows the call")
    func oldInstanceCancel() throws {
        let instance = self.people.instance(version: .v3_1_1)
        instance.subscribe("fc/demo/echo/cancel/#", qos: .atLeastOnce)
        let caller = self.people.caller()
        self.people.call(caller)
        let topic = try #require(instance.takePublishes().first).topic
        caller.publish(
            "fc/demo/echo/cancel", "",
            properties: [.responseTopic("fc/_reply/c"), .correlationData(ByteBuffer(string: "1"))])
        #expect(instance.takePublishes().map(\.topic) == [topic.replacing("/req/", with: "/cancel/")])
        #expect(caller.takeStatuses() == ["499"])
    }

    // MARK: 3.1.1 callers, MQTT 5 instances

    @Test("The status of an MQTT 5 instance's failure becomes a level of the topic for a 3.1.1 caller")
    func newInstanceFails() throws {
        let instance = self.people.instance()
        let caller = self.people.caller("me1", version: .v3_1_1)
        caller.publish("fc/demo/echo/req/me1/42", "hi", qos: .atLeastOnce)
        _ = try #require(instance.takePublishes().first)
        instance.publish(
            "fc/_reply/me1/42", "broken", qos: .atLeastOnce, properties: [.userProperty(name: "__stat", value: "500")])
        #expect(caller.takePublishes().map { [$0.topic, $0.text] } == [["fc/_reply/me1/42/err/500", "broken"]])
    }

    @Test("A failure that already stands below the reply topic goes as it is")
    func newInstanceFailsBelow() throws {
        let instance = self.people.instance()
        let caller = self.people.caller("me1", version: .v3_1_1)
        caller.publish("fc/demo/echo/req/me1/42", "hi", qos: .atLeastOnce)
        _ = try #require(instance.takePublishes().first)
        instance.publish(
            "fc/_reply/me1/42/err/415", "no", qos: .atLeastOnce,
            properties: [.userProperty(name: "__stat", value: "415")])
        #expect(caller.takePublishes().map(\.topic) == ["fc/_reply/me1/42/err/415"])
    }

    @Test("An answer in the topic form may bring correlation data: the topic tells the call")
    func topicFormWithCorrelation() throws {
        let instance = self.people.instance()
        let caller = self.people.caller("me1", version: .v3_1_1)
        caller.publish("fc/demo/echo/req/me1/42", "hi", qos: .atLeastOnce)
        _ = try #require(instance.takePublishes().first)
        instance.publish(
            "fc/_reply/me1/42", "ho", qos: .atLeastOnce, properties: [.correlationData(ByteBuffer(string: "any"))])
        #expect(instance.takeCodes() == [.success])
        #expect(caller.takePublishes().map(\.text) == ["ho"])
    }

    // MARK: Response Topics

    @Test(
        "A Response Topic below the client's own level works without correlation data, as mosquitto_rr sends it",
        arguments: ["fc/_reply/me", "fc/_reply/me/42", "fc/_reply/me/a/b/c", "fc/_reply/me/42/err/500"])
    func deepResponseTopic(_ topic: String) throws {
        let instance = self.people.instance()
        let caller = self.people.caller("me")
        #expect(self.people.call(caller, at: topic, id: nil) == .success)
        let request = try #require(instance.takePublishes().first)
        #expect(request.properties.responseTopic == topic)
        #expect(self.people.answer(instance, request) == .success)
        #expect(caller.takePublishes().map { [$0.topic, $0.text] } == [[topic, "ho"]])
        #expect(self.people.call(caller, at: topic, function: "no/body", id: nil) == .noMatchingSubscribers)
        let failure = try #require(caller.takePublishes().first)
        #expect(failure.topic == topic)
        #expect(failure.user("__stat") == "404")
    }

    @Test("An instance that does not echo correlation data is understood while it has one such call")
    func missingEcho() throws {
        let instance = self.people.instance()
        let caller = self.people.caller()
        self.people.call(caller, id: "a")
        let request = try #require(instance.takePublishes().first)
        #expect(self.people.answer(instance, request, echoes: false) == .success)
        #expect(caller.takePublishes().map(\.properties.correlationData) == [ByteBuffer(string: "a")])
        for id in ["b", "c"] { self.people.call(caller, id: id) }
        let next = try #require(instance.takePublishes().first)
        #expect(self.people.answer(instance, next, echoes: false) == .notAuthorized)
        #expect(caller.takePublishes().isEmpty)
    }

    // MARK: Late answers

    @Test("Second answers to calls without correlation data, or at plain topics, are dropped and counted")
    func secondAnswers() throws {
        for (topic, id) in [("fc/_reply/c", nil), ("answers/c", nil), ("answers/c", "1")] as [(String, String?)] {
            let people = CallClients()
            let instance = people.instance()
            let caller = people.caller()
            caller.subscribe("answers/c")
            people.call(caller, at: topic, id: id)
            let request = try #require(instance.takePublishes().first)
            for text in ["first", "second"] { #expect(people.answer(instance, request, text) == .success) }
            #expect(caller.takePublishes().map(\.text) == ["first"])
            #expect(people.network.broker.statistics.answersLate == 1)
        }
    }

    @Test("A late answer to a call without correlation data is dropped; what the instance publishes later is not")
    func lateAnswers() throws {
        let instance = self.people.instance()
        let caller = self.people.caller()
        caller.subscribe("answers/c")
        self.people.call(caller, at: "answers/c", id: nil, [("fc-ttl-ms", "100")])
        let request = try #require(instance.takePublishes().first)
        self.people.network.advance(milliseconds: 200)
        #expect(caller.takeStatuses() == ["408"])
        self.people.answer(instance, request, "late")
        #expect(caller.takePublishes().isEmpty)
        self.people.network.advance(seconds: 30)
        self.people.network.advance(seconds: 31)
        instance.publish("answers/c", "an event", qos: .atLeastOnce)
        #expect(caller.takePublishes().map(\.text) == ["an event"])
    }
}
