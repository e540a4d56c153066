import BusContract
import Synchronization

/// One function that is served: its machine behind a lock, and the tasks of its handlers.
final class Service: Sendable {
    private struct State {
        var machine: ServiceMachine
        var tasks: [UInt64: Task<Void, Never>] = [:]
        /// When the sweep that answers overdue calls is set to run.
        var sweepAt: ContinuousClock.Instant?
        var sweep: Task<Void, Never>?
        var idle: Race<Void>?
    }

    let function: FunctionHandler
    /// Everything that one `serve` serves.
    let group: ServingGroup
    private let state: Mutex<State>

    init(_ function: FunctionHandler, _ group: ServingGroup) {
        self.function = function
        self.group = group
        self.state = Mutex(State(machine: ServiceMachine(function.name.contract, function.options)))
    }

    var name: BusContract.FunctionName { self.function.name.contract }
    var isDraining: Bool { self.state.withLock { $0.machine.isDraining } }

    func admit(_ arrival: ServiceMachine.Arrival) -> ServiceMachine.Admission {
        self.state.withLock { $0.machine.admit(arrival, now: .now) }
    }

    /// Names the task that a cancellation ends, unless it has ended already.
    ///
    /// - Returns: when the sweep has to run, where that is earlier than it does.
    func started(_ number: UInt64, _ task: Task<Void, Never>) -> ContinuousClock.Instant? {
        self.state.withLock { state in
            guard let limit = state.machine.running[number]?.limit else { return nil }
            state.tasks[number] = task
            if let current = state.sweepAt, current <= limit { return nil }
            return limit
        }
    }

    /// - Parameter onOverdue: called when calls have to be answered without their handlers.
    func arm(for limit: ContinuousClock.Instant, onOverdue: @escaping @Sendable () -> Void) {
        self.state.withLock { Self.arm(&$0, for: limit, onOverdue) }
    }

    /// One sleeping task for all calls of the function.
    private static func arm(
        _ state: inout State, for limit: ContinuousClock.Instant, _ onOverdue: @escaping @Sendable () -> Void
    ) {
        if let current = state.sweepAt, current <= limit { return }
        state.sweep?.cancel()
        state.sweepAt = limit
        state.sweep = Task {
            // A cancelled sleep means that an earlier sweep has taken over.
            guard (try? await Task.sleep(until: limit, clock: .continuous)) != nil else { return }
            onOverdue()
        }
    }

    /// What is overdue now; its handlers are cancelled.
    func takeOverdue(
        onOverdue: @escaping @Sendable () -> Void
    ) -> [(arrival: ServiceMachine.Arrival, failure: Failure)] {
        let (overdue, tasks) = self.state.withLock { state in
            let overdue = state.machine.overdue(at: .now)
            state.sweepAt = nil
            if let next = state.machine.nextLimit { Self.arm(&state, for: next, onOverdue) }
            return (overdue, overdue.compactMap { state.tasks[$0.number] })
        }
        for task in tasks { task.cancel() }
        return overdue.map { ($0.arrival, $0.failure) }
    }

    /// Whether the call may be answered: once, by whoever asks first.
    func mayAnswer(_ number: UInt64) -> Bool {
        self.state.withLock { $0.machine.answer(number) != nil }
    }

    func answered(_ arrival: ServiceMachine.Arrival, with answer: ApplicationMessage, _ failure: Failure?) {
        self.state.withLock { $0.machine.answered(arrival, with: answer, failure, now: .now) }
    }

    func ended(_ number: UInt64) -> ServiceMachine.Succession {
        let (succession, idle) = self.state.withLock { state in
            state.tasks.removeValue(forKey: number)
            let succession = state.machine.ended(number, now: .now)
            return (succession, succession.isIdle ? state.idle : nil)
        }
        idle?.finish(())
        return succession
    }

    /// The caller has given up.
    func cancel(_ key: CallKey) -> ServiceMachine.Arrival? {
        let (waiting, task) = self.state.withLock { state -> (ServiceMachine.Arrival?, Task<Void, Never>?) in
            switch state.machine.cancel(key) {
            case .waiting(let arrival): (arrival, nil)
            case .running(let number): (nil, state.tasks[number])
            case .unknown: (nil, nil)
            }
        }
        task?.cancel()
        return waiting
    }

    // MARK: Draining

    /// Refuses everything new from now on.
    func drain() {
        self.state.withLock { $0.machine.drain() }
    }

    /// Waits until nothing runs or waits any more, at most so long.
    func waitUntilIdle(atMost timeout: Duration) async {
        let race = Race<Void>()
        let isIdle = self.state.withLock { state in
            state.idle = race
            return state.machine.isIdle
        }
        if isIdle { return }
        let timer = Task {
            // Cancelled when it has become idle.
            guard (try? await Task.sleep(for: timeout)) != nil else { return }
            race.finish(())
        }
        await race.result()
        timer.cancel()
    }

    /// Cancels what still runs, and returns everything that has to be answered without its handler.
    func abandon() -> (running: [ServiceMachine.Arrival], waiting: [ServiceMachine.Arrival]) {
        let (left, tasks) = self.state.withLock { state in
            state.sweep?.cancel()
            return (state.machine.abandon(), Array(state.tasks.values))
        }
        for task in tasks { task.cancel() }
        return (left.running.map(\.arrival), left.waiting)
    }

    /// For operators.
    var statistics: JSONText {
        self.state.withLock { state in
            let counts = state.machine.counts
            return .object([
                ("running", .integer(state.machine.running.count)), ("waiting", .integer(state.machine.queue.count)),
                ("answered", .integer(counts.answered)), ("failed", .integer(counts.failed)),
                ("refused", .integer(counts.refused)), ("replayed", .integer(counts.replayed)),
                ("meanMs", .double(counts.meanService / .milliseconds(1))),
            ])
        }
    }
}

/// The functions of one `serve`: it ends when its task is cancelled, or when an operator has drained them all.
final class ServingGroup: Sendable {
    private let end = Race<Void>()
    private let left: Mutex<Set<BusContract.FunctionName>>

    init(_ names: [BusContract.FunctionName]) {
        self.left = Mutex(Set(names))
    }

    /// An operator wants no more calls of this function to begin here.
    func drain(_ name: BusContract.FunctionName) {
        let isLast = self.left.withLock { left in
            left.remove(name)
            return left.isEmpty
        }
        if isLast { self.end.finish(()) }
    }

    func untilDrained() async {
        await withTaskCancellationHandler {
            await self.end.result()
        } onCancel: {
            self.end.finish(())
        }
    }
}
