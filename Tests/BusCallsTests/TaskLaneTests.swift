import BusContract
import Testing

@testable import BusCalls

/// How the tasks of one function share it.
@Suite("Tasks of one function")
struct TaskLaneTests {
    static let second: UInt64 = 1_000_000_000

    struct Scene {
        let name: FunctionName
        var table = TaskTable()
        var effects: [TaskTable.Effect] = []
        var now = 10 * TaskLaneTests.second
        var running: [String] = []

        init(tasks: Int) throws {
            self.name = try FunctionName(parsing: "demo/echo")
            for number in 0..<tasks {
                var terms = TaskTable.Terms()
                terms.backoff.jitter = 0
                _ = self.table.accept("t\(number)", self.name, Note("task"), terms: terms, now: self.now)
            }
            self.advance()
        }

        mutating func advance(seconds: UInt64 = 0) {
            self.now += seconds * TaskLaneTests.second
            self.table.advance(to: self.now, effects: &self.effects)
            self.settle()
        }

        mutating func end(_ task: String, _ failure: Failure? = nil) {
            self.running.removeAll { $0 == task }
            self.table.attemptEnded(task, failure, now: self.now, effects: &self.effects)
            self.settle()
        }

        mutating func wake() {
            self.table.wake(self.name, now: self.now, effects: &self.effects)
            self.settle()
        }

        private mutating func settle() {
            for case .attempt(let task) in self.effects { self.running.append(task.identifier) }
            self.effects = []
        }
    }

    static func failure(_ status: Int) -> Failure {
        Failure(CallStatus(rawValue: status), CallCode(rawValue: "TEST"), executed: .none, "for a test")
    }

    @Test("Of thousands that are due only so many run, in order, and each end lets the next one begin")
    func window() throws {
        var scene = try Scene(tasks: 5_000)
        #expect(scene.running == (0..<TaskLane.windowAtFirst).map { "t\($0)" })
        var ran: Set<String> = []
        while let task = scene.running.first {
            ran.insert(task)
            scene.end(task)
        }
        #expect(ran.count == 5_000)
        #expect(scene.table.count == 0)
        #expect(scene.table.nextAttempt == nil)
    }

    @Test("The window grows with success and is halved by a queue that is full")
    func adapts() throws {
        var scene = try Scene(tasks: 1_000)
        for _ in 0..<80 { scene.end(scene.running[0]) }
        #expect(scene.running.count == TaskLane.windowAtFirst + 10)
        scene.end(scene.running[0], Self.failure(429))
        let half = (TaskLane.windowAtFirst + 10) / 2
        while scene.running.count > half { scene.end(scene.running[0]) }
        for _ in 0..<100 { scene.end(scene.running[0]) }
        #expect(scene.running.count == half)
    }

    @Test("While no instance is there one window's worth is tried for each time to wait, not all of them")
    func pause() throws {
        var scene = try Scene(tasks: 1_000)
        var tries = 0
        for _ in 0..<8 {
            while let task = scene.running.first {
                tries += 1
                scene.end(task, Self.failure(503))
            }
            scene.advance(seconds: 1)
        }
        #expect(tries <= 8 * TaskLane.windowAtFirst)
        #expect(scene.table.count == 1_000)
    }

    @Test("An instance that comes ends the wait of those that found none")
    func wakes() throws {
        var scene = try Scene(tasks: 200)
        while let task = scene.running.first { scene.end(task, Self.failure(503)) }
        #expect(scene.running.isEmpty)
        scene.wake()
        #expect(scene.running.count == TaskLane.windowAtFirst)
        while let task = scene.running.first { scene.end(task) }
        #expect(scene.table.count == 0)
        // What had waited for its time is known to have run.
        scene.advance(seconds: 100)
        #expect(scene.running.isEmpty)
    }

    @Test("A cancelled task leaves its place to the next one")
    func cancelled() throws {
        var scene = try Scene(tasks: 100)
        for task in scene.running { _ = scene.table.cancel(task) }
        scene.running = []
        scene.advance()
        #expect(scene.running.count == 100 - TaskLane.windowAtFirst)
    }

    @Test("A task past its age is dead when its turn comes")
    func age() throws {
        let name = try FunctionName(parsing: "demo/echo")
        var table = TaskTable()
        var effects: [TaskTable.Effect] = []
        for number in 0...TaskLane.windowAtFirst {
            var terms = TaskTable.Terms()
            terms.ageMaxNanoseconds = 5 * Self.second
            _ = table.accept("t\(number)", name, Note("task"), terms: terms, now: 0)
        }
        table.advance(to: 0, effects: &effects)
        effects = []
        table.attemptEnded("t0", nil, now: 6 * Self.second, effects: &effects)
        let dead = effects.compactMap { if case .dead(let task, _) = $0 { task.identifier } else { nil } }
        #expect(dead == ["t\(TaskLane.windowAtFirst)"])
    }
}
