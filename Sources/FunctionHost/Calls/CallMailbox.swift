import Synchronization

/// Where the task that serves a call waits for what its worker says about it.
///
/// A continuation instead of a stream: one call usually gets exactly one event, and a stream costs 3 µs for it.
final class CallMailbox: Sendable {
    enum Event: Sendable {
        case outcome(Result<HostedReply, CallFailure>)
        /// The handler wants something from the bus: done in a child of the waiting task, so that deadline, hops and
        /// trace of the call are inherited.
        case operation(WorkerOperation, worker: Int)
    }

    private struct State {
        var events: [Event] = []
        var waiter: CheckedContinuation<Event, Never>?
    }

    private let state = Mutex(State())

    func post(_ event: Event) {
        let waiter = self.state.withLock { state -> CheckedContinuation<Event, Never>? in
            guard let waiter = state.waiter.take() else {
                state.events.append(event)
                return nil
            }
            return waiter
        }
        waiter?.resume(returning: event)
    }

    /// The next event. The pool ends every call that it admitted, so this wait ends too.
    func next() async -> Event {
        await withCheckedContinuation { continuation in
            let event = self.state.withLock { state -> Event? in
                guard state.events.isEmpty else { return state.events.removeFirst() }
                state.waiter = continuation
                return nil
            }
            if let event { continuation.resume(returning: event) }
        }
    }
}
