import Synchronization

/// One function of the fleet: its slot, its registration on the bus and its triggers.
///
/// Only one change at a time touches it; the lock guards what the end of the host reads meanwhile.
final class FleetMember: Sendable {
    private struct State {
        var plan: FunctionPlan
        var registration: Task<Void, Never>?
        var triggers: Task<Void, Never>?
    }

    let slot: FunctionSlot
    private let host: HostSurroundings
    private let lanes: FilterLanes
    private let onFailure: @Sendable (any Error) -> Void
    private let state: Mutex<State>

    init(
        _ slot: FunctionSlot, _ plan: FunctionPlan, _ host: HostSurroundings, _ lanes: FilterLanes,
        onFailure: @escaping @Sendable (any Error) -> Void
    ) {
        self.slot = slot
        self.host = host
        self.lanes = lanes
        self.onFailure = onFailure
        self.state = Mutex(State(plan: plan))
    }

    var plan: FunctionPlan { self.state.withLock { $0.plan } }

    var isRegistered: Bool { self.state.withLock { $0.registration != nil } }

    /// Whether its triggers run, if it has any.
    var hasTriggers: Bool { self.state.withLock { $0.triggers != nil || $0.plan.primary.triggers.isEmpty } }

    /// Whether nothing is left to be done for this plan.
    func isUpToDate(with plan: FunctionPlan) -> Bool {
        self.plan == plan && self.isRegistered && self.hasTriggers
    }

    func setPlan(_ plan: FunctionPlan) {
        self.state.withLock { $0.plan = plan }
    }

    /// What the bus is told about a function.
    static func terms(_ plan: FunctionPlan) -> ServedFunction.Terms {
        let active = plan.versions.filter { $0.share > 0 }.map(\.manifest)
        let primary = plan.primary
        return ServedFunction.Terms(
            concurrency: active.reduce(0) { $0 + $1.capacity },
            // A command has no queue in the host.
            waiting: active.reduce(0) { $0 + ($1.runtime == .exec ? 0 : $1.capacity) },
            timeout: active.map(\.timeout).max() ?? primary.timeout, description: primary.description,
            isOnDemand: primary.run == .onDemand && primary.workers.min + primary.workers.spare == 0)
    }

    // MARK: Registration

    /// Returns when the bus has the function.
    func register() async throws {
        let slot = self.slot
        let served = ServedFunction(slot.address, Self.terms(self.plan)) { request throws(CallFailure) in
            try await slot.call(request)
        }
        let client = self.host.client
        let task = try await self.begin { onReady in try await client.serve([served], onReady: onReady) }
        self.state.withLock { $0.registration = task }
    }

    /// Takes the function off the bus, after its running calls.
    func unregister() async {
        await Self.end(self.state.withLock { $0.registration.take() })
    }

    /// The bus learns what it is told only with a registration: for a moment there is none, and callers are told that
    /// nothing was executed.
    func registerAgain() async throws {
        await self.unregister()
        try await self.register()
    }

    // MARK: Triggers

    func startTriggers(isStart: Bool) async throws {
        let triggers = self.plan.primary.triggers
        guard !triggers.isEmpty else { return }
        let runner = TriggerRunner(self.slot.address, triggers, lanes: self.lanes, in: self.host)
        let task = try await self.begin { onReady in try await runner.run(isStart: isStart, onReady: onReady) }
        self.state.withLock { $0.triggers = task }
    }

    func stopTriggers() async {
        await Self.end(self.state.withLock { $0.triggers.take() })
    }

    // MARK: Tasks

    /// Starts something that lasts, and waits until it says that it stands.
    private func begin(
        _ body: @escaping @Sendable (_ onReady: @escaping @Sendable () -> Void) async throws -> Void
    ) async throws -> Task<Void, Never> {
        let race = StartRace()
        let onFailure = self.onFailure
        let task = Task {
            do {
                try await body { race.finish(nil) }
                race.finish(CancellationError())
            } catch {
                if !race.finish(error), !(error is CancellationError), !Task.isCancelled { onFailure(error) }
            }
        }
        let failure = await withTaskCancellationHandler {
            await race.outcome()
        } onCancel: {
            task.cancel()
        }
        if let failure {
            await task.value
            throw failure
        }
        return task
    }

    private static func end(_ task: Task<Void, Never>?) async {
        task?.cancel()
        await task?.value
    }
}

/// Whether something came to stand, or failed before.
private final class StartRace: Sendable {
    private struct State {
        var isFinished = false
        var failure: (any Error)?
        var waiter: CheckedContinuation<(any Error)?, Never>?
    }

    private let state = Mutex(State())

    /// - Returns: Whether this was the first word.
    @discardableResult
    func finish(_ failure: (any Error)?) -> Bool {
        let (isFirst, waiter) = self.state.withLock { state -> (Bool, CheckedContinuation<(any Error)?, Never>?) in
            guard !state.isFinished else { return (false, nil) }
            state.isFinished = true
            state.failure = failure
            return (true, state.waiter.take())
        }
        waiter?.resume(returning: failure)
        return isFirst
    }

    func outcome() async -> (any Error)? {
        await withCheckedContinuation { continuation in
            let (isFinished, failure) = self.state.withLock { state -> (Bool, (any Error)?) in
                if !state.isFinished { state.waiter = continuation }
                return (state.isFinished, state.failure)
            }
            if isFinished { continuation.resume(returning: failure) }
        }
    }
}
