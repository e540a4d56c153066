import Logging
import Synchronization

/// All functions of a host in service, and the changes to them while it runs.
///
/// One loop carries out one change of plan after the other; within a change every function is brought up to date by
/// itself, so that a slow start of one holds up no other. Processes live in `run`, apart from the registrations: when
/// the host ends these go first, and the calls that they still finish need the processes.
final class Fleet: Sendable {
    typealias Factory = @Sendable (FunctionManifest) throws -> any HostedFunction

    private enum Event: Sendable {
        case plan(HostPlan)
        /// A change could not be made: once more.
        case retry
        case failed(any Error)
    }

    /// How long workers may take to leave after their last call was answered.
    private static let drainMax = Duration.seconds(5)
    /// Functions that are brought up to date at a time.
    private static let changesMax = 32
    /// Until a change that failed, because the bus was away for example, is tried again.
    private static let retryAfter = Duration.seconds(5)

    private let host: HostSurroundings
    private let make: Factory
    private let lanes = FilterLanes()
    private let members = Mutex<[FunctionAddress: FleetMember]>([:])
    private let events: AsyncStream<Event>
    private let event: AsyncStream<Event>.Continuation
    private let work: AsyncStream<@Sendable () async -> Void>
    private let worker: AsyncStream<@Sendable () async -> Void>.Continuation

    init(_ host: HostSurroundings, make: @escaping Factory) {
        self.host = host
        self.make = make
        (self.events, self.event) = AsyncStream.makeStream()
        (self.work, self.worker) = AsyncStream.makeStream()
    }

    /// Another plan is in force.
    func change(to plan: HostPlan) {
        self.event.yield(.plan(plan))
    }

