import BusContract
import BusSession
import BusTestKit
import BusTopics
import BusWire
import NIOCore
import Testing

@testable import BusCore

/// One-way calls of a broker that dies and begins again with its store (protocol §8, "Async, durable").
@Suite("Recovery of asynchronous calls")
struct TaskRecoveryTests {
    let scene = StoredScene()
    var network: TestNetwork { self.scene.network }

    func instance() -> ScriptedClient {
        let client = ScriptedClient(self.network)
        client.connect("i")
        client.subscribe("$share/fc/fc/demo/mail/req/#", qos: .atLeastOnce)
        return client
    }

    func caller(_ name: String = "c") -> ScriptedClient {
        let client = ScriptedClient(self.network)
        client.connect(name)
        client.subscribe("fc/_reply/\(name)/#", qos: .atLeastOnce)
        return client
    }

    func call(_ client: ScriptedClient, _ text: String = "letter", _ extra: [Property] = [], call: String = "1") {
        let properties: [Property] = [
            .responseTopic("fc/_reply/c"), .correlationData(ByteBuffer(string: call)),
        ]
        var all: Properties = []
        for property in properties + extra { all.append(property) }
        client.publish("fc/demo/mail/async", text, qos: .atLeastOnce, properties: all)
    }

    func answer(_ instance: ScriptedClient, _ request: Publish, status: String, _ text: String = "") {
        var properties: Properties = [.userProperty(name: "__stat", value: status)]
        if let correlation = request.properties.correlationData { properties.append(.correlationData(correlation)) }
        instance.publish(request.properties.responseTopic ?? "", text, qos: .atLeastOnce, properties: properties)
    }

    /// The next requests, within two minutes.
    func requests(_ instance: ScriptedClient) -> [Publish] {
        for _ in 0..<130 {
            let requests = instance.takePublishes()
            if !requests.isEmpty { return requests }
            self.network.advance(seconds: 1)
        }
        return []
    }

    var states: [UInt8] { self.scene.committed.tasks.values.map(\.state) }

    @Test("202, acknowledgement and first attempt wait for the commit that holds the task")
    func acceptance() {
        let instance = self.instance()
        let caller = self.caller()
        self.network.commitsAtOnce = false
        self.call(caller)
        #expect(caller.takeAll().isEmpty)
        #expect(instance.takePublishes().isEmpty)
        self.network.commit()
        #expect(Set(caller.takeTypes()) == [.pubAck, .publish])
        #expect(instance.takePublishes().count == 1)
    }

    @Test("A task that was not committed was not accepted: the caller sends it again and it runs once")
    func lost() {
        let caller = self.caller()
        self.network.commitsAtOnce = false
        self.call(caller)
        self.network.crash()
        #expect(self.network.broker.taskCount == 0)
        self.network.commitsAtOnce = true
        self.call(self.caller())
        #expect(self.requests(self.instance()).count == 1)
    }

    @Test("A task that waits goes on after a crash, with its payload, its properties and its caller")
    func waiting() throws {
        self.call(self.caller(), "letter", [.userProperty(name: "x", value: "y")])
        self.network.crash(downSeconds: 5)
        #expect(self.network.broker.taskCount == 1)
        let request = try #require(self.requests(self.instance()).first)
        #expect(request.text == "letter")
        #expect(request.properties.firstUserProperty(named: "x") == "y")
        #expect(request.properties.firstUserProperty(named: "fc-caller-id") == "c")
        #expect(request.properties.firstUserProperty(named: "fc-attempt") == nil)
    }

    @Test(
        "A task that ran when the broker died is attempted again and says so, even its last attempt", arguments: [1, 3])
    func running(_ attemptsMax: Int) throws {
        let caller = self.caller()
        let first = self.instance()
        self.call(caller, "letter", [.userProperty(name: "fc-max-attempts", value: "\(attemptsMax)")])
        let before = try #require(first.takePublishes().first)
        self.network.crash()
        let second = self.instance()
        let after = try #require(self.requests(second).first)
        #expect(after.properties.firstUserProperty(named: "fc-attempt") == "2")
        let tasks = [before, after].map { $0.properties.firstUserProperty(named: "fc-task") }
        #expect(tasks[0] == tasks[1])
        self.answer(second, after, status: "200")
        #expect(self.network.broker.taskCount == 0)
    }

