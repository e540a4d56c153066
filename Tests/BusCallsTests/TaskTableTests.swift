import BusContract
import Testing

@testable import BusCalls

/// Protocol §8, "Async, durable": what each outcome of an attempt does to a task.
@Suite("Tasks")
struct TaskTableTests {
    static let second: UInt64 = 1_000_000_000

    /// A table with one task that runs its first attempt.
    struct Scene {
        var table = TaskTable()
        var effects: [TaskTable.Effect] = []
        var now = 10 * TaskTableTests.second

        init(_ change: (inout TaskTable.Terms) -> Void = { _ in }) throws {
            var terms = TaskTable.Terms()
            terms.backoff.jitter = 0
            change(&terms)
            let failure = self.table.accept(
                "t", try FunctionName(parsing: "demo/echo"), Note("task"), terms: terms, now: self.now)
            #expect(failure == nil)
            self.table.advance(to: self.now, effects: &self.effects)
        }

        mutating func end(_ failure: Failure?, isPermanent: Bool = false) {
            self.effects.removeAll()
            self.table.attemptEnded("t", failure, isPermanent: isPermanent, now: self.now, effects: &self.effects)
        }

        /// Goes to the next attempt.
        mutating func proceed() {
            self.effects.removeAll()
            self.now = max(self.now, self.table.nextAttempt ?? self.now)
            self.table.advance(to: self.now, effects: &self.effects)
        }

        var words: [String] {
            self.effects.map { effect in
                switch effect {
                case .attempt: "attempt"
                case .succeeded: "succeeded"
                case .dead(let task, let failure): "dead \(task.attempts) \(failure.status)"
                }
            }
        }
    }

    static func failure(_ status: Int, _ executed: Executed) -> Failure {
        Failure(CallStatus(rawValue: status), CallCode(rawValue: "TEST"), executed: executed, "for a test")
    }

    @Test("An accepted task is attempted at once, and a success ends it")
    func succeeds() throws {
        var scene = try Scene()
        #expect(scene.words == ["attempt"])
        #expect(scene.table["t"]?.state == .running)
        scene.end(nil)
        #expect(scene.words == ["succeeded"])
        #expect(scene.table.count == 0)
    }

    @Test("What no handler saw waits without using up an attempt", arguments: [404, 503, 429])
    func unseen(_ status: Int) throws {
        var scene = try Scene { $0.attemptsMax = 1 }
        for wait in [1, 2, 4, 8] as [UInt64] {
            scene.end(Self.failure(status, .none))
            #expect(scene.words.isEmpty)
            #expect(scene.table["t"]?.attempts == 0)
            #expect(scene.table.nextAttempt == scene.now + wait * Self.second)
            scene.proceed()
            #expect(scene.words == ["attempt"])
        }
    }

    @Test("A time to wait that the failure names replaces a shorter backoff")
    func retryAfter() throws {
        for (named, waited) in [(5_000, 5), (100, 1), (-7, 1), (Int.max, 86_400)] as [(Int, UInt64)] {
            var scene = try Scene { $0.ageMaxNanoseconds = .max }
            var failure = Self.failure(429, .none)
            failure.retryAfterMilliseconds = named
            scene.end(failure)
            #expect(scene.table.nextAttempt == scene.now + waited * Self.second)
        }
    }

    @Test(
        "What may have run uses an attempt, with backoff, and the last one is the end",
        arguments: [(408, .maybe), (500, .yes), (502, .maybe), (499, .maybe), (503, .yes), (429, .yes), (404, .yes)]
            as [(Int, Executed)])
    func used(_ status: Int, _ executed: Executed) throws {
        var scene = try Scene { $0.attemptsMax = 3 }
        for wait in [1, 2] as [UInt64] {
            scene.end(Self.failure(status, executed))
            #expect(scene.table.nextAttempt == scene.now + wait * Self.second)
            scene.proceed()
            #expect(scene.words == ["attempt"])
        }
        scene.end(Self.failure(status, executed))
        #expect(scene.words == ["dead 3 \(status)"])
        #expect(scene.table.count == 0)
    }

    @Test("What can never succeed is dead at once", arguments: [400, 403, 409, 413, 415, 505, 508])
    func hopeless(_ status: Int) throws {
        var scene = try Scene()
        scene.end(Self.failure(status, .none))
        #expect(scene.words == ["dead 1 \(status)"])
    }

    @Test("A handler that says fc-retry: no is believed, whatever the status", arguments: [500, 503, 408])
    func permanent(_ status: Int) throws {
        var scene = try Scene()
        scene.end(Self.failure(status, status == 503 ? .none : .yes), isPermanent: true)
        #expect(scene.words == ["dead 1 \(status)"])
        scene = try Scene()
        var failure = Self.failure(status, .yes)
        failure.isPermanent = true
        scene.end(failure)
        #expect(scene.words == ["dead 1 \(status)"])
    }

    @Test("At its greatest age a task is dead, and not before")
    func tooOld() throws {
        var scene = try Scene { $0.ageMaxNanoseconds = 5 * Self.second }
        let start = scene.now
        for _ in 0..<3 {
            scene.end(Self.failure(503, .none))
            scene.proceed()
        }
        #expect(scene.now == start + 5 * Self.second)
        #expect(scene.words == ["dead 0 408"])
        #expect(scene.table.nextAttempt == nil)
    }

