package import BusContract
private import DequeModule
private import HeapModule

/// Asynchronous calls that were accepted: each is attempted until it succeeds, dies or expires.
///
/// | state      | is                                   | becomes                                            |
/// |------------|--------------------------------------|----------------------------------------------------|
/// | `accepted` | waits for the store's commit         | `waiting`                                          |
/// | `waiting`  | due for an attempt at `nextAttempt`, | `running`, `expired`                               |
/// |            | or waits for its turn in its lane    |                                                    |
/// | `running`  | a call of the call table             | succeeded, `waiting` again, `dead`                 |
///
/// A finished task leaves the table with its last effect. An attempt that no handler saw (404, 503, 429) costs nothing
/// but time; one that failed costs one of `attemptsMax`; one that can never succeed ends the task. The tasks of a
/// function share a `TaskLane`: so many run at a time, the others wait for their turn.
package struct TaskTable: Sendable {
    package typealias Message = any CallMessage

    package enum State: Sendable {
        case accepted, waiting, running, dead, expired
    }

    package struct Task: Sendable {
        package let identifier: String
        package let function: FunctionName
        package let message: Message
        package var state = State.waiting
        package var attempts = 0
        package let attemptsMax: Int
        package let backoff: Backoff
        package let byteCount: Int
        package let isStored: Bool
        package var expiresAt: UInt64
        /// Tries without an instance, for a backoff of their own.
        package var unseenTries = 0
        package var nextAttempt: UInt64
        /// It waits for its turn in its lane, not for a time.
        var isReady = false

        package init(_ identifier: String, _ function: FunctionName, _ message: Message, terms: Terms, now: UInt64) {
            self.identifier = identifier
            self.function = function
            self.message = message
            self.state = terms.isStored ? .accepted : .waiting
            self.attemptsMax = max(1, terms.attemptsMax)
            self.backoff = terms.backoff
            self.byteCount = terms.byteCount
            self.isStored = terms.isStored
            // Adding saturates wherever a client's word is added.
            self.expiresAt = now.saturatingAdd(terms.ageMaxNanoseconds)
            self.nextAttempt = min(now.saturatingAdd(terms.notBeforeNanoseconds), self.expiresAt)
        }
    }

    package enum Effect: Sendable {
        /// Make an ordinary call of it.
        case attempt(Task)
        case succeeded(Task)
        /// Publish the dead letter.
        case dead(Task, Failure)
    }

    private struct Due: Comparable, Sendable {
        enum Subject: Sendable {
            case task(String)
            case lane(FunctionName)
        }

        var at: UInt64
        /// Among those of one time the first to come is the first to go.
        var number: UInt64
        var subject: Subject

        static func < (left: Due, right: Due) -> Bool { (left.at, left.number) < (right.at, right.number) }
        static func == (left: Due, right: Due) -> Bool { left.number == right.number }
    }

    private var tasks: [String: Task] = [:]
    private var lanes: [FunctionName: TaskLane] = [:]
    private var due = Heap<Due>()
    private var dueCount: UInt64 = 0
    /// Beyond either no task is accepted; may change at any time.
    package var countMax: Int
    package var bytesMax: Int
    package private(set) var byteCount = 0

    package init(countMax: Int = 1_000_000, bytesMax: Int = 4 << 30) {
        self.countMax = countMax
        self.bytesMax = bytesMax
    }

    package var count: Int { self.tasks.count }
    package var nextAttempt: UInt64? { self.due.min?.at }
    package subscript(identifier: String) -> Task? { self.tasks[identifier] }

    /// What a one-way call may say about its attempts, and how the platform takes it.
    package struct Terms: Sendable, Equatable {
        package var attemptsMax = 3
        package var backoff = Backoff()
        package var notBeforeNanoseconds: UInt64 = 0
        /// 24 hours.
        package var ageMaxNanoseconds: UInt64 = 24 * 3_600_000_000_000
        /// It is attempted once `release` says that the store holds it.
        package var isStored = false
        package var byteCount = 0

        package init() {}
    }

    /// Accepts a task, or says why not.
    package mutating func accept(
        _ identifier: String, _ function: FunctionName, _ message: Message, terms: Terms, now: UInt64
    ) -> Failure? {
        guard self.tasks.count < self.countMax else { return .storeFull(limit: self.countMax) }
        guard terms.byteCount <= self.bytesMax - self.byteCount else {
            return Failure(
                .storeFull, .storeFull, executed: .none,
                "one-way calls hold \(self.byteCount) of \(self.bytesMax) bytes: try again when some have ended")
        }
        self.insert(Task(identifier, function, message, terms: terms, now: now))
        return nil
    }

    /// Takes a task that was accepted once, whatever the limits are now.
    package mutating func restore(_ task: Task) {
        self.insert(task)
    }

    private mutating func insert(_ task: Task) {
        self.tasks[task.identifier] = task
        self.byteCount += task.byteCount
        if task.state == .waiting { self.schedule(.task(task.identifier), at: task.nextAttempt) }
    }

    private mutating func schedule(_ subject: Due.Subject, at time: UInt64) {
        self.dueCount += 1
        self.due.insert(Due(at: time, number: self.dueCount, subject: subject))
    }

    /// The store holds a task: it may run.
    package mutating func release(_ identifier: String) {
        guard var task = self.tasks[identifier], task.state == .accepted else { return }
        task.state = .waiting
        self.tasks[identifier] = task
        self.schedule(.task(task.identifier), at: task.nextAttempt)
    }

    // MARK: Attempts

    package mutating func advance(to now: UInt64, effects: inout [Effect]) {
        var touched: [FunctionName] = []
        while let next = self.due.min, next.at <= now {
            _ = self.due.popMin()
            switch next.subject {
            case .lane(let function): touched.append(function)
            case .task(let identifier):
                guard let task = self.tasks[identifier], task.state == .waiting, !task.isReady,
                    task.nextAttempt <= now
                else { continue }
                if self.makeReady(task) { touched.append(task.function) }
            }
        }
        for function in touched { self.fill(function, now: now, effects: &effects) }
    }

    /// An instance of the function came: what has waited for one need not wait any longer.
    package mutating func wake(_ function: FunctionName, now: UInt64, effects: inout [Effect]) {
        guard var lane = self.lanes[function] else { return }
        let unseen = lane.unseen
        lane.unseen = []
        lane.pausedUntil = 0
        self.lanes[function] = lane
        let waiting = unseen.compactMap { self.tasks[$0] }.filter { $0.state == .waiting && !$0.isReady }
        for task in waiting.sorted(by: { $0.nextAttempt < $1.nextAttempt }) { _ = self.makeReady(task) }
        self.fill(function, now: now, effects: &effects)
    }

    /// Puts a task behind the others of its lane; whether it is the first one there.
    private mutating func makeReady(_ task: Task) -> Bool {
        self.tasks[task.identifier]?.isReady = true
        self.lanes[task.function, default: TaskLane()].unseen.remove(task.identifier)
        self.lanes[task.function, default: TaskLane()].ready.append(task.identifier)
        return self.lanes[task.function]?.ready.count == 1
    }

    /// Begins attempts as long as the lane has room. A task past its age is noticed when its turn comes.
    private mutating func fill(_ function: FunctionName, now: UInt64, effects: inout [Effect]) {
        guard var lane = self.lanes[function] else { return }
        while lane.hasRoom(now: now), let identifier = lane.ready.popFirst() {
            guard var task = self.tasks[identifier], task.isReady else { continue }
            task.isReady = false
            guard task.expiresAt > now else {
                task.state = .expired
                self.remove(task)
                effects.append(.dead(task, Self.tooOld(task)))
                continue
            }
            task.state = .running
            lane.running += 1
            self.tasks[identifier] = task
            effects.append(.attempt(task))
        }
        if lane.pausedUntil > now, lane.pausedUntil != lane.resumesAt, !lane.ready.isEmpty {
            lane.resumesAt = lane.pausedUntil
            self.schedule(.lane(function), at: lane.pausedUntil)
        }
        self.lanes[function] = lane.isIdle ? nil : lane
    }

    /// An attempt has ended; `nil` means well.
    ///
    /// - Parameter isPermanent: the handler said that no other attempt can succeed.
    package mutating func attemptEnded(
        _ identifier: String, _ failure: Failure?, isPermanent: Bool = false, now: UInt64, effects: inout [Effect]
    ) {
        guard var task = self.tasks[identifier], task.state == .running else { return }
        self.end(&task, failure, isPermanent: isPermanent, now: now, effects: &effects)
        self.leave(task, failure, now: now)
        self.fill(task.function, now: now, effects: &effects)
    }

    /// What the end of an attempt is to its lane.
    private mutating func leave(_ task: Task, _ failure: Failure?, now: UInt64) {
        guard var lane = self.lanes[task.function] else { return }
        lane.running -= 1
        if let failure, task.state == .waiting, Self.consequence(of: failure) == .waits {
            if failure.status == .overloaded {
                lane.wasFull()
            } else {
                lane.pausedUntil = max(lane.pausedUntil, task.nextAttempt)
                lane.unseen.insert(task.identifier)
            }
        } else if failure == nil {
            lane.succeeded()
        }
        self.lanes[task.function] = lane
    }

    private mutating func end(
        _ task: inout Task, _ failure: Failure?, isPermanent: Bool, now: UInt64, effects: inout [Effect]
    ) {
        guard let failure else {
            self.remove(task)
            effects.append(.succeeded(task))
            return
        }
        var wait: UInt64
        switch Self.consequence(of: failure) {
        case .waits where !isPermanent && !failure.isPermanent:
            task.unseenTries += 1
            wait = task.backoff.nanoseconds(afterAttempt: task.unseenTries, of: task.identifier)
            if let delay = failure.retryAfterMilliseconds {
                wait = max(wait, UInt64(min(max(0, delay), 86_400_000)) * 1_000_000)
            }
        case .costsAttempt where !isPermanent && !failure.isPermanent && task.attempts + 1 < task.attemptsMax:
            task.attempts += 1
            wait = task.backoff.nanoseconds(afterAttempt: task.attempts, of: task.identifier)
        case .waits, .costsAttempt, .ends:
            task.attempts += 1
            task.state = .dead
            self.remove(task)
            effects.append(.dead(task, failure))
            return
        }
        task.state = .waiting
        task.nextAttempt = min(now.saturatingAdd(wait), task.expiresAt)
        self.tasks[task.identifier] = task
        self.schedule(.task(task.identifier), at: task.nextAttempt)
    }

    /// Takes a task out, whatever it does; `nil` when it is not known.
    package mutating func cancel(_ identifier: String) -> Task? {
        guard let task = self.tasks[identifier] else { return nil }
        self.remove(task)
        self.lanes[task.function]?.unseen.remove(identifier)
        if task.state == .running {
            self.lanes[task.function]?.running -= 1
            // Its place is for the next one.
            self.schedule(.lane(task.function), at: 0)
        }
        return task
    }

    private mutating func remove(_ task: Task) {
        self.tasks[task.identifier] = nil
        self.byteCount -= task.byteCount
    }

    private enum Consequence {
        case waits, costsAttempt, ends
    }

    private static func consequence(of failure: Failure) -> Consequence {
        switch failure.status {
        case .noFunction, .unavailable, .overloaded:
            // A handler that ran and says so itself has used the attempt.
            failure.executed == .none ? .waits : .costsAttempt
        case .deadline, .failed, .instanceLost, .cancelled: .costsAttempt
        default: .ends
        }
    }

    private static func tooOld(_ task: Task) -> Failure {
        Failure(
            .deadline, .deadline, executed: task.attempts > 0 ? .maybe : .none,
            "the task of \(task.function) reached its greatest age before an attempt succeeded")
    }
}

extension UInt64 {
    fileprivate func saturatingAdd(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = self.addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