    @Test("A retry waits for its time on the wall clock, and the greatest age goes on too")
    func times() throws {
        let caller = self.caller()
        self.call(
            caller, "late", [.userProperty(name: "fc-not-before-ms", value: "60000"), .messageExpiryInterval(300)])
        self.network.crash(downSeconds: 30)
        let instance = self.instance()
        self.network.advance(seconds: 29)
        #expect(instance.takePublishes().isEmpty)
        self.network.advance(seconds: 2)
        #expect(instance.takePublishes().map(\.text) == ["late"])
        self.network.crash(downSeconds: 300)
        #expect(self.network.broker.taskCount == 0)
        #expect(self.states == [TaskPhase.expired.rawValue])
    }

    @Test("A task that has succeeded never runs again, and can be asked for until ten minutes have gone by")
    func succeeded() throws {
        let instance = self.instance()
        self.call(self.caller())
        self.answer(instance, try #require(instance.takePublishes().first), status: "200")
        #expect(self.states == [TaskPhase.succeeded.rawValue])
        self.network.crash(downSeconds: 60)
        let again = self.instance()
        self.network.advance(seconds: 120)
        #expect(again.takePublishes().isEmpty)
        #expect(self.states == [TaskPhase.succeeded.rawValue])
        self.network.advance(seconds: 430)
        #expect(self.scene.committed.tasks.isEmpty)
    }

    @Test("The same call sent again within ten minutes is the same task, also after a crash", arguments: [false, true])
    func again(_ crashes: Bool) throws {
        let caller = self.caller()
        self.call(caller)
        let task = caller.takePublishes().first?.properties.firstUserProperty(named: "fc-task")
        if crashes { self.network.crash(downSeconds: 60) }
        let same = crashes ? self.caller() : caller
        self.call(same)
        let reply = try #require(same.takePublishes().first)
        #expect(reply.properties.firstUserProperty(named: "fc-task") == task)
        #expect(reply.properties.firstUserProperty(named: "fc-replay") == "1")
        #expect(self.network.broker.taskCount == 1)
        self.call(same, "other")
        #expect(same.takePublishes().first?.properties.firstUserProperty(named: "__stat") == "409")
        self.network.advance(seconds: 601)
        let later = self.caller()
        self.call(later)
        #expect(later.takePublishes().first?.properties.firstUserProperty(named: "fc-replay") == nil)
        #expect(self.network.broker.taskCount == 2)
    }

    @Test("The same call sent again before the commit is acknowledged after it, and only one task is there")
    func againUncommitted() {
        let caller = self.caller()
        self.network.commitsAtOnce = false
        self.call(caller)
        self.call(caller)
        #expect(caller.takeAll().isEmpty)
        self.network.commit()
        #expect(caller.takeTypes().filter { $0 == .pubAck }.count == 2)
        #expect(self.network.broker.taskCount == 1)
    }

    @Test("Dead letters are there after a crash, live again, and are gone when purged")
    func dead() throws {
        let instance = self.instance()
        self.call(self.caller())
        self.answer(instance, try #require(instance.takePublishes().first), status: "400")
        #expect(self.states == [TaskPhase.dead.rawValue])
        self.network.crash(downSeconds: 60)
        let letter = try #require(self.network.broker.deadLetters.letters.first)
        #expect(letter.failure.status.rawValue == 400)
        #expect(letter.publish.text == "letter")
        let caller = self.caller()
        let again = self.instance()
        caller.publish(
            "fc/_sys/dead-requeue/req", "", qos: .atLeastOnce,
            properties: [.responseTopic("fc/_reply/c"), .correlationData(ByteBuffer(string: "2"))])
        let request = try #require(again.takePublishes().first)
        #expect(self.states == [TaskPhase.running.rawValue])
        self.answer(again, request, status: "400")
        caller.publish(
            "fc/_sys/dead-purge/req", "", qos: .atLeastOnce,
            properties: [.responseTopic("fc/_reply/c"), .correlationData(ByteBuffer(string: "3"))])
        #expect(self.scene.committed.tasks.isEmpty)
    }

    @Test("A store without room refuses with 507, and the limits of tasks do")
    func full() {
        let caller = self.caller()
        self.network.broker.setStore(.full)
        self.call(caller, call: "1")
        #expect(caller.takePublishes().first?.properties.firstUserProperty(named: "__stat") == "507")
        self.network.broker.setStore(.sound)
        self.network.broker.limits.taskBytesMax = 10
        self.call(caller, call: "2")
        #expect(caller.takePublishes().first?.properties.firstUserProperty(named: "__stat") == "507")
        self.network.broker.limits.taskBytesMax = 1 << 20
        self.network.broker.limits.tasksMax = 1
        self.call(caller, call: "3")
        self.call(caller, call: "4")
        let statuses = caller.takePublishes().map { $0.properties.firstUserProperty(named: "__stat") }
        #expect(statuses == ["202", "507"])
        #expect(self.scene.committed.tasks.count == 1)
    }

    @Test("Where messages of the topic are kept in memory a task is too, and waits for nothing")
    func inMemory() throws {
        var durability = Durability()
        durability.topics = [Durability.TopicRule(filter: try TopicFilter("fc/demo/#"), isStored: false)]
        self.network.broker.durability = durability
        let caller = self.caller()
        self.network.commitsAtOnce = false
        self.call(caller)
        #expect(Set(caller.takeTypes()) == [.pubAck, .publish])
        #expect(self.scene.latest.tasks.isEmpty)
    }

    @Test("The result of a success goes to its destination", arguments: ["results/mail", "fn:demo/next"])
    func onSuccess(_ destination: String) throws {
        let instance = self.instance()
        let listener = ScriptedClient(self.network)
        listener.connect("l")
        listener.subscribe("results/#", qos: .atLeastOnce)
        listener.subscribe("$share/fc/fc/demo/next/req/#", qos: .atLeastOnce)
        self.call(self.caller(), "letter", [.userProperty(name: "fc-on-success", value: destination)])
        self.answer(instance, try #require(instance.takePublishes().first), status: "200", "posted")
        let message = try #require(listener.takePublishes().first)
        #expect(message.text == "posted")
        #expect(message.topic == (destination == "results/mail" ? "results/mail" : "fc/demo/next/req"))
        #expect(message.properties.firstUserProperty(named: "fc-caller-id") == "c")
    }

    @Test("The call that failed for good goes to its destination", arguments: ["failed/mail", "fn:demo/next"])
    func onFailure(_ destination: String) throws {
        let instance = self.instance()
        let listener = ScriptedClient(self.network)
        listener.connect("l")
        listener.subscribe("failed/#", qos: .atLeastOnce)
        listener.subscribe("$share/fc/fc/demo/next/req/#", qos: .atLeastOnce)
        self.call(self.caller(), "letter", [.userProperty(name: "fc-on-failure", value: destination)])
        self.answer(instance, try #require(instance.takePublishes().first), status: "400")
        let message = try #require(listener.takePublishes().first)
        #expect(message.text == "letter")
        #expect(message.properties.firstUserProperty(named: "fc-last-status") == "400")
        #expect(message.properties.firstUserProperty(named: "fc-on-failure") == nil)
    }

    @Test(
        "A destination that is none, or that is the platform's, is refused",
        arguments: [
            ("a/#", "400"), ("fn:", "400"), ("$SYS/x", "400"), ("fc/_evt/x", "403"), ("fc/demo/mail/req", "403"),
        ])
    func destination(_ text: String, _ status: String) {
        let caller = self.caller()
        self.call(caller, "letter", [.userProperty(name: "fc-on-success", value: text)])
        #expect(caller.takePublishes().first?.properties.firstUserProperty(named: "__stat") == status)
        #expect(self.network.broker.taskCount == 0)
    }

    @Test("A record is what was written, and every shorter one is none")
    func record() throws {
        var record = TaskRecord(function: try FunctionName(parsing: "demo/mail"))
        (record.attempts, record.unseenTries, record.status) = (2, 3, 500)
        (record.expiresAt, record.endedAt) = (5, nil)
        (record.client, record.code, record.executed, record.reason) = ("né/e", "CODE", "maybe", "why")
        (record.correlation, record.digest, record.packet) = ([0, 1], 7, [9, 9])
        let bytes = record.bytes
        #expect(TaskRecord(bytes) == record)
        for count in 0..<bytes.count { #expect(TaskRecord(Array(bytes.prefix(count))) == nil) }
    }
}
