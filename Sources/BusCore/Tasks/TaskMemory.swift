import BusCalls
import BusContract
import BusSession

/// What a task is doing, or how it ended; the numbers are those in the store.
enum TaskPhase: UInt8, Sendable {
    case accepted, waiting, running, retrying, succeeded, dead, expired, cancelled

    init(_ task: TaskTable.Task) {
        switch task.state {
        case .accepted: self = .accepted
        case .waiting: self = task.attempts > 0 ? .retrying : .waiting
        case .running: self = .running
        case .dead: self = .dead
        case .expired: self = .expired
        }
    }

    var word: String { "\(self)" }
}

/// By what a one-way call that is sent again is known.
struct TaskOrigin: Hashable, Sendable {
    var client: String
    var correlation: Correlation
    var digest: UInt64
    var acceptedAt: Timestamp

    struct Key: Hashable, Sendable {
        var client: String
        var correlation: Correlation
    }

    var key: Key { Key(client: self.client, correlation: self.correlation) }
}

/// A task that needs nothing more.
struct EndedTask: Sendable {
    var function: FunctionName
    var phase: TaskPhase
    var attempts: Int
    var endedAt: Timestamp
    var isStored: Bool
}

/// Tasks that have ended, and those that were accepted lately: asking and sending again find them for ten minutes.
struct TaskMemory: Sendable {
    private static let seconds: UInt64 = 600
    private static let countMax = 100_000

    private var origins = ExpiringTable<TaskOrigin>(countMax: TaskMemory.countMax)
    private var tasks: [TaskOrigin.Key: String] = [:]
    private var ended = ExpiringTable<EndedTask>(countMax: TaskMemory.countMax)

    var next: Timestamp? {
        switch (self.origins.next, self.ended.next) {
        case (let origin?, let ended?): min(origin, ended)
        case (let origin, let ended): origin ?? ended
        }
    }

    func origin(of task: String) -> TaskOrigin? { self.origins[task] }
    func ended(_ task: String) -> EndedTask? { self.ended[task] }

    /// The task that a call accepted before has become.
    func task(of key: TaskOrigin.Key) -> (identifier: String, origin: TaskOrigin)? {
        guard let identifier = self.tasks[key], let origin = self.origins[identifier] else { return nil }
        return (identifier, origin)
    }

    mutating func accepted(_ origin: TaskOrigin, as task: String) {
        self.tasks[origin.key] = task
        let removed = self.origins.insert(origin, as: task, until: origin.acceptedAt.adding(seconds: Self.seconds))
        for (name, origin) in removed { self.forget(origin, name) }
    }

    private mutating func forget(_ origin: TaskOrigin, _ task: String) {
        if self.tasks[origin.key] == task { self.tasks[origin.key] = nil }
    }

    /// Returns the tasks that the store is to forget.
    mutating func add(_ task: EndedTask, as identifier: String) -> [String] {
        let removed = self.ended.insert(task, as: identifier, until: task.endedAt.adding(seconds: Self.seconds))
        return removed.filter(\.value.isStored).map(\.name)
    }

    /// Forgets what is old; returns the tasks that the store is to forget.
    mutating func advance(to now: Timestamp) -> [String] {
        while let (task, origin) = self.origins.popDue(at: now) { self.forget(origin, task) }
        var removed: [String] = []
        while let (task, ended) = self.ended.popDue(at: now) {
            if ended.isStored { removed.append(task) }
        }
        return removed
    }
}