    /// Serves until the task is cancelled; then finishes the running calls and ends the workers.
    func run(_ plan: HostPlan, onReady: @Sendable () -> Void) async throws {
        // Not child tasks: on cancellation the workers must outlive the registrations, which still finish their calls.
        let workers = Task {
            await withDiscardingTaskGroup { group in
                for await work in self.work { group.addTask { await work() } }
            }
        }
        let registry = Task { await self.host.registry.run() }
        let result: Result<Void, any Error>
        do {
            try await self.serve(plan, onReady: onReady)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        // In a task of its own: this one may be cancelled already, and then no pause in it would last.
        await Task { await self.end() }.value
        self.worker.finish()
        await workers.value
        self.host.registry.finish()
        await registry.value
        if case .failure(let error) = result, !(error is CancellationError) { throw error }
    }

    private func serve(_ plan: HostPlan, onReady: @Sendable () -> Void) async throws {
        try await self.start(plan)
        onReady()
        var plan = plan
        for await event in self.events {
            switch event {
            case .plan(let next):
                plan = next
                await self.apply(plan)
            case .retry: await self.apply(plan)
            case .failed(let error): throw error
            }
        }
    }

    private func end() async {
        let members = self.members.withLock { Array($0.values) }
        await withDiscardingTaskGroup { group in
            for member in members {
                group.addTask {
                    await member.stopTriggers()
                    await member.unregister()
                    for live in member.slot.live { await live.function.drain(within: Self.drainMax) }
                }
            }
        }
    }

    // MARK: Changes

    /// At the start any failure is the host's; later it is that function's only.
    private func start(_ plan: HostPlan) async throws {
        self.host.budget.resize(to: plan.settings.workersMax)
        try await Self.each(plan.functions) { plan in try await self.add(plan) }
    }

    private func apply(_ plan: HostPlan) async {
        self.host.budget.resize(to: plan.settings.workersMax)
        let members = self.members.withLock { $0 }
        let wanted = Set(plan.functions.map(\.address))
        let changed = plan.functions.filter { members[$0.address]?.isUpToDate(with: $0) != true }
        let gone = members.values.filter { !wanted.contains($0.slot.address) }
        do {
            try await Self.each(gone) { member in await self.remove(member) }
            try await Self.each(changed) { plan in
                do {
                    if let member = members[plan.address] {
                        try await self.update(member, to: plan)
                    } else {
                        try await self.add(plan)
                        self.host.logger.info("\(plan.address) was added")
                    }
                } catch {
                    self.host.logger.error("\(plan.address) could not be changed, it is tried again: \(error)")
                    self.retryLater()
                }
            }
        } catch {
            preconditionFailure("each change reports its own failure: \(error)")
        }
    }

    private func retryLater() {
        Task {
            // Nothing is waited for at the end of the host: the word comes too late then, and nobody hears it.
            try? await Task.sleep(for: Self.retryAfter)
            self.event.yield(.retry)
        }
    }

    private static func each<Element: Sendable>(
        _ elements: [Element], _ body: @escaping @Sendable (Element) async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, element) in elements.enumerated() {
                if index >= self.changesMax { try await group.next() }
                group.addTask { try await body(element) }
            }
            try await group.waitForAll()
        }
    }

    private func add(_ plan: FunctionPlan) async throws {
        let slot = FunctionSlot(plan.address)
        var live: [FunctionSlot.Live] = []
        do {
            for version in plan.versions {
                live.append(FunctionSlot.Live(version: version, function: try self.launch(version.manifest)))
            }
        } catch {
            for one in live { self.retire(one.function) }
            throw error
        }
        _ = slot.replace(with: live)
        let member = FleetMember(slot, plan, self.host, self.lanes) { error in self.event.yield(.failed(error)) }
        self.members.withLock { $0[plan.address] = member }
        try await member.register()
        try await member.startTriggers(isStart: true)
    }

    private func remove(_ member: FleetMember) async {
        await member.stopTriggers()
        // First what runs here, then the word to the bus: while an instance says that it drains, none of its functions
        // gets calls, and for the others that should not last longer than it must.
        await member.slot.close()
        await member.unregister()
        for function in member.slot.replace(with: []) { self.retire(function) }
        self.members.withLock { $0[member.slot.address] = nil }
        self.host.logger.info("\(member.slot.address) was removed")
    }

    private func update(_ member: FleetMember, to plan: FunctionPlan) async throws {
        let old = member.plan
        member.setPlan(plan)
        let present = member.slot.live
        var live: [FunctionSlot.Live] = []
        var fresh: [any HostedFunction] = []
        do {
            for version in plan.versions {
                let same = present.first {
                    $0.version.manifest == version.manifest && $0.version.code == version.code
                }
                let function = try same?.function ?? self.make(version.manifest)
                live.append(FunctionSlot.Live(version: version, function: function))
                if same == nil { fresh.append(function) }
            }
            // Its first call shall find it loaded; and what cannot be loaded replaces nothing.
            for function in fresh where !function.isContinuous {
                self.start(function)
                try await function.prepare()
            }
        } catch {
            for function in fresh where !function.isContinuous { self.retire(function) }
            self.host.logger.error(
                "\(plan.address) was changed and cannot be loaded, the version before stays in service: \(error)")
            return
        }
        await self.replace(member.slot, with: live, fresh)
        if FleetMember.terms(old) != FleetMember.terms(plan) || !member.isRegistered {
            try await member.registerAgain()
        }
        if old.primary.triggers != plan.primary.triggers || !member.hasTriggers {
            await member.stopTriggers()
            try await member.startTriggers(isStart: false)
        }
        let shares = plan.versions.map { "\($0.manifest.title) \($0.share) %" }.joined(separator: ", ")
        self.host.logger.info("\(plan.address) was changed: \(shares)")
    }

    /// A function that runs all the time may hold a device: its old worker leaves before the new one starts, and calls
    /// wait for that one meanwhile. Of all others the old workers finish their calls beside the new ones.
    private func replace(
        _ slot: FunctionSlot, with live: [FunctionSlot.Live], _ fresh: [any HostedFunction]
    ) async {
        let leaving = slot.replace(with: live)
        for function in leaving where !function.isContinuous { self.retire(function) }
        for function in leaving where function.isContinuous { await function.drain(within: Self.limit(of: function)) }
        for function in fresh where function.isContinuous { self.start(function) }
    }

    private func launch(_ manifest: FunctionManifest) throws -> any HostedFunction {
        let function = try self.make(manifest)
        self.start(function)
        return function
    }

    private func start(_ function: any HostedFunction) {
        self.worker.yield { await function.run() }
    }

    /// Lets an old version finish what it runs.
    private func retire(_ function: any HostedFunction) {
        self.worker.yield { await function.drain(within: Self.limit(of: function)) }
    }

    private static func limit(of function: any HostedFunction) -> Duration {
        function.manifest.timeout + self.drainMax
    }
}

extension HostedFunction {
    fileprivate var isContinuous: Bool { self.manifest.run == .continuous }
}
