package import BusContract
private import HeapModule

/// Asynchronous calls that were accepted: each is attempted until it succeeds, dies or expires.
///
/// | state      | is                                   | becomes                                            |
/// |------------|--------------------------------------|----------------------------------------------------|
/// | `waiting`  | due for an attempt at `nextAttempt`  | `running`, `expired`                               |
/// | `running`  | a call of the call table             | `succeeded`, `waiting` again, `dead`               |
///
/// A finished task leaves the table with its last effect. An attempt that no handler saw (404, 503, 429) costs nothing
/// but time; one that failed costs one of `attemptsMax`; one that can never succeed ends the task.
package struct TaskTable: Sendable {
    package typealias Message = any CallMessage

    package enum State: String, Sendable {
        case waiting, running
    }

    package struct Task: Sendable {
        package let identifier: String
        package let function: FunctionName
        package let message: Message
        package var state = State.waiting
        package var attempts = 0
        package let attemptsMax: Int
        package let backoff: Backoff
        package let expiresAt: UInt64
        /// Tries without an instance, for a backoff of their own.
        var unseenTries = 0
        var nextAttempt: UInt64
    }

    package enum Effect: Sendable {
        /// Make an ordinary call of it.
        case attempt(Task)
        case succeeded(Task)
        /// Publish the dead letter.
        case dead(Task, Failure)
    }

    private struct Due: Comparable, Sendable {
        var at: UInt64
        var identifier: String

        static func < (left: Due, right: Due) -> Bool { left.at < right.at }
    }

    private var tasks: [String: Task] = [:]
    private var due = Heap<Due>()
    private let countMax: Int

    package init(countMax: Int = 1_000_000) {
        self.countMax = countMax
    }

    package var count: Int { self.tasks.count }
    package var nextAttempt: UInt64? { self.due.min?.at }
    package subscript(identifier: String) -> Task? { self.tasks[identifier] }
    package func nextAttempt(of task: Task) -> UInt64 { task.nextAttempt }

    /// What a one-way call may say about its attempts.
    package struct Terms: Sendable, Equatable {
        package var attemptsMax = 3
        package var backoff = Backoff()
        package var notBeforeNanoseconds: UInt64 = 0
        /// 24 hours.
        package var ageMaxNanoseconds: UInt64 = 24 * 3_600_000_000_000

        package init() {}
    }

    /// Accepts a task, or says why not.
    package mutating func accept(
        _ identifier: String, _ function: FunctionName, _ message: Message, terms: Terms, now: UInt64
    ) -> Failure? {
        guard self.tasks.count < self.countMax else { return .storeFull(limit: self.countMax) }
        // Adding saturates wherever a client's word is added.
        let expiresAt = now.saturatingAdd(terms.ageMaxNanoseconds)
        let first = min(now.saturatingAdd(terms.notBeforeNanoseconds), expiresAt)
        self.tasks[identifier] = Task(
            identifier: identifier, function: function, message: message, attemptsMax: max(1, terms.attemptsMax),
            backoff: terms.backoff, expiresAt: expiresAt, nextAttempt: first)
        self.due.insert(Due(at: first, identifier: identifier))
        return nil
    }

    package mutating func advance(to now: UInt64, effects: inout [Effect]) {
        while let next = self.due.min, next.at <= now {
            _ = self.due.popMin()
            guard var task = self.tasks[next.identifier], task.state == .waiting, task.nextAttempt <= now else {
                continue
            }
            guard task.expiresAt > now else {
                self.tasks[next.identifier] = nil
                effects.append(.dead(task, Self.tooOld(task)))
                continue
            }
            task.state = .running
            self.tasks[next.identifier] = task
            effects.append(.attempt(task))
        }
    }

    /// An attempt has ended; `nil` means well.
    ///
    /// - Parameter isPermanent: the handler said that no other attempt can succeed.
    package mutating func attemptEnded(
        _ identifier: String, _ failure: Failure?, isPermanent: Bool = false, now: UInt64, effects: inout [Effect]
    ) {
        guard var task = self.tasks[identifier], task.state == .running else { return }
        guard let failure else {
            self.tasks[identifier] = nil
            effects.append(.succeeded(task))
            return
        }
        var wait: UInt64
        switch Self.consequence(of: failure) {
        case .waits where !isPermanent && !failure.isPermanent:
            task.unseenTries += 1
            wait = task.backoff.nanoseconds(afterAttempt: task.unseenTries, of: identifier)
            if let delay = failure.retryAfterMilliseconds {
                wait = max(wait, UInt64(min(max(0, delay), 86_400_000)) * 1_000_000)
            }
        case .costsAttempt where !isPermanent && !failure.isPermanent && task.attempts + 1 < task.attemptsMax:
            task.attempts += 1
            wait = task.backoff.nanoseconds(afterAttempt: task.attempts, of: identifier)
        case .waits, .costsAttempt, .ends:
            task.attempts += 1
            self.tasks[identifier] = nil
            effects.append(.dead(task, failure))
            return
        }
        task.state = .waiting
        task.nextAttempt = min(now.saturatingAdd(wait), task.expiresAt)
        self.tasks[identifier] = task
        self.due.insert(Due(at: task.nextAttempt, identifier: identifier))
    }

    /// Takes a task out, whatever it does; `nil` when it is not known.
    package mutating func cancel(_ identifier: String) -> Task? { self.tasks.removeValue(forKey: identifier) }

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

/// How long to wait between attempts: doubled each time, up to a bound, and spread by a fifth so that tasks that failed
/// together do not come back together.
package struct Backoff: Sendable, Equatable {
    package var baseMilliseconds: UInt64 = 1000
    package var maximumMilliseconds: UInt64 = 60_000
    package var jitter = 0.2

    /// However a client spells it, no task comes back sooner (a tenth of a second) or later (a day).
    private static let shortestMilliseconds: UInt64 = 100
    private static let longestMilliseconds: UInt64 = 86_400_000

    package init() {}

    /// Reads `base=1000;max=60000;jitter=0.2`; parts that are missing or unreadable keep their defaults.
    package init(parsing text: String) {
        for part in text.split(separator: ";") {
            let pair = part.split(separator: "=", maxSplits: 1)
            guard pair.count == 2 else { continue }
            switch pair[0] {
            case "base": self.baseMilliseconds = UInt64(pair[1]) ?? self.baseMilliseconds
            case "max": self.maximumMilliseconds = UInt64(pair[1]) ?? self.maximumMilliseconds
            case "jitter": self.jitter = Double(pair[1]).map { min(1, max(0, $0)) } ?? self.jitter
            default: break
            }
        }
    }

    /// The spread comes from a hash of the task and the attempt, so that a replay waits as long as the original.
    func nanoseconds(afterAttempt attempt: Int, of identifier: String) -> UInt64 {
        let doublings = min(20, max(0, attempt - 1))
        let (product, overflow) = self.baseMilliseconds.multipliedReportingOverflow(by: 1 << UInt64(doublings))
        let milliseconds = min(overflow ? .max : product, self.maximumMilliseconds, Self.longestMilliseconds)
        var hash = StableHash()
        hash.combine(identifier)
        hash.combine(UInt32(truncatingIfNeeded: attempt))
        let spread = 1 + self.jitter * (Double(hash.value % 2001) / 1000 - 1)
        let wait = UInt64(Double(milliseconds) * 1_000_000 * spread)
        return max(wait, Self.shortestMilliseconds * 1_000_000)
    }
}

extension UInt64 {
    fileprivate func saturatingAdd(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = self.addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
