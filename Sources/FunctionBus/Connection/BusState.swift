import BusContract
import BusTopics

/// What a connection remembers between events: who waits for what, and what to restore after a reconnect.
///
/// A machine: events go in, and `Effect`s come out, which are carried out after the lock is left.
struct BusState: Sendable {
    enum Link: Sendable, Equatable {
        /// `failure` says why the last attempt failed.
        case connecting(failure: Failure?)
        case connected(isFcbus: Bool)
        case closed

        struct Failure: Sendable, Equatable {
            var message: String
            /// The broker itself said no.
            var isRefusal = false
        }
    }

    /// What must be there before the first call: the reply subscription, and elsewhere than on fcbus the knowledge of
    /// who serves what.
    enum Readiness: Sendable, Equatable {
        case none
        /// Some task is at it.
        case pending
        case ready
    }

    /// What a wait ends with.
    enum Outcome: Sendable {
        /// What was waited for is there: a connection, an instance, the preparations.
        case reached
        case acknowledged(reasonCode: Int)
        case subscribed(reasonCode: Int)
        case replied(ApplicationMessage)
    }

    /// What a task waits for, besides the outcome itself.
    struct Expectation: Sendable {
        /// What a timeout means here: asked only when there is one.
        var timeoutError: @Sendable () -> BusError
        /// Whose answer is awaited, `service/function`.
        var function: String?
        /// Hears of interim replies; called on the transport's thread.
        var onProgress: (@Sendable (Reply) -> Void)?
    }

    /// How the task of a waiter is woken.
    struct Wakening: Sendable {
        var expectation: Expectation
        var continuation: CheckedContinuation<Result<Outcome, BusError>, Never>
    }

    /// A filter that somebody reads.
    struct Subscription: Sendable {
        var filter: TopicFilter
        var qos: Int
        var readers: [UInt64: MessageQueue] = [:]
    }

    enum Effect: Sendable {
        case wake(Wakening, Result<Outcome, BusError>)
        case report(Wakening, Reply)
        case serve(ApplicationMessage, CallTopic, Service)
        case control(ApplicationMessage, verb: String, [Service])
        /// Say catalog and presence.
        case announce([Service])
        /// Subscribe and register again.
        case restore([(filter: String, qos: Int)], [Service])
    }

    /// What a batch of events leads to.
    struct Effects: Sendable {
        var list: [Effect] = []
        /// Gathered by reader: each is woken once for a batch.
        private(set) var deliveries: [(queue: MessageQueue, messages: [BusMessage])] = []

        init(capacity: Int) {
            self.list.reserveCapacity(capacity)
        }

        mutating func append(_ effect: Effect) { self.list.append(effect) }

        mutating func deliver(_ message: BusMessage, to queue: MessageQueue) {
            if let index = self.deliveries.firstIndex(where: { $0.queue === queue }) {
                self.deliveries[index].messages.append(message)
            } else {
                self.deliveries.append((queue, [message]))
            }
        }
    }

    var link = Link.connecting(failure: nil)
    /// Of the broker, as its last CONNACK said, or as it said when it was asked for one.
    private(set) var hasSharedSubscriptions = true
    private var hasRefusedSharing = false
    /// Counts connections.
    private(set) var generation = 0
    var waiters = WaiterTable<Wakening>()
    var subscriptions: [String: Subscription] = [:]
    var services: [BusContract.FunctionName: Service] = [:]
    /// What `services` have subscribed to on this connection: ejabberd 23.01 takes a filter from all others, too, when
    /// one unsubscribes from it that has not subscribed.
    var servedFilters: Set<String> = []
    /// Those of `services` that drain.
    var leaving: Set<BusContract.FunctionName> = []
    /// Those of `services` that presence does not name yet.
    var joining: Set<BusContract.FunctionName> = []
    /// Used where the broker has no shared subscriptions.
    var view: InstanceView
    var readiness = Readiness.none
    var known = KnownFunctions()
    /// Messages of QoS 0 on their way to the socket, of which nobody waits to hear.
    var unwritten: Set<Int32> = []
    static let unwrittenMax = 1000
    /// "Shared Subscriptions not supported".
    static let sharingRefused = 0x9E
    /// By function, for those whose calls were repeated.
    var retryBudgets: [BusContract.FunctionName: RetryBudget] = [:]
    /// Replies that nobody waited for any more.
    var lateReplyCount = 0
    /// Services whose instances were asked to say who they are, on a broker that does not know calls.
    private var asked: Set<String> = []
    /// When the sweep that ends overdue waits is set to run.
    var sweepAt: ContinuousClock.Instant?
    var sweep: Task<Void, Never>?
    let replyTopic: String
    private let replyFilter: String
    /// The percent-encoded client identifier.
    let instance: String
    private var lastIdentifier: UInt64 = 0
    private var topics = KnownTopics()

    init(clientIdentifier: String) {
        self.instance = ClientName.encode(clientIdentifier)
        self.view = InstanceView(own: self.instance)
        self.replyTopic = CallTopic.reply(client: self.instance, call: nil, errorStatus: nil).string
        self.replyFilter = CallFilter.replies(to: clientIdentifier)
    }

