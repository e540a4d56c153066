import BusContract
import BusWire
import NIOCore

/// Runs calls: callers that have requests under way, and instances that echo them, here or in a function host.
///
/// A reply must carry the correlation data of a call of the caller that it reaches, and the payload of that very call.
final class CallRun: ClientUser {
    private static let timeoutNanoseconds: UInt64 = 5_000_000_000
    private let workload: Workload
    private let stage: Stage
    private let isNATS: Bool
    private var callers: [Caller] = []
    private var instances: [Instance] = []
    private var schedule: Schedule?
    private var nextPaced = 0
    private var isPumping = false
    private var isMeasuring = false
    private var lastExpiry: UInt64 = 0
    private var answeredCount = 0
    private var histogram = LatencyHistogram()
    private var faults = Faults()

    init(_ workload: Workload, _ address: BrokerAddress) throws(BenchFailure) {
        self.workload = workload
        self.stage = try Stage(workload, address)
        self.isNATS = address.natsPort != nil
    }

    func run() throws(BenchFailure) -> BenchResult {
        let names = try CallNames(self.workload.mode)
        let ownInstances = self.workload.kind == .hosted ? 0 : self.workload.instances
        self.instances = (0..<ownInstances).map { self.instance($0, names) }
        try self.stage.open(self.instances.map(\.client))
        self.callers = (0..<self.workload.callers).map { self.caller($0, names) }
        try self.stage.open(self.callers.map(\.client))
        for caller in self.callers { caller.start() }
        self.schedule = self.workload.rate.map { Schedule(start: MonotonicClock.now() + 1_000_000, rate: $0) }
        self.isPumping = true
        try self.stage.run(seconds: self.workload.warmUpSeconds, self.pump)
        self.isMeasuring = true
        let before = try self.stage.sample(count: self.answeredCount)
        try self.stage.run(seconds: self.workload.seconds, self.pump)
        let after = try self.stage.sample(count: self.answeredCount)
        self.isMeasuring = false
        self.isPumping = false
        try self.drain()
        var result = BenchResult(self.workload, self.stage.address, from: before, to: after)
        result.latency = self.histogram.summary
        self.faults.lost += self.callers.reduce(0) { $0 + $1.busyCount }
        result.faults = self.faults
        self.stage.close(self.instances.map(\.client) + self.callers.map(\.client))
        return result
    }

    private func instance(_ index: Int, _ names: CallNames) -> Instance {
        guard !self.isNATS else {
            let client = NATSClient(
                .instance, index: index, subscriptions: .one(names.subject), queueGroup: "bench", user: self)
            return Instance(client, self.workload, version: nil)
        }
        let settings = self.stage.clientSettings
        let client = MQTTClient(
            .instance, index: index, subscriptions: .one(names.requestFilter), settings: settings, user: self)
        return Instance(client, self.workload, version: settings.version)
    }

    private func caller(_ index: Int, _ names: CallNames) -> Caller {
        guard !self.isNATS else {
            let inbox = "_INBOX.\(self.stage.prefix).\(index)."
            let client = NATSClient(.caller, index: index, subscriptions: .one(inbox + "*"), user: self)
            let template = MessageTemplate(
                subject: names.subject, inbox: inbox, payloadBytes: self.workload.payloadBytes)
            return Caller(client, template, slots: self.workload.inFlight)
        }
        let settings = self.stage.clientSettings
        let identifier = "\(settings.prefix)-\(BenchClient.Role.caller.rawValue)\(index)"
        let client = MQTTClient(
            .caller, index: index, subscriptions: .one(names.replyFilter(of: identifier)), settings: settings,
            user: self)
        let replyTopic = names.replyTopic(of: identifier)
        let isOneWay = self.workload.mode == .task
        let template = MessageTemplate(
            topic: names.requestTopic, responseTopic: isOneWay ? nil : replyTopic,
            userProperty: isOneWay ? (PropertyName.onSuccess, replyTopic) : nil, qos: self.workload.qos,
            payloadBytes: self.workload.payloadBytes, version: settings.version)
        return Caller(client, template, slots: self.workload.inFlight)
    }

    // MARK: Calling

    private func pump(now: UInt64) -> UInt64? {
        guard self.isPumping else { return nil }
        self.expire(now: now)
        if self.schedule != nil { return self.pumpPaced(now: now) }
        for caller in self.callers {
            while caller.canCall { caller.call(due: now) }
        }
        return now + 250_000_000
    }

