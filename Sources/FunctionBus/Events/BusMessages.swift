import Synchronization

/// The messages of a subscription, in the order of their arrival; iterated by one task.
///
/// They are handed over in the batches in which they came. A reader that falls behind by more than 10,000 messages or
/// 16 MiB loses the newest ones, and can see how many in `droppedCount`.
public struct BusMessages: AsyncSequence, Sendable {
    /// One message.
    public typealias Element = BusMessage
    /// Reading does not fail; a lost connection is made again.
    public typealias Failure = Never

    let queue: MessageQueue

    /// How many messages were lost because they were not read in time.
    public var droppedCount: Int { self.queue.droppedCount }

    /// Ends when the subscription does, or when its task is cancelled.
    public func makeAsyncIterator() -> Iterator { Iterator(queue: self.queue) }

    /// Reads on where it was left.
    public struct Iterator: AsyncIteratorProtocol {
        let queue: MessageQueue
        /// The batch in hand, the next message last.
        private var batch: [BusMessage] = []

        init(queue: MessageQueue) {
            self.queue = queue
        }

        /// The next message; `nil` at the end.
        public mutating func next() async -> BusMessage? {
            if self.batch.isEmpty { self.batch = await self.queue.take().reversed() }
            return self.batch.popLast()
        }

        /// The next message; `nil` at the end.
        public mutating func next(isolation actor: isolated (any Actor)?) async -> BusMessage? {
            if self.batch.isEmpty { self.batch = await self.queue.take().reversed() }
            return self.batch.popLast()
        }
    }
}

/// What a subscription has brought and nobody has read; bounded by number and by bytes.
final class MessageQueue: Sendable {
    fileprivate struct State {
        var messages: [BusMessage] = []
        var byteCount = 0
        var droppedCount = 0
        var isFinished = false
        var reader: CheckedContinuation<[BusMessage], Never>?
    }

    private let state = Mutex(State())
    private let messagesMax: Int
    private let bytesMax: Int

    init(messagesMax: Int = 10_000, bytesMax: Int = 16 << 20) {
        self.messagesMax = messagesMax
        self.bytesMax = bytesMax
    }

    var droppedCount: Int { self.state.withLock { $0.droppedCount } }

    /// Wakes the reader once for all of them.
    func append(_ messages: [BusMessage]) {
        let (reader, batch) = self.state.withLock {
            state -> (CheckedContinuation<[BusMessage], Never>?, [BusMessage]) in
            guard !state.isFinished else { return (nil, []) }
            for message in messages {
                let size = message.topic.utf8.count + message.payload.bytes.count
                guard state.messages.count < self.messagesMax, state.byteCount + size <= self.bytesMax else {
                    state.droppedCount += 1
                    continue
                }
                state.messages.append(message)
                state.byteCount += size
            }
            guard !state.messages.isEmpty, let reader = state.reader.take() else { return (nil, []) }
            return (reader, state.takeBatch())
        }
        reader?.resume(returning: batch)
    }

    /// No message comes any more; those that wait can still be read.
    func finish() {
        let reader = self.state.withLock { state in
            state.isFinished = true
            return state.reader.take()
        }
        reader?.resume(returning: [])
    }

    /// All messages that wait; waits for one. Empty at the end, and when the task is cancelled.
    func take() async -> [BusMessage] {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let batch = self.state.withLock { state -> [BusMessage]? in
                    if Task.isCancelled { return [] }
                    if !state.messages.isEmpty { return state.takeBatch() }
                    if state.isFinished { return [] }
                    precondition(state.reader == nil, "the messages of a subscription are read by one task")
                    state.reader = continuation
                    return nil
                }
                if let batch { continuation.resume(returning: batch) }
            }
        } onCancel: {
            let reader = self.state.withLock { $0.reader.take() }
            reader?.resume(returning: [])
        }
    }
}

extension MessageQueue.State {
    fileprivate mutating func takeBatch() -> [BusMessage] {
        defer {
            self.messages = []
            self.byteCount = 0
        }
        return self.messages
    }
}
