import BusContract
import BusTestKit
import BusWire
import NIOCore
import Testing

@testable import BusCore

/// What operators change of one-way calls is told when it is on disk (protocol §3).
@Suite("Operators of a broker with a store")
struct StoredOperationTests {
    let people: CallClients
    let caller: ScriptedClient
    let instance: ScriptedClient
    var network: TestNetwork { self.people.network }

    init() {
        self.people = CallClients()
        self.people.network.attachStore()
        self.caller = self.people.caller()
        self.instance = self.people.instance(function: "demo/mail")
    }

    /// A task, and with a status how its only attempt ended.
    func task(endingWith status: String? = nil) -> String {
        self.caller.publish(
            "fc/demo/mail/async", "letter", qos: .atLeastOnce, properties: [.responseTopic("fc/_reply/c")])
        let request = self.instance.takePublishes().last
        if let status, let request { self.people.answer(self.instance, request, "", [("__stat", status)]) }
        return self.caller.takePublishes().last?.user("fc-task") ?? ""
    }

    func ask(_ operation: String, _ task: String? = nil) {
        self.people.call(
            self.caller, function: "_sys/\(operation)", id: nil, payload: task.map { "{\"task\":\"\($0)\"}" } ?? "")
    }

    var answers: [String] { self.caller.takePublishes().map(\.text) }

    @Test("The end of a task is told after its commit, and a crash does not take it back")
    func cancel() {
        let task = self.task()
        self.network.commitsAtOnce = false
        self.ask("task-cancel", task)
        #expect(self.answers.isEmpty)
        self.network.commit()
        #expect(self.answers == ["{\"task\":\"\(task)\",\"state\":\"cancelled\"}"])
        self.network.crash()
        #expect(self.network.broker.taskCount == 0)
    }

    @Test("A crash before the commit leaves everything as it was, and nobody was told otherwise")
    func crashed() {
        _ = self.task()
        _ = self.task(endingWith: "400")
        self.network.commitsAtOnce = false
        self.ask("dead-purge")
        self.network.crash()
        #expect(self.answers.isEmpty)
        #expect(self.network.broker.deadLetters.letters.count == 1)
        #expect(self.network.broker.taskCount == 1)
    }

    @Test("Letters purged or called to life are told after their commit", arguments: ["dead-purge", "dead-requeue"])
    func letters(_ operation: String) {
        _ = self.task(endingWith: "400")
        self.network.commitsAtOnce = false
        self.ask(operation)
        #expect(self.answers.isEmpty)
        self.network.commit(1)
        #expect(self.answers == [operation == "dead-purge" ? "{\"purged\":1}" : "{\"requeued\":1}"])
        self.network.crash()
        #expect(self.network.broker.deadLetters.letters.isEmpty)
        #expect(self.network.broker.taskCount == (operation == "dead-purge" ? 0 : 1))
    }

    @Test(
        "Done again, it says what the first time left, when that is on disk", arguments: ["dead-purge", "task-cancel"])
    func again(_ operation: String) {
        let task = self.task(endingWith: operation == "dead-purge" ? "400" : nil)
        self.network.commitsAtOnce = false
        for _ in 0..<2 { self.ask(operation, task) }
        #expect(self.answers.isEmpty)
        self.network.commit()
        #expect(self.answers.count == 2)
        self.ask(operation, task)
        #expect(self.answers.count == 1, "nothing is left to wait for")
    }

    @Test("An operator that has gone is told nothing, and neither is the one that comes after it")
    func gone() {
        let task = self.task()
        self.network.commitsAtOnce = false
        self.ask("task-cancel", task)
        self.caller.drop()
        let next = self.people.caller()
        self.network.commit()
        #expect(next.takePublishes().isEmpty)
    }

    @Test("Looking waits for nothing")
    func looking() {
        self.network.commitsAtOnce = false
        _ = self.task()
        self.ask("dead-list")
        #expect(self.answers == ["{\"letters\":[]}"])
    }

    @Test("While the disk is full letters stay dead, and what ends is told when there is room")
    func full() {
        let task = self.task()
        _ = self.task(endingWith: "400")
        self.network.broker.setStore(.full)
        self.network.commitsAtOnce = false
        self.ask("dead-requeue")
        #expect(self.caller.takePublishes().map { $0.user("__stat") } == ["507"])
        self.ask("task-cancel", task)
        #expect(self.answers.isEmpty)
        self.network.broker.setStore(.sound)
        self.network.commit()
        #expect(self.answers.count == 1)
        #expect(self.network.broker.deadLetters.letters.count == 1)
    }

    @Test(
        "A store that has failed changes nothing and says so", arguments: ["task-cancel", "dead-requeue", "dead-purge"])
    func failed(_ operation: String) {
        let task = self.task()
        _ = self.task(endingWith: "400")
        self.network.broker.setStore(.failed)
        self.ask(operation, operation == "task-cancel" ? task : nil)
        #expect(self.caller.takePublishes().map { $0.user("__stat") } == ["507"])
        #expect(self.network.broker.taskCount == 1)
        #expect(self.network.broker.deadLetters.letters.count == 1)
    }
}
