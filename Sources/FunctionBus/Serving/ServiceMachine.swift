import BusContract

/// What a function that is served does with its calls: which run, which wait, which are refused or were answered already.
///
/// | state | request | handler ends | drain |
/// |---|---|---|---|
/// | fewer than `concurrency` run | runs | – | – |
/// | all places taken | waits, or 429 when the queue is full | the first that waits runs | – |
/// | draining | 503 | the first that waits runs | idle when nothing runs |
///
/// The same request twice is run once: while it waits or runs the second is dropped, for one answer serves both;
/// afterwards it gets the same answer. With another payload it is refused with 409.
struct ServiceMachine: Sendable {
    /// A request on its way through the service: one object, since it is handed on several times and has many parts.
    final class Arrival: Sendable {
        let request: Request
        let reply: ReplyAddress
        /// Tells it from others, where the caller gave something to tell it by.
        let key: CallKey
        /// Of the payload.
        let digest: Int
        let scope: CallScope

        init(request: Request, reply: ReplyAddress, key: CallKey, digest: Int, scope: CallScope) {
            self.request = request
            self.reply = reply
            self.key = key
            self.digest = digest
            self.scope = scope
        }
    }

    /// A call whose handler runs.
    struct Running: Sendable {
        var arrival: Arrival
        var startedAt: ContinuousClock.Instant
        /// When it is answered without its handler.
        var limit: ContinuousClock.Instant
        var isAnswered = false
    }

    enum Admission: Sendable {
        /// Run it now, under this number.
        case run(UInt64)
        /// It runs when another one has ended.
        case queued
        /// It waits or runs already; its answer will come.
        case joined
        /// It was answered: say it again.
        case answered(ApplicationMessage)
        case refused(Failure)
    }

    /// What a cancellation has met.
    enum Cancellation: Sendable {
        /// It waited, and does no more.
        case waiting(Arrival)
        /// It runs under this number.
        case running(UInt64)
        case unknown
    }

    /// What follows from a handler's end.
    struct Succession: Sendable {
        /// It takes the free place.
        var next: (number: UInt64, arrival: Arrival)?
        /// Their deadline passed while they waited.
        var expired: [Arrival] = []
        var isIdle = false
    }

    /// Since the function is served.
    struct Counts: Sendable, Equatable {
        var answered = 0
        var failed = 0
        var refused = 0
        var replayed = 0
        /// Smoothed over the last calls.
        var meanService = Duration.zero
    }

    let name: BusContract.FunctionName
    private let concurrency: Int
    private let queueLimit: Int
    private let timeout: Duration
    private(set) var running: [UInt64: Running] = [:]
    private var numberOfKey: [CallKey: UInt64] = [:]
    private(set) var queue: [Arrival] = []
    private var cache = AnswerCache()
    private(set) var isDraining = false
    private(set) var counts = Counts()
    private var lastNumber: UInt64 = 0
    /// An answer is kept at least so long.
    static let keepMin = Duration.seconds(60)

    init(_ name: BusContract.FunctionName, _ options: ServeOptions) {
        self.name = name
        self.concurrency = max(1, options.concurrency)
        self.queueLimit = max(0, options.queueLimit)
        self.timeout = options.timeout
    }

    var isIdle: Bool { self.running.isEmpty && self.queue.isEmpty }
    /// When the next running call has to be answered without its handler.
    var nextLimit: ContinuousClock.Instant? {
        self.running.values.lazy.filter { !$0.isAnswered }.map(\.limit).min()
    }

    // MARK: Inputs

    mutating func admit(_ arrival: Arrival, now: ContinuousClock.Instant) -> Admission {
        if let known = self.duplicate(of: arrival, now: now) { return known }
        if self.isDraining { return self.refuse(.draining(self.name)) }
        if self.running.count < self.concurrency { return .run(self.start(arrival, now: now)) }
        guard self.queue.count < self.queueLimit else {
            return self.refuse(.overloaded(self.name, retryAfterMilliseconds: self.retryAfterMilliseconds))
        }
        self.queue.append(arrival)
        return .queued
    }

    /// The answer of a running call is about to be given; `nil` when it was answered already.
    mutating func answer(_ number: UInt64) -> Arrival? {
        guard var call = self.running[number], !call.isAnswered else { return nil }
        call.isAnswered = true
        self.running[number] = call
        return call.arrival
    }