    var isFcbus: Bool { self.link == .connected(isFcbus: true) }
    /// Nothing stands between a call and its request: what all but the first find.
    var isReadyOnFcbus: Bool { self.readiness == .ready && self.isFcbus }

    /// Whether every instance gets every request, and the view says whose it is.
    var servesPlainly: Bool { !self.hasSharedSubscriptions && !self.isFcbus }

    var isConnected: Bool {
        if case .connected = self.link { true } else { false }
    }

    mutating func makeIdentifier() -> UInt64 {
        self.lastIdentifier += 1
        return self.lastIdentifier
    }

    /// Whether the broker does not know calls, and nobody would answer one of this function.
    func isUnserved(_ function: String) -> Bool {
        !self.isFcbus && self.known.isComplete && self.known.standing(of: function) == .noInstance
    }

    /// Whether the instances could tell more of a function than is known: once for each service. Where there are no
    /// shared subscriptions, retained messages may be incomplete, too.
    mutating func mustAsk(about name: BusContract.FunctionName) -> Bool {
        guard !self.isFcbus else { return false }
        return (self.servesPlainly || self.known.standing(of: name.description) == .unannounced)
            && self.asked.insert(name.service).inserted
    }

    /// Whether the connection reads a filter for its own sake, besides those who subscribe to it.
    func isReadByItself(_ filter: String) -> Bool {
        if filter == CallFilter.instances, self.servesPlainly, !self.services.isEmpty { return true }
        return self.readiness != .none && !self.isFcbus
            && (filter == CallFilter.catalog || filter == CallFilter.instances)
    }

    /// The broker has answered a shared subscription with 0x9E, or ended the connection over it: it is not asked again.
    mutating func sharingWasRefused() {
        self.hasRefusedSharing = true
        self.hasSharedSubscriptions = false
        if self.servesPlainly { self.joining.formUnion(self.services.keys) }
    }

    // MARK: Events

    mutating func receive(_ event: TransportEvent, effects: inout Effects) {
        switch event {
        case .connected(let isFcbus, let hasSharedSubscriptions):
            self.hasSharedSubscriptions = hasSharedSubscriptions && !self.hasRefusedSharing
            self.connected(isFcbus: isFcbus, effects: &effects)
        case .refused(let code):
            guard self.link != .closed else { return }
            let message = "the broker refused the connection with reason code \(code)"
            self.link = .connecting(failure: Link.Failure(message: message, isRefusal: true))
        case .dismissed(let code):
            if code == Self.sharingRefused { self.sharingWasRefused() }
        case .disconnected(let reason): self.disconnected(reason, effects: &effects)
        case .published(let packet, let code):
            // On fcbus the reply follows and says more than the code.
            guard self.unwritten.remove(packet) == nil else { return }
            let endsCalls = !self.isFcbus && (code >= 0x80 || code == 0x10)
            if let waiter = self.waiters.acknowledged(packet: packet, endsCalls: endsCalls) {
                effects.append(.wake(waiter.handle, .success(.acknowledged(reasonCode: code))))
            }
        case .subscribed(let packet, let code):
            self.wake(self.waiters.take(packet: packet), .subscribed(reasonCode: code), effects: &effects)
        case .unsubscribed(let packet):
            self.wake(self.waiters.take(packet: packet), .subscribed(reasonCode: 0), effects: &effects)
        case .message(let message):
            if message.topic == self.replyTopic {
                self.replied(message, effects: &effects)
            } else {
                self.received(message, effects: &effects)
            }
        }
    }

    private func wake(_ waiter: WaiterTable<Wakening>.Waiter?, _ outcome: Outcome, effects: inout Effects) {
        if let waiter { effects.append(.wake(waiter.handle, .success(outcome))) }
    }

    /// A lost connection took the subscriptions with it.
    private mutating func connected(isFcbus: Bool, effects: inout Effects) {
        self.link = .connected(isFcbus: isFcbus)
        self.generation += 1
        self.known.forget()
        self.view.forget()
        self.servedFilters = []
        self.asked = []
        self.joining = self.servesPlainly ? Set(self.services.keys) : []
        // Who prepares when the connection is lost is told so, and begins anew.
        if self.readiness == .ready, !isFcbus { self.readiness = .none }
        var filters = self.subscriptions.map { (filter: $0.key, qos: $0.value.qos) }
        if self.readiness == .ready { filters.append((self.replyFilter, 1)) }
        effects.append(.restore(filters, self.services.values.filter { !self.leaving.contains($0.name) }))
        for waiter in self.waiters.takeAll(where: { $0.purpose == .connection }) {
            effects.append(.wake(waiter.handle, .success(.reached)))
        }
    }

