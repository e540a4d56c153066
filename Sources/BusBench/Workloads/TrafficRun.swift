import BusWire
import NIOCore

/// Runs the workloads whose messages flow one way: pairs, fan-out, fan-in, shared subscriptions, wildcards, latency.
final class TrafficRun: ClientUser {
    private let workload: Workload
    private let plan: TrafficPlan
    private let stage: Stage
    private var publishers: [Publisher] = []
    private var clients: [BenchClient] = []
    private var waiting: [Publisher] = []
    private var schedule: Schedule?
    private var nextPaced = 0
    private var isPumping = false
    private var lastStallCheck: UInt64 = 0
    private var tally: TrafficTally
    /// How many messages of each stream were sent, where a publisher has several.
    private var sentOfStream: [UInt64] = []
    private var randomState: UInt64 = 0x9E37_79B9_7F4A_7C15
    private var extras: [(name: String, value: Double)] = []

    init(_ workload: Workload, _ address: BrokerAddress) throws(BenchFailure) {
        self.workload = workload
        self.stage = try Stage(workload, address)
        self.plan = TrafficPlan(workload, prefix: self.stage.prefix)
        self.tally = TrafficTally(self.plan, payloadBytes: workload.payloadBytes)
        if workload.kind == .wildcard { self.sentOfStream = Array(repeating: 0, count: self.plan.streamCount) }
    }

    func run() throws(BenchFailure) -> BenchResult {
        try self.openSubscribers()
        try self.openPublishers()
        self.start()
        try self.stage.run(seconds: self.workload.warmUpSeconds, self.pump)
        self.tally.isMeasuring = true
        let before = try self.stage.sample(count: self.tally.deliveredCount)
        try self.stage.run(seconds: self.workload.seconds, self.pump)
        let after = try self.stage.sample(count: self.tally.deliveredCount)
        self.tally.isMeasuring = false
        self.isPumping = false
        try self.drain()
        var result = BenchResult(self.workload, self.stage.address, from: before, to: after)
        result.latency = self.tally.histogram.summary
        self.tally.faults.lost += self.lostCount
        result.faults = self.tally.faults
        result.extras = self.extras
        self.stage.close(self.clients)
        return result
    }

    // MARK: Clients

    private func openSubscribers() throws(BenchFailure) {
        let before = try self.stage.sample(count: 0)
        let plan = self.plan
        let subscribers = (0..<plan.subscriberCount).map { index in
            MQTTClient(
                .subscriber, index: index,
                subscriptions: SubscriptionList(count: plan.filterCount(ofSubscriber: index)) {
                    plan.filter($0, ofSubscriber: index)
                },
                settings: self.stage.clientSettings, user: self)
        }
        self.clients += subscribers
        try self.stage.open(subscribers)
        if self.workload.kind == .wildcard { try self.noteFilters(since: before) }
        try self.openBystanders()
    }

    private func noteFilters(since before: Sample) throws(BenchFailure) {
        let after = try self.stage.sample(count: 0)
        let filters = Double(self.plan.filterCount)
        self.extras.append(("filters_per_second", filters * 1e9 / Double(after.time - before.time)))
        if let first = before.broker, let last = after.broker {
            self.extras.append(("bytes_per_filter", Double(last.residentBytes - first.residentBytes) / filters))
        }
    }

    /// Clients and filters that are only there.
    private func openBystanders() throws(BenchFailure) {
        let plan = self.plan
        var bystanders = (0..<self.workload.idleSessions).map { index in
            MQTTClient(
                .bystander, index: index, subscriptions: .one(plan.idleFilter(index)),
                settings: self.stage.clientSettings, user: self)
        }
        if self.workload.kind != .wildcard, plan.filterCount > 0 {
            let filters = SubscriptionList(count: plan.filterCount) { plan.idleFilter($0) }
            bystanders.append(
                MQTTClient(
                    .bystander, index: bystanders.count, subscriptions: filters, settings: self.stage.clientSettings,
                    user: self))
        }
        self.clients += bystanders
        try self.stage.open(bystanders)
    }

    private func openPublishers() throws(BenchFailure) {
        let clients = (0..<self.plan.publisherCount).map { index in
            MQTTClient(.publisher, index: index, settings: self.stage.clientSettings, user: self)
        }
        self.clients += clients
        try self.stage.open(clients)
        self.publishers = clients.enumerated().map { index, client in
            Publisher(client, stream: index, topic: self.plan.topic(ofPublisher: index), self.workload)
        }
    }

    // MARK: Sending

    private func start() {
        let now = MonotonicClock.now()
        for publisher in self.publishers {
            publisher.start(window: self.workload.rate == nil ? self.workload.window : Int(UInt16.max))
            publisher.noteStart(now: now)
            self.queue(publisher)
        }
        self.schedule = self.workload.rate.map { Schedule(start: now + 1_000_000, rate: $0) }
        self.isPumping = true
    }

