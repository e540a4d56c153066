import Synchronization

/// Messages between the subscription that brings them and the bus that takes them as calls.
///
/// Bounded: beyond the limit one message is given up for each that comes, by the trigger's rule, and counted.
final class TriggerFeed: Sendable {
    private struct State {
        var messages: [IncomingMessage] = []
        /// Where the oldest message is; the ones before it are taken already.
        var head = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
        var isFinished = false
        var shedCount = 0
        var takenCount = 0
        var refusedCount = 0
    }

    private let limit: Int
    private let overflow: FunctionTrigger.Overflow
    private let state = Mutex(State())

    init(limit: Int, overflow: FunctionTrigger.Overflow) {
        self.limit = limit
        self.overflow = overflow
    }

    var counts: TriggerStatistics.Counts {
        self.state.withLock { state in
            TriggerStatistics.Counts(
                taken: state.takenCount - state.refusedCount, shed: state.shedCount, refused: state.refusedCount,
                waiting: state.messages.count - state.head)
        }
    }

    /// The bus would not have a message that was taken.
    func refused() {
        self.state.withLock { $0.refusedCount += 1 }
    }

    /// - Returns: How many messages were given up so far, when that is worth a line: at 1, 2, 4, 8 and so on.
    func offer(_ message: IncomingMessage) -> Int? {
        let (told, waiter) = self.state.withLock { state -> (Int?, CheckedContinuation<Void, Never>?) in
            guard state.messages.count - state.head >= self.limit else {
                state.messages.append(message)
                return (nil, state.waiting.popLast())
            }
            state.shedCount += 1
            if self.overflow == .dropOldest {
                state.head += 1
                state.messages.append(message)
                Self.compact(&state)
            }
            return (state.shedCount & (state.shedCount - 1) == 0 ? state.shedCount : nil, nil)
        }
        waiter?.resume()
        return told
    }

    /// The oldest messages, at most `max`; none once the feed is finished and empty.
    func next(max: Int) async -> [IncomingMessage] {
        while true {
            let (messages, isFinished) = self.state.withLock { state in
                let end = min(state.messages.count, state.head + max)
                let messages = Array(state.messages[state.head..<end])
                state.head = end
                state.takenCount += messages.count
                Self.compact(&state)
                return (messages, state.isFinished)
            }
            if !messages.isEmpty || isFinished { return messages }
            await withCheckedContinuation { continuation in
                let isDue = self.state.withLock { state in
                    guard state.messages.count == state.head, !state.isFinished else { return true }
                    state.waiting.append(continuation)
                    return false
                }
                if isDue { continuation.resume() }
            }
        }
    }

    /// No more messages come; the ones that wait are still handed out.
    func finish() {
        let waiting = self.state.withLock { state in
            state.isFinished = true
            defer { state.waiting.removeAll() }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Gives up what still waits.
    /// - Returns: How many messages that were.
    func abandon() -> Int {
        self.state.withLock { state in
            let left = state.messages.count - state.head
            state.messages.removeAll()
            state.head = 0
            state.shedCount += left
            return left
        }
    }

    private static func compact(_ state: inout State) {
        guard state.head > 1_024, state.head * 2 > state.messages.count else { return }
        state.messages.removeFirst(state.head)
        state.head = 0
    }
}