    @Test("A task waits until it may begin, and no longer than its age")
    func notBefore() throws {
        var scene = try Scene { $0.notBeforeNanoseconds = 3 * Self.second }
        #expect(scene.words.isEmpty)
        #expect(scene.table.nextAttempt == scene.now + 3 * Self.second)
        scene.proceed()
        #expect(scene.words == ["attempt"])
        scene = try Scene {
            $0.notBeforeNanoseconds = 30 * Self.second
            $0.ageMaxNanoseconds = 2 * Self.second
        }
        let start = scene.now
        scene.proceed()
        #expect(scene.now == start + 2 * Self.second)
        #expect(scene.words == ["dead 0 408"])
    }

    @Test("Terms without end do no harm")
    func extremes() throws {
        var scene = try Scene {
            $0.ageMaxNanoseconds = .max
            $0.notBeforeNanoseconds = .max
        }
        #expect(scene.words.isEmpty)
        scene = try Scene {
            $0.ageMaxNanoseconds = .max
            $0.attemptsMax = -3
        }
        scene.end(Self.failure(500, .yes))
        #expect(scene.words == ["dead 1 500"])
    }

    @Test("An outcome that comes twice, or for no task, changes nothing")
    func twice() throws {
        var scene = try Scene()
        scene.end(Self.failure(500, .yes))
        let next = scene.table.nextAttempt
        scene.end(Self.failure(500, .yes))
        scene.table.attemptEnded("none", nil, now: scene.now, effects: &scene.effects)
        #expect(scene.words.isEmpty)
        #expect(scene.table.nextAttempt == next)
        #expect(scene.table["t"]?.attempts == 1)
    }

    @Test("Beyond its bound the table takes no more: 507")
    func full() throws {
        var table = TaskTable(countMax: 2)
        let name = try FunctionName(parsing: "demo/echo")
        for id in ["a", "b"] { #expect(table.accept(id, name, Note(id), terms: TaskTable.Terms(), now: 0) == nil) }
        let failure = table.accept("c", name, Note("c"), terms: TaskTable.Terms(), now: 0)
        #expect(failure?.status == .storeFull)
        #expect(table.count == 2)
    }

    @Test("Tasks are attempted in the order in which they are due")
    func order() throws {
        var table = TaskTable()
        var effects: [TaskTable.Effect] = []
        let name = try FunctionName(parsing: "demo/echo")
        for delay in [5, 1, 4, 2, 3] as [UInt64] {
            var terms = TaskTable.Terms()
            terms.notBeforeNanoseconds = delay
            _ = table.accept("\(delay)", name, Note("\(delay)"), terms: terms, now: 0)
        }
        table.advance(to: 4, effects: &effects)
        let attempted = effects.compactMap { if case .attempt(let task) = $0 { task.identifier } else { nil } }
        #expect(attempted == ["1", "2", "3", "4"])
        #expect(table.nextAttempt == 5)
    }
}

@Suite("Backoff")
struct BackoffTests {
    @Test("The wait doubles up to its bound")
    func doubles() {
        var backoff = Backoff()
        backoff.jitter = 0
        let waits = (1...8).map { backoff.nanoseconds(afterAttempt: $0, of: "t") / 1_000_000 }
        #expect(waits == [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
    }

    @Test("The spread is a fifth either way, differs between tasks and is the same again")
    func jitter() {
        let backoff = Backoff()
        let waits = (0..<500).map { backoff.nanoseconds(afterAttempt: 1, of: "task \($0)") }
        #expect(waits.allSatisfy { (800_000_000...1_200_000_000).contains($0) })
        #expect(Set(waits).count > 200)
        #expect((waits.max() ?? 0) > 1_150_000_000 && (waits.min() ?? 0) < 850_000_000)
        #expect(backoff.nanoseconds(afterAttempt: 1, of: "task 7") == waits[7])
    }

    @Test(
        "The text form is read part by part; what is unreadable keeps its default",
        arguments: [
            ("", 1_000, 60_000, 0.2), ("base=50;max=200;jitter=0.5", 50, 200, 0.5), ("max=10", 1_000, 10, 0.2),
            ("base=-1;max=x;jitter=much", 1_000, 60_000, 0.2), ("jitter=7", 1_000, 60_000, 1),
            ("jitter=-1", 1_000, 60_000, 0), ("jitter=nan", 1_000, 60_000, 0), ("other=1;;base", 1_000, 60_000, 0.2),
        ] as [(String, UInt64, UInt64, Double)])
    func parsing(_ text: String, _ base: UInt64, _ maximum: UInt64, _ jitter: Double) {
        let backoff = Backoff(parsing: text)
        #expect(backoff.baseMilliseconds == base)
        #expect(backoff.maximumMilliseconds == maximum)
        #expect(backoff.jitter == jitter)
    }

    @Test(
        "However it is spelled, a wait is between a tenth of a second and two days",
        arguments: [
            "base=0", "max=0", "base=0;max=0;jitter=1", "base=18446744073709551615;max=18446744073709551615;jitter=1",
            "base=1;max=18446744073709551615", "jitter=inf",
        ])
    func bounds(_ text: String) {
        let backoff = Backoff(parsing: text)
        for attempt in [-1, 0, 1, 2, 30, 64, 1_000_000, .max] {
            let wait = backoff.nanoseconds(afterAttempt: attempt, of: "t")
            #expect((100_000_000...172_800_000_000_000).contains(wait))
        }
    }
}
