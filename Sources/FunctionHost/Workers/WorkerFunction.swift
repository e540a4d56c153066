import Logging
import Synchronization

/// A function whose calls are answered by long-lived worker processes.
///
/// The machine is `WorkerPool`; this is its driver: it feeds in what happens, under one lock and with the time, and
/// carries out the effects in their order. All processes and timers are children of `run`.
final class WorkerFunction: HostedFunction {
    struct State {
        var pool: WorkerPool
        var mailboxes: [UInt64: CallMailbox] = [:]
        var requests: [UInt64: HostedCall] = [:]
        var links: [Int: WorkerLink] = [:]
        var nextCall: UInt64 = 1
        var armed: WorkerPool.Moment?
        var openBackgroundOperations = 0
        /// Woken when the last worker has gone.
        var drained: [CheckedContinuation<Void, Never>] = []
        /// Woken when a worker is ready, or none can be.
        var warming: [CheckedContinuation<CallFailure?, Never>] = []
    }

    enum Order: Sendable {
        case start(worker: Int, WorkerLink)
        case wake(WorkerPool.Moment)
        /// Something that no call asked for: top-level code or a thread of the function.
        case perform(WorkerOperation, worker: Int)
        /// The host has room for a worker again.
        case useRoom
        /// Another function needs the place of an idle worker.
        case evict
    }

    /// Bus operations of background code that may be open at a time.
    static let backgroundOperationsMax = 64

    let manifest: FunctionManifest
    private let launch: WorkerLaunch
    private let operations: BusOperations
    let log: FunctionLog
    private let registry: ProcessRegistry
    private let budget: WorkerBudget
    private let member: Int
    let state: Mutex<State>
    private let orders: AsyncStream<Order>
    let order: AsyncStream<Order>.Continuation
    private let origin = ContinuousClock.now

    init(_ manifest: FunctionManifest, _ launch: WorkerLaunch, log: FunctionLog, in host: HostSurroundings) {
        self.manifest = manifest
        self.launch = launch
        self.log = log
        self.registry = host.registry
        self.budget = host.budget
        self.operations = BusOperations(function: manifest.address, client: host.client, logger: log.logger)
        self.state = Mutex(State(pool: WorkerPool(manifest.address, WorkerPool.Limits(manifest))))
        let (orders, order) = AsyncStream.makeStream(of: Order.self)
        (self.orders, self.order) = (orders, order)
        self.member = host.budget.join(
            WorkerBudget.Member(onRoom: { order.yield(.useRoom) }, onEvict: { order.yield(.evict) }))
    }

    var now: WorkerPool.Moment { ContinuousClock.now - self.origin }

    // MARK: Life

    func run() async {
        self.feed { $0.pool.begin(now: $1) }
        await withDiscardingTaskGroup { group in
            for await order in self.orders {
                switch order {
                case .start(let worker, let link): group.addTask { await self.run(worker, link) }
                case .wake(let moment): group.addTask { await self.wake(at: moment) }
                case .perform(let operation, let worker):
                    group.addTask { await self.performInBackground(operation, worker: worker) }
                case .useRoom:
                    self.feed { $0.pool.roomFreed(now: $1) }
                    self.budget.endTurn(self.member)
                case .evict: self.evict()
                }
            }
            group.cancelAll()
        }
        self.budget.leave(self.member)
    }

    private func evict() {
        let isLeaving = self.state.withLock { state in
            let effects = state.pool.evict(now: self.now)
            self.carryOut(effects, in: &state)
            return !effects.isEmpty
        }
        if !isLeaving { self.budget.keptWorker() }
    }