    @inline(__always)
    private func queue(_ publisher: Publisher) {
        guard !publisher.isQueued else { return }
        publisher.isQueued = true
        self.waiting.append(publisher)
    }

    private func pump(now: UInt64) -> UInt64? {
        guard self.isPumping else { return nil }
        if self.schedule != nil { return self.pumpPaced(now: now) }
        for publisher in self.waiting {
            publisher.isQueued = false
            let room = publisher.room(window: self.workload.window, copies: self.plan.copies)
            self.send(publisher, count: room, due: now)
        }
        self.waiting.removeAll(keepingCapacity: true)
        self.checkStalls(now: now)
        return now + 250_000_000
    }

    private func pumpPaced(now: UInt64) -> UInt64? {
        self.waiting.removeAll(keepingCapacity: true)
        // A publisher that may not send keeps its place: its messages are late, and their latency says so.
        while self.publishers[self.nextPaced].canSend {
            guard let due = self.schedule?.take(now: now) else { return self.schedule?.nextDue }
            self.send(self.publishers[self.nextPaced], count: 1, due: due)
            self.nextPaced = self.nextPaced + 1 == self.publishers.count ? 0 : self.nextPaced + 1
        }
        return now + 10_000_000
    }

    private func send(_ publisher: Publisher, count: Int, due: UInt64) {
        guard self.workload.kind == .wildcard else {
            publisher.send(count: count, due: due, copies: self.plan.copies)
            return
        }
        for _ in 0..<count { self.sendToItem(publisher, due: due) }
    }

    /// To one of the wildcard workload's topics.
    private func sendToItem(_ publisher: Publisher, due: UInt64) {
        guard let link = publisher.client.link else { return }
        let item = Int(self.random() % UInt64(self.plan.filterCount))
        let stream = publisher.stream * self.plan.subscriberCount + item % self.plan.subscriberCount
        let stamp = PayloadStamp(stream: UInt32(stream), sequence: self.sentOfStream[stream], time: due)
        self.sentOfStream[stream] += 1
        let start = publisher.send(stamp, copies: 1) + publisher.topicOffset
        let offsets = self.plan.itemOffsets
        let group = item / TrafficPlan.itemsPerGroup
        MessageTemplate.writeDigits(group, count: 3, at: start + offsets.group, in: &link.output)
        MessageTemplate.writeDigits(item, count: 7, at: start + offsets.item, in: &link.output)
    }

    /// The same sequence in each run, so that two brokers get the same topics.
    private func random() -> UInt64 {
        self.randomState ^= self.randomState << 13
        self.randomState ^= self.randomState >> 7
        self.randomState ^= self.randomState << 17
        return self.randomState >> 16
    }

    private func checkStalls(now: UInt64) {
        guard now > self.lastStallCheck + 250_000_000 else { return }
        self.lastStallCheck = now
        for publisher in self.publishers where publisher.forgive(now: now) { self.queue(publisher) }
    }

    // MARK: Receiving

    func received(_ message: ReceivedMessage, by client: BenchClient) {
        let now = self.stage.loop.now
        let subscriber = client.role == .subscriber ? client.index : nil
        guard let stream = self.tally.take(message.payload, subscriber: subscriber, now: now) else { return }
        let publisher = self.publishers[self.plan.publisher(ofStream: stream)]
        publisher.delivered(now: now)
        self.queue(publisher)
    }

    func acknowledged(_ identifier: PacketIdentifier, isError: Bool, by client: BenchClient) {
        guard client.role == .publisher else { return }
        let publisher = self.publishers[client.index]
        if isError || !publisher.acknowledged(identifier, now: self.stage.loop.now) { self.tally.faults.refused += 1 }
        self.queue(publisher)
    }

    func closed(_ client: BenchClient) {
        if !client.expectsClose { self.tally.faults.disconnected += 1 }
    }

    // MARK: The end

    /// Waits for what is under way, as long as something comes at least every three seconds.
    private func drain() throws(BenchFailure) {
        let expected = self.sentCount * self.plan.copies
        var idleSince = MonotonicClock.now()
        var seen = self.tally.deliveredCount
        while self.tally.deliveredCount < expected, MonotonicClock.now() < idleSince + 3_000_000_000 {
            try self.stage.loop.turn(until: MonotonicClock.now() + 20_000_000) { _ in nil }
            guard self.tally.deliveredCount != seen else { continue }
            seen = self.tally.deliveredCount
            idleSince = MonotonicClock.now()
        }
        // A moment more: a duplicate comes after the last message that was awaited.
        try self.stage.run(seconds: 0.05) { _ in nil }
    }

    private var sentCount: Int {
        if self.workload.kind == .wildcard { return Int(self.sentOfStream.reduce(0, +)) }
        return self.publishers.reduce(0) { $0 + Int($1.nextSequence) }
    }

    private var lostCount: Int {
        self.tally.lostCount(
            sent: self.workload.kind == .wildcard ? self.sentOfStream : self.publishers.map(\.nextSequence))
    }
}
