import BusContract
import BusCore
import BusSession
import BusWire
import NIOCore

/// One caller of one-way calls, one instance, one operator, and a broker that dies again and again.
///
/// It checks what the project promises: a task that was accepted is found again, in one state, and ends; it never runs
/// after its success or the end that an operator was told of is on disk; nothing goes that was not purged.
package final class TaskCrashWorld {
    package private(set) var problem: String?
    /// Tasks for which a 202 came.
    package private(set) var accepted: Set<String> = []
    package private(set) var crashCount = 0
    /// What operators were told.
    package private(set) var toldCount = 0
    private let network = TestNetwork()
    private let mail: FunctionName
    /// Where the caller and the operator get their answers.
    private static let replies = CallTopic.reply(client: "c", call: nil, errorStatus: nil).string
    private static let answers = CallTopic.reply(client: "o", call: nil, errorStatus: nil).string
    private var random: SeededGenerator
    private var caller: ScriptedClient
    private var instance: ScriptedClient
    private var operatorClient: ScriptedClient
    private var requests: [Publish] = []
    private var calls = 0
    /// How each task stood on disk when it was last looked at.
    private var states: [String: UInt8] = [:]
    /// Those that were seen to have ended well, or by an operator.
    private var over: Set<String> = []
    private var ended: Set<String> = []
    /// What operators have asked for, by the name of their question: operation and task.
    private var questions: [String: (operation: String, task: String)] = [:]
    private var questionCount = 0
    private var purged: Set<String> = []

    /// The numbers of states in the store.
    private enum State {
        static let succeeded: UInt8 = 4
        static let dead: UInt8 = 5
        static let cancelled: UInt8 = 7
    }

    package init(seed: UInt64, store: any CrashingStore) throws {
        self.mail = try FunctionName(service: "demo", function: "mail")
        self.random = SeededGenerator(seed: seed)
        self.network.attach(store)
        self.caller = ScriptedClient(self.network)
        self.instance = ScriptedClient(self.network)
        self.operatorClient = ScriptedClient(self.network)
        self.join()
    }

    private func connect() {
        self.caller = ScriptedClient(self.network)
        self.instance = ScriptedClient(self.network)
        self.operatorClient = ScriptedClient(self.network)
        self.join()
    }

    private func join() {
        self.caller.connect("c", keepAlive: 0)
        self.caller.subscribe(Self.replies + "/#", qos: .atLeastOnce)
        self.instance.connect("i", keepAlive: 0)
        self.instance.subscribe("$share/fc/\(CallTopic.request(self.mail, nil).string)/#", qos: .atLeastOnce)
        self.operatorClient.connect("o", keepAlive: 0)
        self.operatorClient.subscribe(Self.answers + "/#", qos: .atLeastOnce)
        self.requests = []
        self.questions = [:]
    }

    private func fail(_ problem: String) {
        if self.problem == nil { self.problem = problem }
    }

    private var onDisk: [StoredTask] { self.network.crashingStore.map { Array($0.committed.tasks.values) } ?? [] }

    // MARK: Running

    package func run(steps: Int) {
        for _ in 0..<steps where self.problem == nil {
            switch self.random.number(below: 100) {
            case 0..<30: self.call()
            case 30..<52: self.network.progress(&self.random)
            case 52..<72: self.answer(self.random.pick(["200", "200", "500", "400", "503"]))
            case 72..<84: self.network.advance(milliseconds: UInt64(self.random.number(in: 1...3000)))
            case 84..<91: self.ask()
            case 91..<93: self.network.shiftWall(milliseconds: Int64(self.random.number(in: -60_000...60_000)))
            default: self.crash()
            }
            self.look()
        }
        for _ in 0..<400 where self.problem == nil {
            self.network.commit()
            self.look()
            while !self.requests.isEmpty { self.answer("200") }
            self.network.commit()
            self.look()
            if self.network.broker.taskCount == 0 { break }
            self.network.advance(seconds: 2)
        }
        if let open = self.states.first(where: { $0.value < State.succeeded }) {
            self.fail("\(open.key) never ended, its state is \(open.value)")
        }
        if self.network.broker.taskCount > 0 { self.fail("\(self.network.broker.taskCount) tasks never ended") }
        if let lost = self.accepted.subtracting(self.ended).first { self.fail("\(lost) was accepted and never ended") }
    }

    private func call() {
        // Some calls are sent again, as a caller does that has not heard of the first one.
        if self.calls == 0 || self.random.chance(80) { self.calls += 1 }
        self.caller.publish(
            CallTopic.async(self.mail, nil).string, "\(self.calls)", qos: .atLeastOnce,
            properties: [
                .responseTopic(Self.replies), .correlationData(ByteBuffer(string: "\(self.calls)")),
            ])
    }

    private func answer(_ status: String) {
        guard !self.requests.isEmpty else { return }
        let request = self.requests.removeFirst()
        var properties: Properties = [.userProperty(name: "__stat", value: status)]
        if let correlation = request.properties.correlationData { properties.append(.correlationData(correlation)) }
        self.instance.publish(request.properties.responseTopic ?? "", "", qos: .atLeastOnce, properties: properties)
    }

    private func ask() {
        let known = self.states.keys.sorted()
        guard !known.isEmpty else { return }
        let task = self.random.pick(known)
        let operation = self.random.pick(["task-cancel", "dead-requeue", "dead-purge"])
        self.questionCount += 1
        // All three are functions of the platform.
        guard let function = try? FunctionName(systemOperation: operation) else { return }
        let name = "q\(self.questionCount)"
        self.questions[name] = (operation, task)
        if operation == "dead-purge" { self.purged.insert(task) }
        self.operatorClient.publish(
            CallTopic.request(function, nil).string, "{\"task\":\"\(task)\"}", qos: .atLeastOnce,
            properties: [.responseTopic(Self.answers), .correlationData(ByteBuffer(string: name))])
    }

    // MARK: What must hold

    /// What came, and what is on disk.
    private func look() {
        let tasks = self.onDisk
        let states = Dictionary(tasks.map { ($0.id, $0.state) }) { first, _ in first }
        if states.count != tasks.count { self.fail("a task is on disk twice") }
        for (task, state) in self.states where states[task] == nil {
            let mayGo = state == State.succeeded || state == State.cancelled || self.purged.contains(task)
            if !mayGo { self.fail("\(task) was on disk in state \(state) and is gone") }
        }
        self.states = states
        for (task, state) in states where state >= State.succeeded {
            self.ended.insert(task)
            if state == State.succeeded || state == State.cancelled { self.over.insert(task) }
        }
        self.ended.formUnion(self.purged.subtracting(states.keys))
        for reply in self.caller.takePublishes() where reply.properties.firstUserProperty(named: "__stat") == "202" {
            guard let task = reply.properties.firstUserProperty(named: "fc-task") else { continue }
            self.accepted.insert(task)
            if states[task] == nil, !self.ended.contains(task) { self.fail("\(task) was accepted and is not on disk") }
        }
        for reply in self.operatorClient.takePublishes() { self.told(reply) }
        for request in self.instance.takePublishes() {
            let task = request.properties.firstUserProperty(named: "fc-task") ?? ""
            if self.over.contains(task) { self.fail("\(task) ran after its end was on disk") }
            self.requests.append(request)
        }
    }

    /// What an operator was told is on disk.
    private func told(_ reply: Publish) {
        guard let name = reply.properties.correlationData.map({ String(buffer: $0) }),
            let (operation, task) = self.questions.removeValue(forKey: name)
        else { return self.fail("the operator was told what it did not ask") }
        let state = self.states[task]
        switch (operation, reply.text) {
        case ("task-cancel", "{\"task\":\"\(task)\",\"state\":\"cancelled\"}"):
            if !self.over.contains(task) { self.fail("\(task) was said to be cancelled, on disk is \(state ?? 0)") }
        case ("dead-purge", "{\"purged\":1}"):
            if state != nil { self.fail("\(task) was said to be purged and is on disk") }
        case ("dead-requeue", "{\"requeued\":1}"):
            if state.map({ $0 == State.dead }) ?? true { self.fail("\(task) was said to live again and does not") }
            self.ended.remove(task)
        default: return
        }
        self.toldCount += 1
    }

    private func crash() {
        self.crashCount += 1
        self.network.crash(downSeconds: UInt64(self.random.number(below: 5)), &self.random)
        let live = self.onDisk.filter { $0.state < State.succeeded }.count
        if self.network.broker.taskCount != live {
            self.fail("\(live) tasks on disk go on, the broker has \(self.network.broker.taskCount)")
        }
        self.connect()
    }
}
