import Synchronization

/// How many worker processes all functions of a host may have together.
///
/// A function takes a place for each worker. When there is none, the worker that has been idle longest, of whatever
/// function, is asked to leave, and the functions that want a place get their turns in the order in which they asked.
/// Nothing is called while the lock is held but closures that only queue an order: functions hold locks of their own.
final class WorkerBudget: Sendable {
    /// A function as the budget knows it.
    struct Member: Sendable {
        /// There is room: ask again.
        var onRoom: @Sendable () -> Void
        /// Send the longest idle worker away.
        var onEvict: @Sendable () -> Void
    }

    private struct State {
        var max: Int
        var taken = 0
        var members: [Int: Member] = [:]
        var nextMember = 1
        /// Members with an idle worker that need not be kept, and since when it has been idle.
        var idle: [Int: ContinuousClock.Instant] = [:]
        /// Members that were refused, in order; each once.
        var waiting: [Int] = []
        /// The member whose turn it is: places go to nobody else meanwhile.
        var turn: Int?
        /// Workers that were asked to leave and have not left yet.
        var leaving = 0
        var refusals = 0
    }

    private let state: Mutex<State>

    init(max: Int) {
        self.state = Mutex(State(max: max))
    }

    /// Workers alive, and how often one was refused.
    var figures: (alive: Int, refusals: Int) { self.state.withLock { ($0.taken, $0.refusals) } }

    func join(_ member: Member) -> Int {
        self.state.withLock { state in
            let identifier = state.nextMember
            state.nextMember += 1
            state.members[identifier] = member
            return identifier
        }
    }

    func leave(_ member: Int) {
        self.state.withLock { state in
            state.members[member] = nil
            state.idle[member] = nil
            state.waiting.removeAll { $0 == member }
            if state.turn == member { Self.nextTurn(&state) }
        }
    }

    /// - Returns: Whether the member may start a worker; if not, it hears of it when it may ask again.
    func take(_ member: Int) -> Bool {
        self.state.withLock { state in
            let isFirst = state.turn.map { $0 == member } ?? state.waiting.isEmpty
            if state.taken < state.max, isFirst {
                state.taken += 1
                return true
            }
            state.refusals += 1
            if !state.waiting.contains(member) { state.waiting.append(member) }
            Self.makeRoom(&state)
            return false
        }
    }

    /// A worker is gone.
    func release() {
        self.state.withLock { state in
            state.taken -= 1
            state.leaving = max(0, state.leaving - 1)
            if state.turn == nil { Self.nextTurn(&state) }
        }
    }

    /// The member had its turn and has taken what it needed.
    func endTurn(_ member: Int) {
        self.state.withLock { state in
            guard state.turn == member else { return }
            Self.nextTurn(&state)
        }
    }

    /// The worker that was to leave had work again in the meantime.
    func keptWorker() {
        self.state.withLock { state in
            state.leaving = max(0, state.leaving - 1)
            Self.makeRoom(&state)
        }
    }

    /// What the member has to give away.
    func setIdle(_ member: Int, since: ContinuousClock.Instant?) {
        self.state.withLock { state in
            guard state.idle[member] != since else { return }
            state.idle[member] = since
            Self.makeRoom(&state)
        }
    }

    func resize(to max: Int) {
        self.state.withLock { state in
            state.max = max
            if state.turn == nil { Self.nextTurn(&state) }
        }
    }

    // MARK: Decisions

    private static func makeRoom(_ state: inout State) {
        let missing = state.waiting.count + (state.turn == nil ? 0 : 1) - (state.max - state.taken)
        guard !state.waiting.isEmpty, missing > state.leaving else {
            if state.turn == nil { self.nextTurn(&state) }
            return
        }
        guard let oldest = state.idle.min(by: { $0.value < $1.value })?.key else { return }
        state.idle[oldest] = nil
        state.leaving += 1
        state.members[oldest]?.onEvict()
    }

    private static func nextTurn(_ state: inout State) {
        state.turn = nil
        guard state.taken < state.max, !state.waiting.isEmpty else { return }
        let member = state.waiting.removeFirst()
        state.turn = member
        state.members[member]?.onRoom()
    }
}