    func prepare() async throws(CallFailure) {
        // Its top-level code may never end: that it was started is all that can be waited for.
        if self.manifest.run == .continuous { return }
        let failure = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                self.feed { state, now in
                    state.warming.append(continuation)
                    return state.pool.warm(now: now)
                }
            }
        } onCancel: {
            // The host ends: what has not come up by now is not needed.
            self.state.withLock { Self.endWarming(&$0, .draining(self.manifest.address)) }
        }
        if let failure { throw failure }
    }

    func drain(within limit: Duration) async {
        self.feed { $0.pool.drain(now: $1) }
        await withTaskGroup { group in
            group.addTask { await self.allWorkersGone() }
            group.addTask {
                // Ends early when the other branch wins.
                try? await Task.sleep(for: limit)
                self.giveUpWaiting()
            }
            await group.next()
            group.cancelAll()
        }
        // Whatever is left now is ended with `run`.
        self.order.finish()
    }

    private func allWorkersGone() async {
        await withCheckedContinuation { continuation in
            let isEmpty = self.state.withLock { state in
                if !state.pool.isEmpty { state.drained.append(continuation) }
                return state.pool.isEmpty
            }
            if isEmpty { continuation.resume() }
        }
    }

    private func giveUpWaiting() {
        let waiters = self.state.withLock { state in
            defer { state.drained.removeAll() }
            return state.drained
        }
        for waiter in waiters { waiter.resume() }
    }

    private func run(_ worker: Int, _ link: WorkerLink) async {
        let process = WorkerProcess(
            manifest: self.manifest, launch: self.launch, link: link,
            onFrame: { self.received($0, from: worker) },
            onLine: { self.line($0, from: worker) })
        let end = await process.run()
        let tail = self.log.takeTail(of: worker)
        let reason = link.killReason ?? Self.reason(end, tail: tail)
        if let reason = link.killReason { self.log.tell("worker \(worker) was ended: \(reason)") }
        self.budget.release()
        let isDone = self.state.withLock { state in
            self.carryOut(state.pool.exited(worker, reason, now: self.now), in: &state)
            state.links[worker] = nil
            return state.pool.isEmpty
        }
        self.log.logger.debug("a worker ended", metadata: ["worker": "\(worker)", "reason": "\(end.text)"])
        if isDone { self.giveUpWaiting() }
    }

    private func wake(at moment: WorkerPool.Moment) async {
        // A cancelled sleep belongs to a host that is ending; the tick is harmless then.
        try? await Task.sleep(until: self.origin + moment)
        self.feed { state, now in
            if state.armed == moment { state.armed = nil }
            return state.pool.tick(now)
        }
    }

    // MARK: Calls

    func call(_ request: HostedCall) async throws(CallFailure) -> HostedReply {
        let mailbox = CallMailbox()
        let call = self.state.withLock { state in
            let call = state.nextCall
            state.nextCall += 1
            state.mailboxes[call] = mailbox
            state.requests[call] = request
            let now = self.now
            let deadline = request.remaining.map { now + $0 }
            let lineage = WorkerPool.Lineage(
                identity: request.requestIdentifier, ancestors: Set(request.chain.links.map(\.call)))
            let effects = state.pool.admit(call, deadline: deadline, lineage: lineage, now: now)
            self.carryOut(effects, in: &state)
            return call
        }
        let outcome = await withTaskCancellationHandler {
            await self.attend(mailbox, request)
        } onCancel: {
            self.feed { $0.pool.cancel(call, now: $1) }
        }
        return try outcome.get()
    }

    /// Waits for the outcome and meanwhile does, as children of this task, what the handler asks of the bus.
    private func attend(_ mailbox: CallMailbox, _ request: HostedCall) async -> Result<HostedReply, CallFailure> {
        let started = self.now
        return await withTaskGroup(of: Void.self) { group in
            while true {
                switch await mailbox.next() {
                case .outcome(let outcome):
                    // Whatever the handler left open has nobody to answer to.
                    group.cancelAll()
                    return outcome
                case .operation(let operation, let worker):
                    let limit = request.remaining ?? self.manifest.timeout
                    group.addTask {
                        let remaining = max(limit - (self.now - started), .zero)
                        let frame = await self.operations.perform(operation, for: request, within: remaining)
                        self.send(frame, to: worker)
                    }
                }
            }
        }
    }

    private func performInBackground(_ operation: WorkerOperation, worker: Int) async {
        let frame = await self.operations.perform(operation, for: nil, within: nil)
        self.state.withLock { $0.openBackgroundOperations -= 1 }
        self.send(frame, to: worker)
    }

    // MARK: Effects

    func feed(_ input: (inout State, WorkerPool.Moment) -> [WorkerPool.Effect]) {
        self.state.withLock { state in
            let effects = input(&state, self.now)
            self.carryOut(effects, in: &state)
        }
    }

    func carryOut(_ effects: [WorkerPool.Effect], in state: inout State) {
        for effect in effects {
            switch effect {
            case .start(let worker):
                guard self.budget.take(self.member) else {
                    state.pool.startRefused(worker)
                    continue
                }
                let link = WorkerLink(self.manifest, self.registry)
                state.links[worker] = link
                self.order.yield(.start(worker: worker, link))
            case .dispatch(let call, let worker, let timeout):
                guard let request = state.requests[call] else {
                    preconditionFailure("a call is dispatched before it is ended")
                }
                self.transmit(.call(call, request, timeout: timeout), over: state.links[worker])
            case .cancel(let call, let worker): self.transmit(.cancel(call), over: state.links[worker])
            case .fail(let call, let failure): self.fail(call, failure, in: &state)
            case .stop(let worker):
                self.transmit(.shutdown, over: state.links[worker])
                state.links[worker]?.finish()
            case .kill(let worker): state.links[worker]?.kill()
            }
        }
        self.report(&state)
        guard let next = state.pool.nextWakeUp(now: self.now) else { return }
        // An earlier alarm is already set: it will look again, and stale alarms only tick once too often.
        if let armed = state.armed, armed <= next { return }
        state.armed = next
        self.order.yield(.wake(next))
    }

    /// Tells the host what this function has to give, and whoever waits for its first worker how that went.
    private func report(_ state: inout State) {
        self.budget.setIdle(self.member, since: state.pool.idleSince.map { self.origin + $0 })
        guard !state.warming.isEmpty else { return }
        let isReady = state.pool.hasReadyWorker
        guard isReady || !state.pool.hasStartingWorker else { return }
        // Without a worker and without a failure the host had no room for one: the first call will find out.
        Self.endWarming(&state, isReady ? nil : state.pool.backoff.failure)
    }

    private static func endWarming(_ state: inout State, _ failure: CallFailure?) {
        for continuation in state.warming { continuation.resume(returning: failure) }
        state.warming.removeAll()
    }

    private func fail(_ call: UInt64, _ failure: CallFailure, in state: inout State) {
        var failure = failure
        let request = state.requests[call]
        if failure.code == CallFailure.loopCode, let chain = request?.chain {
            failure.message += " The way was \(chain.path) -> \(self.manifest.address)."
        }
        // What the caller did to itself needs no line; what happened to a worker does.
        if failure.executed != .none || failure.code == CallFailure.loopCode, failure.status != 499 {
            self.log.tell("\(failure)", call: request?.requestIdentifier)
        }
        Self.end(call, .failure(failure), in: &state)
    }

    static func end(_ call: UInt64, _ outcome: Result<HostedReply, CallFailure>, in state: inout State) {
        state.requests[call] = nil
        state.mailboxes.removeValue(forKey: call)?.post(.outcome(outcome))
    }

    func send(_ frame: HostFrame, to worker: Int) {
        self.transmit(frame, over: self.state.withLock { $0.links[worker] })
    }

    private func transmit(_ frame: HostFrame, over link: WorkerLink?) {
        do throws(FrameError) {
            link?.send(try frame.encoded())
        } catch {
            self.log.logger.error("\(error.message)")
            link?.kill()
        }
    }

    private static func reason(_ end: ProcessEnd, tail: [String]) -> String {
        guard let last = tail.last(where: { !$0.isEmpty }) else { return end.text }
        return "\(end.text); its last line was: \(last.prefix(500))"
    }
}

extension WorkerPool.Limits {
    init(_ manifest: FunctionManifest) {
        let capacity = manifest.workers.max * manifest.concurrency
        self.init(
            workersMin: manifest.workers.min, workersSpare: manifest.workers.spare, workersMax: manifest.workers.max,
            concurrency: manifest.concurrency,
            waitingMax: max(64, 2 * capacity), timeout: manifest.timeout, idle: manifest.workers.idle,
            isContinuous: manifest.run == .continuous)
    }
}
