package import BusWire

/// One kind of work for a broker: who sends to whom, how, how much may be under way, and for how long.
package struct Workload: Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable {
        /// Pairs: each publisher has a subscriber of its own.
        case p2p
        /// One publisher, many subscribers of its topic.
        case fanout
        /// Many publishers, one subscriber of all their topics.
        case fanin
        /// Publishers to one shared subscription.
        case shared
        /// Publishers to topics at random, among many filters of which exactly one matches each.
        case wildcard
        /// Requests and their replies.
        case call
        /// The same, answered by a function that the function host runs.
        case hosted
        /// Pairs at a fixed rate, to see how long a message takes.
        case latency
        /// Clients that only connect.
        case connections
        /// Messages for sessions whose clients are away, then the delivery of them all.
        case durable
        /// The same, counted when they are acknowledged.
        case commit

        fileprivate var needsStore: Bool { self == .durable || self == .commit }
    }

    /// How a call finds its instance.
    package enum CallMode: String, Sendable, CaseIterable {
        /// By the topics of the call protocol, which our broker watches over.
        case fc
        /// By a plain shared subscription.
        case share
        /// One-way, by the topics of the call protocol: the caller hears of it when the function has run. Brokers are
        /// started with a store.
        case task
    }

    /// What a hosted function is made of; each answers with what it gets.
    package enum FunctionRuntime: String, Sendable, CaseIterable {
        /// A worker that stays.
        case python3, swift
        /// A command that is run for each call.
        case exec
    }

    package var name: String
    package var kind: Kind
    package var qos = QoS.atMostOnce
    package var payloadBytes = 64
    package var publishers = 1
    package var subscribers = 1
    /// Messages that one publisher may have under way until every subscriber has them.
    package var window = 1000
    /// Messages or calls per second of all publishers together; `nil`: as many as the window lets through.
    package var rate: Double?
    /// Levels of each topic besides the three that it has anyway.
    package var extraLevels = 0
    /// Filters of the wildcard workload; of others: filters of a bystander, which match nothing.
    package var filters = 0
    /// Further clients that are connected and idle.
    package var idleSessions = 0
    package var callers = 1
    /// Calls that one caller has under way.
    package var inFlight = 1
    /// Of a hosted function its workers.
    package var instances = 1
    package var mode = CallMode.fc
    package var runtime = FunctionRuntime.python3
    package var connections = 1000
    /// Messages of the durable and commit workloads, all sessions together.
    package var count = 20_000
    package var seconds = 2.0
    package var warmUpSeconds = 0.5

    package init(_ name: String, _ kind: Kind) {
        self.name = name
        self.kind = kind
        if kind == .latency { self.rate = 1000 }
        if kind.needsStore { self.qos = .atLeastOnce }
        if kind == .wildcard { self.filters = 10_000 }
        if kind == .call { self.instances = 4 }
        if kind == .hosted {
            // As SDKs call; interpreters take a while until they are warm.
            (self.instances, self.qos, self.warmUpSeconds) = (2, .atLeastOnce, 1)
        }
    }

    /// It shows what a broker keeps, so brokers are started with a store for it.
    package var needsStore: Bool { self.kind.needsStore || self.kind == .call && self.mode == .task }

    /// The same with some values changed.
    package func with(_ change: (inout Workload) -> Void) -> Workload {
        var copy = self
        change(&copy)
        return copy
    }

    /// Returns `false` for a number that is no quality of service.
    package mutating func setQoS(_ level: Int) -> Bool {
        guard let qos = UInt8(exactly: level).flatMap(QoS.init) else { return false }
        self.qos = qos
        return true
    }

    /// Why it cannot be done, `nil` when it can.
    package var objection: String? {
        if self.payloadBytes < PayloadStamp.bytesMin {
            return "a payload has at least \(PayloadStamp.bytesMin) bytes: number and time travel in it"
        }
        let counts = [
            self.publishers, self.subscribers, self.window, self.callers, self.inFlight, self.instances,
            self.connections, self.count,
        ]
        if counts.contains(where: { $0 < 1 }) { return "counts are at least 1" }
        if self.seconds <= 0 || self.warmUpSeconds < 0 || self.rate.map({ $0 <= 0 }) ?? false {
            return "durations and rates are positive"
        }
        if self.kind == .wildcard && self.filters < self.subscribers { return "each subscriber needs a filter" }
        if self.kind == .hosted && self.mode != .fc { return "a hosted function is called by the call protocol" }
        if self.filters > 10_000_000 || self.inFlight > 65_535 { return "that is more than is possible" }
        return self.needsStore && self.qos == .atMostOnce ? "what is kept has QoS 1 or 2" : nil
    }

    /// What it counts.
    package var unit: String {
        switch self.kind {
        case .call, .hosted: "calls"
        case .connections: "connections"
        case .p2p, .fanout, .fanin, .shared, .wildcard, .latency, .durable, .commit: "messages"
        }
    }
}
