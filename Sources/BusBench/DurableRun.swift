import BusWire

/// Runs the durable workload: messages for sessions whose clients are away, acknowledged one by one, then the clients
/// come back and get them all.
///
/// The rate is that of the drain; how fast the sessions were filled is a figure of its own.
final class DurableRun: ClientUser {
    private typealias Subscriber = MQTTClient
    /// Without an acknowledgement or a delivery.
    private static let patienceNanoseconds: UInt64 = 10_000_000_000
    private let workload: Workload
    private let stage: Stage
    private var subscribers: [Subscriber] = []
    private var publishers: [Publisher] = []
    private var trackers: [SequenceTracker]
    private var faults = Faults()
    private var sentCount = 0
    private var acknowledgedCount = 0
    private var deliveredCount = 0
    private var lastProgress: UInt64 = 0
    private var isPumping = false
    private let plan: TrafficPlan

    init(_ workload: Workload, _ address: BrokerAddress) throws(BenchFailure) {
        self.workload = workload.with { $0.publishers = $0.subscribers }
        self.stage = try Stage(self.workload, address)
        self.plan = TrafficPlan(self.workload, prefix: self.stage.prefix)
        self.trackers = Array(repeating: SequenceTracker(), count: self.plan.subscriberCount)
    }

    func run() throws(BenchFailure) -> BenchResult {
        try self.openSessions(isClean: false, filters: true)
        self.stage.close(self.subscribers)
        let before = try self.stage.sample(count: 0)
        try self.fill()
        let filled = try self.stage.sample(count: 0)
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
        var result = BenchResult(self.workload, self.stage.address, from: filled, to: after)
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

    /// One connection publishes for all sessions in turn.
    private func fill() throws(BenchFailure) {
        let client = MQTTClient(.publisher, index: 0, settings: self.stage.clientSettings, user: self)
        try self.stage.open([client])
        self.publishers = (0..<self.plan.publisherCount).map { index in
            Publisher(client, stream: index, topic: self.plan.topic(ofPublisher: index), self.workload)
        }
        // All share one connection, so one of them keeps the packet identifiers of all.
        let window = min(self.workload.window, client.receiveMaximum)
        self.identifiers = PacketIdentifierPool(capacity: window)
        self.isPumping = true
        self.lastProgress = MonotonicClock.now()
        while self.acknowledgedCount < self.workload.count {
            try self.stage.loop.turn(until: MonotonicClock.now() + 20_000_000, self.pump)
            try self.checkProgress("acknowledged \(self.acknowledgedCount) of \(self.workload.count) messages")
        }
        self.isPumping = false
        self.stage.close([client])
    }

    private var identifiers = PacketIdentifierPool(capacity: 1)

    private func pump(now: UInt64) -> UInt64? {
        guard self.identifiers.freeCount >= max(1, self.identifiers.capacity / 4) else { return nil }
        while self.sentCount < self.workload.count, self.identifiers.freeCount > 0 {
            let publisher = self.publishers[self.sentCount % self.publishers.count]
            guard publisher.canSend else { return nil }
            publisher.send(due: now, identifier: self.identifiers.take())
            self.sentCount += 1
        }
        return nil
    }

    func acknowledged(_ identifier: PacketIdentifier, isError: Bool, by client: BenchClient) {
        guard client.role == .publisher else { return }
        if isError || !self.identifiers.giveBack(identifier) { self.faults.refused += 1 }
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
