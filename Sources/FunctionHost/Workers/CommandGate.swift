import Synchronization

/// Counts the commands that run, so that a burst of calls cannot start processes without end.
final class CommandGate: Sendable {
    enum Entry: Equatable {
        /// Numbers the run for its log lines.
        case entered(run: Int)
        case full(running: Int)
        case closed
    }

    private struct State {
        var running = 0
        var runs = 0
        var isClosed = false
    }

    private let slots: Int
    private let state = Mutex(State())

    init(slots: Int) {
        self.slots = slots
    }

    func enter() -> Entry {
        self.state.withLock { state in
            if state.isClosed { return .closed }
            guard state.running < self.slots else { return .full(running: state.running) }
            state.running += 1
            state.runs += 1
            return .entered(run: state.runs)
        }
    }

    /// - Returns: Whether this was the last one after the gate was closed.
    func leave() -> Bool {
        self.state.withLock { state in
            state.running -= 1
            return state.isClosed && state.running == 0
        }
    }

    /// - Returns: Whether nothing runs any more.
    func close() -> Bool {
        self.state.withLock { state in
            state.isClosed = true
            return state.running == 0
        }
    }
}
