import BusContract
import BusMosquitto
import Synchronization

/// One function that is served: what runs, what waits, what was answered already.
///
/// A request is taken while fewer than `concurrency` run, waits while the queue has room, and is refused with 429
/// otherwise. The same request twice is run once: while it runs the second is dropped, afterwards it gets the same answer.
final class Service: Sendable {
    /// A request on its way through the service.
    struct Arrival: Sendable {
        var request: Request
        var reply: ReplyAddress
        var key: [UInt8]
        var scope: CallScope
    }

    enum Admission {
        /// Run it now.
        case run
        /// It runs when another one has ended.
        case queued
        /// It runs already; its answer will come.
        case joined
        /// It was answered: say it again.
        case answered(MosquittoMessage)
        case refused(Failure)
    }

    private struct State {
        var runningCount = 0
        var queue: [Arrival] = []
        var isDraining = false
        var running: [[UInt8]: Task<Void, Never>?] = [:]
        var answers: [[UInt8]: MosquittoMessage] = [:]
        /// Keys of `answers`, the oldest first.
        var answerOrder: [[UInt8]] = []
        var idle: CheckedContinuation<Void, Never>?
    }

    let function: FunctionHandler
    private let state = Mutex(State())
    private static let answersMax = 256

    init(_ function: FunctionHandler) {
        self.function = function
    }

    var name: BusContract.FunctionName { self.function.name.contract }

    func admit(_ arrival: Arrival) -> Admission {
        self.state.withLock { state in
            if !arrival.key.isEmpty {
                if let answer = state.answers[arrival.key] { return .answered(answer) }
                if state.running[arrival.key] != nil { return .joined }
                if state.queue.contains(where: { $0.key == arrival.key }) { return .joined }
            }
            if state.isDraining { return .refused(.draining(self.name)) }
            if state.runningCount < self.function.options.concurrency {
                state.runningCount += 1
                if !arrival.key.isEmpty { state.running[arrival.key] = .some(nil) }
                return .run
            }
            guard state.queue.count < self.function.options.queueLimit else {
                return .refused(.overloaded(self.name, retryAfterMilliseconds: 100))
            }
            state.queue.append(arrival)
            return .queued
        }
    }

    /// Names the task that a cancellation ends.
    func started(_ key: [UInt8], _ task: Task<Void, Never>) {
        self.state.withLock { state in
            if state.running[key] != nil { state.running[key] = .some(task) }
        }
    }

    /// - Parameter hasRun: whether the request may have run, so that a repetition of it gets the same answer.
    func answered(_ key: [UInt8], _ answer: MosquittoMessage, hasRun: Bool) {
        guard !key.isEmpty else { return }
        self.state.withLock { state in
            state.running[key] = nil
            guard hasRun, state.answers.updateValue(answer, forKey: key) == nil else { return }
            state.answerOrder.append(key)
            if state.answerOrder.count > Self.answersMax { state.answers[state.answerOrder.removeFirst()] = nil }
        }
    }

    /// A handler has ended; returns the request that takes its place.
    func ended() -> Arrival? {
        let (next, idle): (Arrival?, CheckedContinuation<Void, Never>?) = self.state.withLock { state in
            guard !state.queue.isEmpty else {
                state.runningCount -= 1
                guard state.runningCount == 0 else { return (nil, nil) }
                defer { state.idle = nil }
                return (nil, state.idle)
            }
            let next = state.queue.removeFirst()
            if !next.key.isEmpty { state.running[next.key] = .some(nil) }
            return (next, nil)
        }
        idle?.resume()
        return next
    }

    /// The caller has given up.
    func cancel(_ key: [UInt8]) {
        let task = self.state.withLock { state -> Task<Void, Never>? in
            state.queue.removeAll { $0.key == key }
            return state.running[key] ?? nil
        }
        task?.cancel()
    }

    /// Refuses everything new from now on.
    func drain() {
        self.state.withLock { $0.isDraining = true }
    }

    /// Waits until nothing runs any more.
    func waitUntilIdle() async {
        await withCheckedContinuation { continuation in
            let isIdle = self.state.withLock { state in
                guard state.runningCount > 0 else { return true }
                state.idle = continuation
                return false
            }
            if isIdle { continuation.resume() }
        }
    }
}

/// Where the answer of one request goes.
struct ReplyAddress: Sendable {
    var topic: String
    var correlation: [UInt8]?
    var isTopicForm: Bool
    var deadline: ContinuousClock.Instant

    func message(_ response: Response) -> MosquittoMessage {
        var message = MosquittoMessage(topic: self.topic, payload: response.payload.bytes, qos: 1)
        message.properties.contentType = response.contentType
        let isEmpty = response.payload.bytes.isEmpty
        self.complete(
            &message,
            [
                (PropertyName.status, isEmpty ? "204" : "200"), (PropertyName.executed, "yes"),
                (PropertyName.by, "host"),
            ])
        return message
    }

    /// An interim reply, its number counted from 1.
    func message(_ response: Response, interim number: Int) -> MosquittoMessage {
        var message = MosquittoMessage(topic: self.topic, payload: response.payload.bytes, qos: 1)
        message.properties.contentType = response.contentType
        self.complete(
            &message,
            [(PropertyName.status, "200"), (PropertyName.more, "1"), (PropertyName.sequence, "\(number)")])
        return message
    }

    func message(_ failure: Failure) -> MosquittoMessage {
        let topic = self.isTopicForm ? "\(self.topic)/err/\(failure.status)" : self.topic
        var message = MosquittoMessage(topic: topic, payload: Array(failure.payload.utf8), qos: 1)
        message.properties.contentType = Failure.contentType
        message.properties.payloadFormatIndicator = 1
        self.complete(&message, failure.userProperties)
        return message
    }

    private func complete(_ message: inout MosquittoMessage, _ properties: [(name: String, value: String)]) {
        message.properties.correlationData = self.correlation
        let left = (self.deadline - .now).milliseconds
        message.properties.messageExpiryInterval = UInt32(clamping: max(1, (left + 999) / 1000))
        message.properties.userProperties = properties
    }
}