    private func pumpPaced(now: UInt64) -> UInt64? {
        while true {
            // All busy: the schedule stands, and the wait counts.
            guard let index = self.nextFreeCaller() else { return now + 10_000_000 }
            guard let due = self.schedule?.take(now: now) else { return self.schedule?.nextDue }
            self.callers[index].call(due: due)
            self.nextPaced = (index + 1) % self.callers.count
        }
    }

    private func nextFreeCaller() -> Int? {
        for offset in self.callers.indices {
            let index = (self.nextPaced + offset) % self.callers.count
            if self.callers[index].canCall { return index }
        }
        return nil
    }

    private func expire(now: UInt64) {
        guard now > self.lastExpiry + 500_000_000 else { return }
        self.lastExpiry = now
        for caller in self.callers {
            self.faults.lost += caller.expire(before: now &- Self.timeoutNanoseconds)
        }
    }

    // MARK: Answering

    func received(_ message: ReceivedMessage, by client: BenchClient) {
        if client.role == .instance {
            if !self.instances[client.index].answer(message) { self.faults.misrouted += 1 }
            return
        }
        self.answered(message, self.callers[client.index])
    }

    private func answered(_ message: ReceivedMessage, _ caller: Caller) {
        guard let stamp = PayloadStamp(message.payload, expectedBytes: self.workload.payloadBytes) else {
            self.refused(message, caller)
            return
        }
        guard Int(stamp.stream) == caller.client.index else {
            self.faults.misrouted += 1
            return
        }
        // What reports the success of a one-way call is no answer and has no correlation data.
        if let publish = message.publish, self.workload.mode != .task {
            let correlation = publish.properties.correlationData
            guard correlation == Caller.correlation(caller.client.index, stamp.sequence) else {
                self.faults.misrouted += 1
                return
            }
        }
        guard let due = caller.finish(stamp.sequence) else {
            self.faults.duplicated += 1
            return
        }
        self.answeredCount += 1
        let now = self.stage.loop.now
        if self.isMeasuring { self.histogram.add(now > due ? now - due : 0) }
    }

    /// A failure that the platform sent, or a reply that is not what was sent.
    private func refused(_ message: ReceivedMessage, _ caller: Caller) {
        let properties = message.publish?.properties
        guard properties?.firstUserProperty(named: PropertyName.status) != nil, let data = properties?.correlationData
        else {
            self.faults.corrupted += 1
            return
        }
        self.faults.refused += 1
        if let number = data.getInteger(at: data.readerIndex + 8, as: UInt64.self) { _ = caller.finish(number) }
    }

    func acknowledged(_ identifier: PacketIdentifier, isError: Bool, by client: BenchClient) {
        // A refused request gets a refusing reply too, on our broker; on others the call runs into its time limit.
        switch client.role {
        case .caller: self.callers[client.index].acknowledged(identifier)
        case .instance: self.instances[client.index].acknowledged(identifier)
        case .publisher, .subscriber, .bystander: break
        }
    }

    func closed(_ client: BenchClient) {
        if !client.expectsClose { self.faults.disconnected += 1 }
    }

    private func drain() throws(BenchFailure) {
        let deadline = MonotonicClock.now() + Self.timeoutNanoseconds
        while self.callers.contains(where: { $0.busyCount > 0 }), MonotonicClock.now() < deadline {
            try self.stage.loop.turn(until: MonotonicClock.now() + 20_000_000) { _ in nil }
        }
    }
}

/// Where calls go and where their replies come.
struct CallNames {
    let requestTopic: String
    let requestFilter: String
    /// In the NATS protocol.
    let subject = "bench.echo"
    private let mode: Workload.CallMode

    /// The benchmark's function.
    static let function = (service: "bench", function: "echo")

    init(_ mode: Workload.CallMode) throws(BenchFailure) {
        self.mode = mode
        switch mode {
        case .fc, .task:
            do throws(ContractError) {
                let name = try FunctionName(service: Self.function.service, function: Self.function.function)
                self.requestTopic = (mode == .task ? CallTopic.async(name, nil) : CallTopic.request(name, nil)).string
                self.requestFilter = CallFilter.requests(of: name)
            } catch {
                throw BenchFailure("the benchmark's function has no valid name: \(error)")
            }
        case .share:
            self.requestTopic = "bench/echo/request"
            self.requestFilter = "$share/bench/bench/echo/request"
        }
    }

    func replyTopic(of client: String) -> String {
        switch self.mode {
        case .fc: CallTopic.reply(client: ClientName.encode(client), call: nil, errorStatus: nil).string
        case .share, .task: "bench/echo/reply/\(client)"
        }
    }

    func replyFilter(of client: String) -> String {
        switch self.mode {
        case .fc: CallFilter.replies(to: client)
        case .share, .task: self.replyTopic(of: client)
        }
    }
}
