/// The workers of one function and the calls that wait for them: decides, and does nothing itself.
///
/// | worker   | on                                  | becomes                                          |
/// |----------|-------------------------------------|--------------------------------------------------|
/// | –        | call without a free slot, or `min`  | starting                                         |
/// | starting | ready                               | ready, takes waiting calls                       |
/// | starting | load failure, exit, start timeout   | gone; waiting calls get the reason; back-off     |
/// | ready    | a call exceeds the function timeout | condemned: no new calls, killed when its rest ended |
/// | ready    | idle for `idle`, more than `min`    | stopping: asked to leave, killed after the grace |
/// | any      | exit                                | gone; its calls end as lost                      |
///
/// A start may be refused because the host as a whole has enough workers; then calls wait until there is room.
/// A call whose caller gave up has a short grace in the handler; a worker that ignores it is condemned like one that
/// exceeds the timeout.
///
/// Invariants: a worker holds at most `concurrency` calls; a call is waiting, or on one worker, or unknown; at most
/// `workersMax` workers live at a time, the ones that are leaving included.
struct WorkerPool: Sendable {
    /// Time since the function was loaded; the machine never reads a clock.
    typealias Moment = Duration

    struct Limits: Sendable {
        var workersMin: Int
        /// Workers that are kept ready without any call, beyond those that are busy.
        var workersSpare = 0
        var workersMax: Int
        var concurrency: Int
        /// Calls that may wait for a worker.
        var waitingMax: Int
        /// Limit of one call in the handler.
        var timeout: Duration
        var idle: Duration
        /// From the start of a process until it must be ready.
        var start = Duration.seconds(30)
        /// From the request to leave until the kill.
        var grace = Duration.seconds(2)
        /// What a handler has left once nobody waits for it.
        var cancelGrace = Duration.seconds(2)
        /// Functions that run all the time may still be loading for ever: their top-level code is their work.
        var isContinuous: Bool
    }

    enum Effect: Equatable, Sendable {
        case start(worker: Int)
        /// Hand the call to the worker; `timeout` is what the handler has at most.
        case dispatch(call: UInt64, worker: Int, timeout: Duration)
        /// The caller no longer waits; the handler may notice.
        case cancel(call: UInt64, worker: Int)
        case fail(call: UInt64, CallFailure)
        case stop(worker: Int)
        case kill(worker: Int)
    }

    enum Phase: Equatable, Sendable {
        case starting(until: Moment)
        case ready
        /// Killed as soon as only overdue calls are left.
        case condemned
        case stopping(killAt: Moment)
        case killed
    }

    struct Worker: Sendable {
        let identifier: Int
        var phase: Phase
        var calls: [UInt64] = []
        var since: Moment
        var idleSince: Moment
        var hasAnswered = false
    }

    /// Who a call is, and the calls that wait for it: what finds calls that wait for themselves.
    struct Lineage: Sendable {
        /// Empty when the call cannot be told from others.
        var identity = ""
        var ancestors: Set<String> = []
    }

    struct Waiting: Sendable {
        let call: UInt64
        /// The caller's deadline, if it has one.
        let deadline: Moment?
        let lineage: Lineage
    }

    struct Running: Sendable {
        let worker: Int
        /// When the function's own timeout ends, or the grace of a handler that nobody waits for.
        var limit: Moment
        let deadline: Moment?
        let identity: String
        /// True once the caller has its answer: the slot stays taken until the handler is done.
        var isAnswered = false
    }

    let function: FunctionAddress
    let limits: Limits
    var workers: [Worker] = []
    var waiting: [Waiting] = []
    var running: [UInt64: Running] = [:]
    var backoff = RestartBackoff()
    var isDraining = false
    /// The host has enough workers for now.
    private(set) var isStartBlocked = false
    var nextWorker = 1

    init(_ function: FunctionAddress, _ limits: Limits) {
        self.function = function
        self.limits = limits
    }

    // MARK: Inputs

