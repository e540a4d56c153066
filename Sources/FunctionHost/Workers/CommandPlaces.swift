import Synchronization

/// The places of one command's processes among all workers of the host.
///
/// A call that finds no place waits, in the order of arrival, for a worker of another function that is idle or a
/// command that ends.
final class CommandPlaces: Sendable {
    private struct Waiter {
        var call: Int
        var continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var waiters: [Waiter] = []
        var calls = 0
        /// Calls that are about to wait.
        var coming: Set<Int> = []
    }

    private let budget: WorkerBudget
    private let member: Int
    private let state = Mutex(State())
    /// One element for each time that the budget has room.
    private let room: AsyncStream<Void>
    private let hasRoom: AsyncStream<Void>.Continuation

    init(_ budget: WorkerBudget) {
        let (room, hasRoom) = AsyncStream.makeStream(of: Void.self)
        (self.room, self.hasRoom) = (room, hasRoom)
        self.budget = budget
        // No command is ever idle, so that none can be asked to leave.
        self.member = budget.join(WorkerBudget.Member(onRoom: { hasRoom.yield() }, onEvict: {}))
    }

    /// Gives out places until they are closed or the task is cancelled.
    func run() async {
        for await _ in self.room { self.takeTurn() }
        self.budget.leave(self.member)
    }

    /// No call will ask any more.
    func close() {
        self.hasRoom.finish()
    }

    /// - Returns: False when the call was cancelled before there was a place.
    func take() async -> Bool {
        if self.state.withLock({ $0.waiters.isEmpty }), self.budget.take(self.member) { return true }
        let call = self.state.withLock { state in
            state.calls += 1
            state.coming.insert(state.calls)
            return state.calls
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in self.wait(call, continuation) }
        } onCancel: {
            self.giveUp(call)
        }
    }

    func release() {
        self.budget.release()
    }

    private func wait(_ call: Int, _ continuation: CheckedContinuation<Bool, Never>) {
        let isGivenUp = self.state.withLock { state in
            guard state.coming.remove(call) != nil else { return true }
            state.waiters.append(Waiter(call: call, continuation: continuation))
            return false
        }
        guard !isGivenUp else { return continuation.resume(returning: false) }
        // Asks once more: a place that came free just before would wake nobody.
        self.takeTurn()
    }

    private func giveUp(_ call: Int) {
        let waiter = self.state.withLock { state -> Waiter? in
            state.coming.remove(call)
            guard let position = state.waiters.firstIndex(where: { $0.call == call }) else { return nil }
            return state.waiters.remove(at: position)
        }
        waiter?.continuation.resume(returning: false)
    }

    /// Lets in as many as there are places for.
    private func takeTurn() {
        while self.state.withLock({ !$0.waiters.isEmpty }), self.budget.take(self.member) {
            let waiter = self.state.withLock { state in state.waiters.isEmpty ? nil : state.waiters.removeFirst() }
            guard let waiter else {
                self.budget.release()
                break
            }
            waiter.continuation.resume(returning: true)
        }
        self.budget.endTurn(self.member)
    }
}