    /// Keeps what was answered, where a repetition of the request must not run again: it succeeded, or its handler
    /// says that it ran.
    mutating func answered(
        _ arrival: Arrival, with answer: ApplicationMessage, _ failure: Failure?, now: ContinuousClock.Instant
    ) {
        if failure == nil { self.counts.answered += 1 } else { self.counts.failed += 1 }
        if let number = self.numberOfKey[arrival.key], self.running[number]?.isAnswered != false {
            self.numberOfKey.removeValue(forKey: arrival.key)
        }
        guard !arrival.key.isNone, failure.map({ $0.executed == .yes }) ?? true else { return }
        let entry = AnswerCache.Entry(
            digest: arrival.digest, answer: answer, attempt: arrival.request.attempt, isSuccess: failure == nil,
            expiresAt: max(arrival.reply.deadline, now + Self.keepMin), byteCount: 0)
        self.cache.keep(entry, under: arrival.key, of: arrival.reply.client, now: now)
    }

    /// A handler has ended, answered or not.
    mutating func ended(_ number: UInt64, now: ContinuousClock.Instant) -> Succession {
        if let call = self.running.removeValue(forKey: number) {
            // Unless its answer has taken it out.
            if !call.isAnswered, self.numberOfKey[call.arrival.key] == number {
                self.numberOfKey.removeValue(forKey: call.arrival.key)
            }
            let mean = self.counts.meanService
            let service = now - call.startedAt
            self.counts.meanService = mean == .zero ? service : mean + (service - mean) / 8
        }
        var succession = Succession()
        while let next = self.queue.first {
            self.queue.removeFirst()
            guard next.reply.deadline > now else {
                succession.expired.append(next)
                continue
            }
            succession.next = (self.start(next, now: now), next)
            break
        }
        succession.isIdle = self.isIdle
        return succession
    }

    /// The running calls that are answered without their handlers now.
    mutating func overdue(at now: ContinuousClock.Instant) -> [(number: UInt64, arrival: Arrival, failure: Failure)] {
        let numbers = self.running.filter { !$0.value.isAnswered && $0.value.limit <= now }.keys.sorted()
        return numbers.compactMap { number in
            guard let arrival = self.answer(number) else { return nil }
            let isCallers = arrival.reply.deadline <= now
            let failure: Failure =
                isCallers
                ? .deadline(self.name, executed: .maybe)
                : .executionTimeout(self.name, milliseconds: UInt64(clamping: self.timeout.milliseconds))
            return (number, arrival, failure)
        }
    }

    mutating func cancel(_ key: CallKey) -> Cancellation {
        guard !key.isNone else { return .unknown }
        if let number = self.numberOfKey[key] { return .running(number) }
        guard let index = self.queue.firstIndex(where: { $0.key == key }) else { return .unknown }
        return .waiting(self.queue.remove(at: index))
    }

    /// Refuses everything new from now on.
    mutating func drain() {
        self.isDraining = true
    }

    /// The time to drain is over: everything that is left is given up.
    mutating func abandon() -> (running: [(number: UInt64, arrival: Arrival)], waiting: [Arrival]) {
        let waiting = self.queue
        self.queue = []
        let numbers = self.running.keys.sorted()
        return (numbers.compactMap { number in self.answer(number).map { (number, $0) } }, waiting)
    }

    // MARK: Steps

    private mutating func start(_ arrival: Arrival, now: ContinuousClock.Instant) -> UInt64 {
        self.lastNumber += 1
        let limit = min(arrival.reply.deadline, now + self.timeout)
        self.running[self.lastNumber] = Running(arrival: arrival, startedAt: now, limit: limit)
        if !arrival.key.isNone { self.numberOfKey[arrival.key] = self.lastNumber }
        return self.lastNumber
    }

    private mutating func duplicate(of arrival: Arrival, now: ContinuousClock.Instant) -> Admission? {
        guard !arrival.key.isNone else { return nil }
        let open =
            self.numberOfKey[arrival.key].flatMap { self.running[$0]?.arrival }
            ?? self.queue.first { $0.key == arrival.key }
        if let open {
            return open.digest == arrival.digest ? .joined : self.refuse(.duplicateMismatch(self.name))
        }
        let finding = self.cache.find(
            arrival.key, of: arrival.reply.client, digest: arrival.digest, attempt: arrival.request.attempt, now: now)
        switch finding {
        case .unknown: return nil
        case .mismatch: return self.refuse(.duplicateMismatch(self.name))
        case .answer(let answer):
            self.counts.replayed += 1
            return .answered(answer)
        }
    }

    private mutating func refuse(_ failure: Failure) -> Admission {
        self.counts.refused += 1
        return .refused(failure)
    }

    /// As long as those that wait take now, from the measured time of a call.
    private var retryAfterMilliseconds: Int {
        let rounds = Double(self.queue.count) / Double(self.concurrency) + 1
        return Int(clamping: (self.counts.meanService * rounds).milliseconds).clamped(to: 10...5000)
    }
}

extension Int {
    fileprivate func clamped(to range: ClosedRange<Int>) -> Int {
        Swift.min(Swift.max(self, range.lowerBound), range.upperBound)
    }
}