    private mutating func disconnected(_ reason: String, effects: inout Effects) {
        self.unwritten.removeAll()
        switch self.link {
        case .closed: break
        // A refusal says more than the closed socket that follows it.
        case .connecting(let failure?) where failure.isRefusal: break
        case .connecting, .connected: self.link = .connecting(failure: Link.Failure(message: reason))
        }
        let lost = self.waiters.takeAll { waiter in
            switch waiter.purpose {
            case .connection, .readiness: false
            case .instance, .seats, .acknowledgement, .subscription, .reply: true
            }
        }
        let error = BusError(
            .disconnectedAfterSend, executed: .maybe,
            "the connection to the broker was lost (\(reason)) while the answer was awaited: it may have run")
        for waiter in lost { effects.append(.wake(waiter.handle, .failure(error))) }
    }

    private mutating func replied(_ message: ApplicationMessage, effects: inout Effects) {
        guard let correlation = message.properties.correlationData else {
            self.lateReplyCount += 1
            return
        }
        let isInterim = message.properties.first(PropertyName.more) == "1"
        let waiter =
            isInterim
            ? self.waiters.progressed(
                correlation: correlation, instance: message.properties.first(PropertyName.instance))
            : self.waiters.take(correlation: correlation)
        guard let waiter else {
            self.lateReplyCount += 1
            return
        }
        effects.append(
            isInterim
                ? .report(waiter.handle, Reply(interim: message))
                : .wake(waiter.handle, .success(.replied(message))))
    }

    private mutating func received(_ message: ApplicationMessage, effects: inout Effects) {
        if message.topic.utf8.starts(with: CallTopic.prefix.utf8), let topic = self.topics.topic(message.topic) {
            switch topic {
            case .request(let name, let levels):
                if let service = self.services[name], self.isOurs(message, levels, of: name) {
                    effects.append(.serve(message, topic, service))
                }
            case .cancel(let name, _):
                if let service = self.services[name] { effects.append(.serve(message, topic, service)) }
            case .async(let name, let levels):
                if let service = self.services[name], !self.isFcbus, self.isOurs(message, levels, of: name) {
                    effects.append(.serve(message, topic, service))
                }
            case .catalog: self.learn(message, effects: &effects)
            case .instance(let instance):
                self.see(message, from: instance, effects: &effects)
                self.learn(message, effects: &effects)
            case .control(let verb, let service, let instance):
                guard instance == nil || instance == self.instance else { break }
                let services = self.services.values.filter { service == nil || $0.name.service == service }
                if !services.isEmpty { effects.append(.control(message, verb: verb, services)) }
            case .reply, .dead, .event: break
            }
        }
        self.deliver(message, effects: &effects)
    }

    /// By a shared subscription only what is ours arrives.
    private func isOurs(
        _ message: ApplicationMessage, _ levels: ReplyLevels?, of name: BusContract.FunctionName
    ) -> Bool {
        !self.servesPlainly || self.view.isOurs(message, levels, of: name)
    }

    private mutating func see(_ message: ApplicationMessage, from instance: String, effects: inout Effects) {
        guard self.servesPlainly, !self.services.isEmpty else { return }
        self.view.receive(message, from: instance)
        for waiter in self.waiters.takeAll(where: { $0.purpose == .seats }) {
            effects.append(.wake(waiter.handle, .success(.reached)))
        }
        // The will of an earlier connection of ours may come late.
        if instance == self.instance, !message.isRetained, message.payload.isEmpty {
            effects.append(.announce(Array(self.services.values)))
        }
    }

    private mutating func learn(_ message: ApplicationMessage, effects: inout Effects) {
        guard self.readiness != .none || self.servesPlainly, !self.isFcbus else { return }
        switch self.known.receive(message) {
        case .online(let functions):
            let waiting = self.waiters.takeAll {
                if case .instance(let name) = $0.purpose { functions.contains(name) } else { false }
            }
            for waiter in waiting { effects.append(.wake(waiter.handle, .success(.reached))) }
        case .left(let instance, let functions, isLost: true):
            // Who has a call is known only where it has said so; where nobody else is there, it was this one.
            let known = self.known
            let lost = self.waiters.takeAll { waiter in
                if waiter.instance.map(ClientName.encode) == instance { return true }
                guard let function = waiter.handle.expectation.function else { return false }
                return functions.contains(function) && known.standing(of: function) == .noInstance
            }
            let error = BusError(
                .instanceLost, status: 502, executed: .maybe,
                "the instance that had the call went away before it answered, and the call may have run")
            for waiter in lost { effects.append(.wake(waiter.handle, .failure(error))) }
        case .left(_, _, isLost: false), nil: break
        }
    }

    private func deliver(_ message: ApplicationMessage, effects: inout Effects) {
        guard !self.subscriptions.isEmpty, let topic = try? TopicName(message.topic) else { return }
        var seen: Set<UInt64> = []
        for subscription in self.subscriptions.values where subscription.filter.matches(topic) {
            // A reader of several filters that match gets one copy.
            for (reader, queue) in subscription.readers where seen.insert(reader).inserted {
                effects.deliver(BusMessage(message), to: queue)
            }
        }
    }
}
