import BusWire

/// Runs the workloads of sessions: messages for sessions whose clients are away, each acknowledged, then the clients
/// come back and get them all.
///
/// The rate of `commit` is that of the acknowledgements, that of `durable` the rate of the drain; how fast the sessions
/// were filled is a figure of its own there. Latencies are those of the acknowledgements.
final class DurableRun: ClientUser {
    private typealias Subscriber = MQTTClient
    /// Without an acknowledgement or a delivery.
    private static let patienceNanoseconds: UInt64 = 10_000_000_000
    private let workload: Workload
    private let stage: Stage
    private var subscribers: [Subscriber] = []
    private var publishers: [Publisher] = []
    private var fillers: [SessionFiller] = []
    private var acknowledging = LatencyHistogram()
    private var trackers: [SequenceTracker]
    private var faults = Faults()
    private var sentCount = 0
    private var acknowledgedCount = 0
    private var deliveredCount = 0
    private var lastProgress: UInt64 = 0
    private let plan: TrafficPlan
    private let connectionCount: Int

    init(_ workload: Workload, _ address: BrokerAddress) throws(BenchFailure) {
        // A session for every publisher at least; the same number of streams, each for a session of its own.
        self.connectionCount = workload.publishers
        self.workload = workload.with { $0.publishers = max($0.subscribers, $0.publishers) }
        self.stage = try Stage(self.workload, address)
        self.plan = TrafficPlan(self.workload, prefix: self.stage.prefix)
        self.trackers = Array(repeating: SequenceTracker(), count: self.plan.subscriberCount)
    }

    func run() throws(BenchFailure) -> BenchResult {
        try self.openSessions(isClean: false, filters: true)
        self.stage.close(self.subscribers)
        let before = try self.stage.sample(count: 0)
        try self.fill()
        let filled = try self.stage.sample(count: self.acknowledgedCount)
        let begun = try self.stage.sample(count: 0)
        try self.drain()
        let after = try self.stage.sample(count: self.deliveredCount)
        let present = self.subscribers.count(where: \.isSessionPresent)
        // A moment more, for duplicates and for the last acknowledgements to leave.
        try self.stage.run(seconds: 0.2) { _ in nil }
        self.stage.close(self.subscribers)
        // The sessions go, or the next run would find them.
        try self.openSessions(isClean: true, filters: false)
        self.stage.close(self.subscribers)
        self.faults.lost += self.trackers.enumerated().reduce(0) {
            $0 + $1.element.missingCount(of: self.publishers[$1.offset].nextSequence)
        }
        let isOfCommits = self.workload.kind == .commit
        var result = BenchResult(
            self.workload, self.stage.address, from: isOfCommits ? before : begun, to: isOfCommits ? filled : after)
        result.latency = self.acknowledging.summary
        result.faults = self.faults
        let fillSeconds = Double(filled.time - before.time) / 1e9
        result.extras = [
            ("filled_per_second", Double(self.acknowledgedCount) / fillSeconds),
            ("sessions_present", Double(present)),
        ]
        if let first = before.broker, let last = filled.broker {
            let microseconds = UsageDifference(first, last).processorSeconds * 1e6
            let bytes = Double(last.residentBytes - first.residentBytes)
            result.extras.append(("fill_us_per_message", microseconds / Double(self.workload.count)))
            result.extras.append(("bytes_per_message", bytes / Double(self.workload.count)))
        }
        return result
    }

    private func openSessions(isClean: Bool, filters: Bool) throws(BenchFailure) {
        let plan = self.plan
        var settings = self.stage.clientSettings
        settings.cleanStart = isClean
        settings.sessionExpiry = isClean ? 0 : 3600
        self.subscribers = (0..<plan.subscriberCount).map { index in
            MQTTClient(
                .subscriber, index: index,
                subscriptions: filters ? .one(plan.filter(0, ofSubscriber: index)) : .none, settings: settings,
                user: self)
        }
        try self.stage.open(self.subscribers)
    }

    // MARK: Filling

    private func fill() throws(BenchFailure) {
        self.fillers = (0..<self.connectionCount).map { index in
            SessionFiller(MQTTClient(.publisher, index: index, settings: self.stage.clientSettings, user: self))
        }
        let clients = self.fillers.map(\.client)
        try self.stage.open(clients)
        self.publishers = (0..<self.plan.publisherCount).map { index in
            Publisher(
                clients[index % clients.count], stream: index, topic: self.plan.topic(ofPublisher: index),
                self.workload)
        }
        for (index, filler) in self.fillers.enumerated() {
            let streams = stride(from: index, to: self.publishers.count, by: self.fillers.count)
            filler.start(streams.map { self.publishers[$0] }, window: self.workload.window)
        }
        self.lastProgress = MonotonicClock.now()
        while self.acknowledgedCount < self.workload.count {
            try self.stage.loop.turn(until: MonotonicClock.now() + 20_000_000, self.pump)
            try self.checkProgress("acknowledged \(self.acknowledgedCount) of \(self.workload.count) messages")
        }
        self.stage.close(clients)
    }

    private func pump(now: UInt64) -> UInt64? {
        for filler in self.fillers where self.sentCount < self.workload.count {
            self.sentCount += filler.send(most: self.workload.count - self.sentCount, now: now)
        }
        return nil
    }

    func acknowledged(_ identifier: PacketIdentifier, isError: Bool, by client: BenchClient) {
        guard client.role == .publisher else { return }
        if let time = self.fillers[client.index].acknowledged(identifier, now: self.stage.loop.now) {
            self.acknowledging.add(time)
            if isError { self.faults.refused += 1 }
        } else {
            self.faults.refused += 1
        }
        self.acknowledgedCount += 1
        self.lastProgress = self.stage.loop.now
    }

    // MARK: Draining

    private func drain() throws(BenchFailure) {
        try self.openSessions(isClean: false, filters: false)
        self.lastProgress = MonotonicClock.now()
        while self.deliveredCount < self.workload.count {
            try self.stage.loop.turn(until: MonotonicClock.now() + 20_000_000) { _ in nil }
            // What does not come is lost, and reported as such.
            guard MonotonicClock.now() < self.lastProgress + Self.patienceNanoseconds else { return }
        }
    }

    func received(_ message: ReceivedMessage, by client: BenchClient) {
        guard let stamp = PayloadStamp(message.payload, expectedBytes: self.workload.payloadBytes) else {
            self.faults.corrupted += 1
            return
        }
        self.deliveredCount += 1
        self.lastProgress = self.stage.loop.now
        guard let tracker = self.plan.tracker(ofStream: Int(stamp.stream), subscriber: client.index) else {
            self.faults.misrouted += 1
            return
        }
        self.faults.note(self.trackers[tracker].see(stamp.sequence))
    }

    func closed(_ client: BenchClient) {
        if !client.expectsClose { self.faults.disconnected += 1 }
    }

    private func checkProgress(_ state: String) throws(BenchFailure) {
        guard MonotonicClock.now() < self.lastProgress + Self.patienceNanoseconds else {
            throw BenchFailure("the broker \(state), then nothing for ten seconds")
        }
    }
}