    /// A call came.
    mutating func admit(
        _ call: UInt64, deadline: Moment?, lineage: Lineage = Lineage(), now: Moment
    ) -> [Effect] {
        if self.isDraining { return [.fail(call: call, .draining(self.function))] }
        guard self.waiting.count < self.limits.waitingMax else {
            return [.fail(call: call, .overloaded(self.function, waiting: self.waiting.count))]
        }
        // Nobody is up and the last start failed a moment ago: say so at once, instead of once more trying.
        if let failure = self.backoff.failure, self.backoff.notBefore > now, !self.workers.contains(where: \.isUsable) {
            var told = failure
            told.retryAfter = self.backoff.notBefore - now
            return [.fail(call: call, told)]
        }
        self.waiting.append(Waiting(call: call, deadline: deadline, lineage: lineage))
        return self.settle(now) + self.breakLoop()
    }

    /// A worker has loaded its function.
    mutating func workerReady(_ worker: Int, now: Moment) -> [Effect] {
        // A late `ready` of a worker that is already condemned to leave is legal and changes nothing.
        guard let index = self.index(worker), case .starting = self.workers[index].phase else { return [] }
        self.workers[index].phase = .ready
        self.workers[index].idleSince = now
        return self.settle(now)
    }

    /// A handler returned or raised.
    /// - Returns: Whether the caller still waits for this outcome, and what to do.
    mutating func finished(_ call: UInt64, on worker: Int, now: Moment) -> (isAwaited: Bool, effects: [Effect]) {
        // Late: the worker was killed and its calls are already answered.
        guard let entry = self.running[call], entry.worker == worker, let index = self.index(worker) else {
            return (false, [])
        }
        self.running[call] = nil
        self.workers[index].calls.removeAll { $0 == call }
        self.workers[index].idleSince = now
        self.workers[index].hasAnswered = true
        self.backoff.reset()
        return (!entry.isAnswered, self.killCondemned() + self.settle(now))
    }

    /// A worker said why it cannot load its function; its exit follows.
    mutating func loadFailed(_ worker: Int, _ reason: String, now: Moment) -> [Effect] {
        guard let index = self.index(worker), case .starting = self.workers[index].phase else { return [] }
        self.workers[index].phase = .killed
        return [.kill(worker: worker)] + self.startFailed(.couldNotStart(self.function, reason), now)
    }

    /// A worker's process is gone.
    mutating func exited(_ worker: Int, _ reason: String, now: Moment) -> [Effect] {
        guard let index = self.index(worker) else { return [] }
        let gone = self.workers.remove(at: index)
        var effects: [Effect] = []
        for call in gone.calls {
            guard let entry = self.running.removeValue(forKey: call), !entry.isAnswered else { continue }
            effects.append(.fail(call: call, .workerLost(self.function, reason)))
        }
        switch gone.phase {
        case .starting:
            effects += self.startFailed(.couldNotStart(self.function, reason), now)
        case .ready where gone.calls.isEmpty && !gone.hasAnswered && now - gone.since < .seconds(10):
            // Came up and fell over without any call: restarting it at full speed would only burn the processor.
            self.backoff.failed(.couldNotStart(self.function, reason), now: now)
        case .ready, .condemned, .stopping, .killed:
            break
        }
        return effects + self.settle(now)
    }

    /// The caller gave up.
    mutating func cancel(_ call: UInt64, now: Moment) -> [Effect] {
        if let index = self.waiting.firstIndex(where: { $0.call == call }) {
            self.waiting.remove(at: index)
            return [.fail(call: call, .cancelled(self.function, executed: .none))]
        }
        guard let entry = self.running[call], !entry.isAnswered else { return [] }
        self.abandon(call, now)
        return [
            .fail(call: call, .cancelled(self.function, executed: .maybe)), .cancel(call: call, worker: entry.worker),
        ]
    }

    /// Starts the workers that are always kept.
    mutating func begin(now: Moment) -> [Effect] { self.settle(now) }

    /// Brings up one worker at least, before any call.
    mutating func warm(now: Moment) -> [Effect] {
        guard !self.isDraining, !self.workers.contains(where: \.isUsable) else { return [] }
        return [self.start(now)]
    }

