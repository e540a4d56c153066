import Synchronization

/// A result that several may bring and the first one wins.
final class Race<Value: Sendable>: Sendable {
    private enum State {
        case open(CheckedContinuation<Value, Never>?)
        case finished(Value)
    }

    private let state = Mutex(State.open(nil))

    /// Later results are dropped.
    func finish(_ value: Value) {
        let waiter = self.state.withLock { state -> CheckedContinuation<Value, Never>? in
            guard case .open(let waiter) = state else { return nil }
            state = .finished(value)
            return waiter
        }
        waiter?.resume(returning: value)
    }

    /// Waited for once.
    func result() async -> Value {
        await withCheckedContinuation { continuation in
            let value = self.state.withLock { state -> Value? in
                if case .finished(let value) = state { return value }
                state = .open(continuation)
                return nil
            }
            if let value { continuation.resume(returning: value) }
        }
    }
}
