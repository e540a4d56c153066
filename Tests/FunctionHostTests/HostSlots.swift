import Synchronization

/// Bounds what runs at a time: tests with time limits mean nothing on a machine that runs a hundred hosts at once.
final class HostSlots: Sendable {
    static let shared = HostSlots(count: 4)
    /// For tests that load the machine by themselves.
    static let all = 4

    private struct State {
        var free: Int
        var waiting: [(weight: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let state: Mutex<State>

    init(count: Int) {
        self.state = Mutex(State(free: count))
    }

    func take(_ weight: Int) async {
        guard weight > 0 else { return }
        await withCheckedContinuation { continuation in
            let isFree = self.state.withLock { state in
                guard state.waiting.isEmpty, state.free >= weight else {
                    state.waiting.append((weight, continuation))
                    return false
                }
                state.free -= weight
                return true
            }
            if isFree { continuation.resume() }
        }
    }

    func give(_ weight: Int) {
        let next = self.state.withLock { state in
            state.free += weight
            var next: [CheckedContinuation<Void, Never>] = []
            while let first = state.waiting.first, first.weight <= state.free {
                state.free -= first.weight
                next.append(state.waiting.removeFirst().continuation)
            }
            return next
        }
        for continuation in next { continuation.resume() }
    }
}