    /// The start of a worker was refused: the host has enough of them.
    mutating func startRefused(_ worker: Int) {
        self.workers.removeAll { $0.identifier == worker }
        self.isStartBlocked = true
    }

    /// There is room for another worker again.
    mutating func roomFreed(now: Moment) -> [Effect] {
        self.isStartBlocked = false
        return self.settle(now)
    }

    /// Sends away the worker that has been idle longest, for another function that needs its place.
    mutating func evict(now: Moment) -> [Effect] {
        guard let worker = self.evictable, let index = self.index(worker) else { return [] }
        self.workers[index].phase = .stopping(killAt: now + self.limits.grace)
        return [.stop(worker: worker)]
    }

    /// No more calls: every worker is asked to leave as soon as its calls are done.
    mutating func drain(now: Moment) -> [Effect] {
        self.isDraining = true
        let refused = self.waiting.map { Effect.fail(call: $0.call, .draining(self.function)) }
        self.waiting.removeAll()
        return refused + self.settle(now)
    }

    /// Time has passed.
    mutating func tick(_ now: Moment) -> [Effect] {
        var effects = self.expireWaiting(now)
        effects += self.expireRunning(now)
        effects += self.expireWorkers(now)
        return effects + self.settle(now)
    }

    // MARK: Queries

    var isEmpty: Bool { self.workers.isEmpty }

    var hasReadyWorker: Bool { self.workers.contains { $0.phase == .ready } }

    var hasStartingWorker: Bool { self.workers.contains { if case .starting = $0.phase { true } else { false } } }

    /// Since when the longest idle worker that need not be kept has been idle.
    var idleSince: Moment? { self.evictable.flatMap { self.index($0) }.map { self.workers[$0].idleSince } }

    private var evictable: Int? {
        guard self.surplus > 0 else { return nil }
        return self.workers.filter { $0.phase == .ready && $0.calls.isEmpty }
            .min { $0.idleSince < $1.idleSince }?.identifier
    }

    /// When `tick` is due next.
    func nextWakeUp(now: Moment) -> Moment? {
        var next: Moment?
        func consider(_ moment: Moment?) {
            guard let moment else { return }
            next = next.map { min($0, moment) } ?? moment
        }
        for entry in self.waiting { consider(entry.deadline) }
        for entry in self.running.values {
            consider(entry.limit)
            if !entry.isAnswered { consider(entry.deadline) }
        }
        for worker in self.workers { consider(self.wakeUp(of: worker)) }
        let isShort = self.keptCount > self.workers.count || self.spareCount > self.emptyCount
        if self.backoff.notBefore > now, isShort || !self.waiting.isEmpty {
            consider(self.backoff.notBefore)
        }
        return next
    }

    private func wakeUp(of worker: Worker) -> Moment? {
        switch worker.phase {
        case .starting(let until): self.limits.isContinuous ? nil : until
        case .ready: worker.calls.isEmpty && self.surplus > 0 ? worker.idleSince + self.limits.idle : nil
        case .stopping(let killAt): killAt
        case .condemned, .killed: nil
        }
    }

    /// Workers to keep alive without any call.
    var keptCount: Int {
        if self.isDraining { return 0 }
        return max(self.limits.workersMin, self.limits.isContinuous ? 1 : 0)
    }

    /// Workers to keep ready beyond those that are busy.
    var spareCount: Int { self.isDraining ? 0 : self.limits.workersSpare }

    /// Workers that have no call, or are about to come.
    var emptyCount: Int { self.workers.count { $0.isUsable && $0.calls.isEmpty } }

    /// Workers that may go.
    var surplus: Int {
        min(self.workers.count(where: \.isUsable) - self.keptCount, self.emptyCount - self.spareCount)
    }

    func index(_ worker: Int) -> Int? { self.workers.firstIndex { $0.identifier == worker } }
}

extension WorkerPool.Worker {
    /// Runs calls now or soon.
    var isUsable: Bool {
        switch self.phase {
        case .starting, .ready: true
        case .condemned, .stopping, .killed: false
        }
    }
}
