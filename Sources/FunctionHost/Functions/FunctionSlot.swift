import Synchronization

/// One function as callers know it, whatever versions stand behind it.
///
/// Which version a call goes to is decided when it comes: by shares, and so evenly that of any hundred calls each
/// version gets its per cent, not just on average. A version that is taken away finishes its running calls; what
/// waited in it goes to its successor, so that no call fails because of a change.
final class FunctionSlot: Sendable {
    struct Live: Sendable {
        var version: FunctionPlan.Version
        var function: any HostedFunction
    }

    private struct Row {
        var live: Live
        /// Grows by its share with every call, and is charged a whole call when it is chosen.
        var credit = 0
    }

    private struct State {
        var rows: [Row] = []
        var isClosed = false
        var open = 0
        var idle: [CheckedContinuation<Void, Never>] = []
    }

    /// Changes that one call may be caught in.
    private static let changesMax = 8

    let address: FunctionAddress
    private let state = Mutex(State())

    init(_ address: FunctionAddress) {
        self.address = address
    }

    var live: [Live] { self.state.withLock { $0.rows.map(\.live) } }

    /// Puts these versions into service.
    /// - Returns: What is no longer in service; the caller drains it.
    func replace(with versions: [Live]) -> [any HostedFunction] {
        self.state.withLock { state in
            let kept = Set(versions.map { ObjectIdentifier($0.function) })
            defer { state.rows = versions.map { Row(live: $0) } }
            return state.rows.map(\.live.function).filter { !kept.contains(ObjectIdentifier($0)) }
        }
    }

    func call(_ request: HostedCall) async throws(CallFailure) -> HostedReply {
        guard request.hops <= CallFailure.hopsMax else { throw .tooDeep(self.address, hops: request.hops) }
        let started = ContinuousClock.now
        guard var function = self.enter() else { throw .draining(self.address) }
        defer { self.exit() }
        var changes = 0
        while true {
            var attempt = request
            attempt.remaining = request.remaining.map { max(.zero, $0 - (ContinuousClock.now - started)) }
            do throws(CallFailure) {
                return try await function.call(attempt)
            } catch {
                // Caught in a change: the old version did not touch the call, and the new one takes it.
                guard error.isDraining, changes < Self.changesMax, let next = self.choose(), next !== function
                else { throw error }
                changes += 1
                function = next
            }
        }
    }

    /// No new calls; returns when the running ones have ended.
    func close() async {
        await withCheckedContinuation { continuation in
            let isIdle = self.state.withLock { state in
                state.isClosed = true
                if state.open > 0 { state.idle.append(continuation) }
                return state.open == 0
            }
            if isIdle { continuation.resume() }
        }
    }

    // MARK: Choosing

    private func enter() -> (any HostedFunction)? {
        self.state.withLock { state in
            guard !state.isClosed, let function = Self.choose(&state) else { return nil }
            state.open += 1
            return function
        }
    }

    private func choose() -> (any HostedFunction)? {
        self.state.withLock { Self.choose(&$0) }
    }

    private func exit() {
        let idle = self.state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.open -= 1
            guard state.open == 0 else { return [] }
            defer { state.idle.removeAll() }
            return state.idle
        }
        for continuation in idle { continuation.resume() }
    }

    /// Smooth weighted round robin, as known from load balancers: every hundred calls hold each share exactly.
    private static func choose(_ state: inout State) -> (any HostedFunction)? {
        for index in state.rows.indices { state.rows[index].credit += state.rows[index].live.version.share }
        let best = state.rows.indices.max { state.rows[$0].credit < state.rows[$1].credit }
        guard let best else { return nil }
        state.rows[best].credit -= 100
        return state.rows[best].live.function
    }
}
