import BusCore
import BusTestKit
import BusWire
import NIOCore
import Testing

/// One-way calls of brokers that die again and again: what was accepted runs to its end, what has succeeded stays so.
@Suite("Asynchronous calls across crashes")
struct TaskCrashTests {
    @Test("Every accepted task is found again, in one state, ends, and never runs after a success on disk")
    func crashes() {
        var accepted = 0
        var crashCount = 0
        for seed in 0..<150 as Range<UInt64> {
            let world = TaskCrashWorld(seed: seed)
            world.run(steps: 80)
            #expect(world.problem == nil, "seed \(seed)")
            accepted += world.accepted.count
            crashCount += world.crashCount
        }
        #expect(accepted > 1000)
        #expect(crashCount > 300)
    }
}

/// One caller, one instance, and a broker that dies.
final class TaskCrashWorld {
    private(set) var problem: String?
    /// Tasks for which a 202 came.
    private(set) var accepted: Set<String> = []
    private(set) var crashCount = 0
    private let network = TestNetwork()
    private var random: SeededGenerator
    private var caller: ScriptedClient
    private var instance: ScriptedClient
    private var requests: [Publish] = []
    private var calls = 0
    /// Tasks seen on disk in a state that is an end; those of them that succeeded.
    private var ended: Set<String> = []
    private var succeeded: Set<String> = []

    init(seed: UInt64) {
        self.random = SeededGenerator(seed: seed)
        self.network.attachStore()
        self.network.commitsAtOnce = false
        self.caller = ScriptedClient(self.network)
        self.instance = ScriptedClient(self.network)
        self.connect()
    }

    private func connect() {
        self.caller = ScriptedClient(self.network)
        self.caller.connect("c")
        self.caller.subscribe("fc/_reply/c/#", qos: .atLeastOnce)
        self.instance = ScriptedClient(self.network)
        self.instance.connect("i")
        self.instance.subscribe("$share/fc/fc/demo/mail/req/#", qos: .atLeastOnce)
        self.requests = []
    }

    private func fail(_ problem: String) {
        if self.problem == nil { self.problem = problem }
    }

    func run(steps: Int) {
        for _ in 0..<steps where self.problem == nil {
            switch self.random.number(below: 100) {
            case 0..<35: self.call()
            case 35..<55: self.network.commit(self.random.number(in: 1...3))
            case 55..<80: self.answer(self.random.pick(["200", "200", "500", "400", "503"]))
            case 80..<93: self.network.advance(milliseconds: UInt64(self.random.number(in: 1...3000)))
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
            self.network.advance(seconds: 1)
        }
        if self.network.broker.taskCount > 0 { self.fail("\(self.network.broker.taskCount) tasks never ended") }
        if let lost = self.accepted.subtracting(self.ended).first { self.fail("\(lost) was accepted and never ended") }
    }

    private func call() {
        // Some calls are sent again, as a caller does that has not heard of the first one.
        if self.calls == 0 || self.random.chance(80) { self.calls += 1 }
        self.caller.publish(
            "fc/demo/mail/async", "\(self.calls)", qos: .atLeastOnce,
            properties: [
                .responseTopic("fc/_reply/c"), .correlationData(ByteBuffer(string: "\(self.calls)")),
            ])
    }

    private func answer(_ status: String) {
        guard !self.requests.isEmpty else { return }
        let request = self.requests.removeFirst()
        var properties: Properties = [.userProperty(name: "__stat", value: status)]
        if let correlation = request.properties.correlationData { properties.append(.correlationData(correlation)) }
        self.instance.publish(request.properties.responseTopic ?? "", "", qos: .atLeastOnce, properties: properties)
    }

    /// What came, and what is on disk.
    private func look() {
        for reply in self.caller.takePublishes() where reply.properties.firstUserProperty(named: "__stat") == "202" {
            guard let task = reply.properties.firstUserProperty(named: "fc-task") else { continue }
            self.accepted.insert(task)
            if self.network.store?.committed.tasks.values.contains(where: { $0.id == task }) != true {
                self.fail("\(task) was accepted and is not on disk")
            }
        }
        for request in self.instance.takePublishes() {
            let task = request.properties.firstUserProperty(named: "fc-task") ?? ""
            if self.succeeded.contains(task) { self.fail("\(task) ran after its success was on disk") }
            self.requests.append(request)
        }
        for task in self.network.store?.committed.tasks.values ?? [:].values {
            if task.state >= 4 { self.ended.insert(task.id) }
            if task.state == 4 { self.succeeded.insert(task.id) }
        }
    }

    private func crash() {
        self.crashCount += 1
        self.network.crash(downSeconds: UInt64(self.random.number(below: 5)))
        let found = self.network.store?.committed.tasks.values.map { $0 } ?? []
        let lost = self.accepted.subtracting(self.ended).subtracting(found.map(\.id))
        if let lost = lost.first { self.fail("\(lost) was accepted and is lost") }
        let live = found.filter { $0.state < 4 }.count
        if self.network.broker.taskCount != live {
            self.fail("\(live) tasks on disk go on, the broker has \(self.network.broker.taskCount)")
        }
        self.connect()
    }
}
