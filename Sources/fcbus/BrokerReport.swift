import FunctionBus

/// What fcbus says of itself and of its functions: the answer of `_sys/stats`.
struct BrokerReport: Decodable, Sendable {
    struct Broker: Decodable, Sendable {
        var uptimeMs: Int64
        var connections: Int
        var sessions: Int
        var subscriptions: Int
        var retainedMessages: Int
        var queuedMessages: Int
        var memoryBytes: Int
        var messagesReceived: Int
        var messagesSent: Int
        var messagesDropped: Int
        var callsOpen: Int
        var callsAnswered: Int
        var callsFailed: Int
        var tasks: Int
        var deadLetters: Int
    }

    struct Function: Decodable, Sendable {
        var function: String
        var instances: [Instance]
        var running: Int
        var queued: Int
        /// Ended calls by status.
        var calls: [String: Int]
        var late: Int
        var queueUs: Times
        var serviceUs: Times
        var totalUs: Times
        var lastError: LastError?

        var count: Int { self.calls.values.reduce(0, +) }
        var failedCount: Int { self.calls.filter { !$0.key.hasPrefix("2") }.values.reduce(0, +) }
        var capacity: Int { self.instances.reduce(0) { $0 + $1.capacity } }
    }

    struct Instance: Decodable, Sendable {
        var instance: String
        var status: String
        var capacity: Int
        var outstanding: Int
        var sinceMs: Int64
    }

    /// Microseconds.
    struct Times: Decodable, Sendable {
        var count: Int
        var p50: Int64
        var p90: Int64
        var p99: Int64
        var max: Int64

        func text(_ value: Int64) -> String { self.count == 0 ? "-" : Duration.microseconds(value).shortText }
    }

    struct LastError: Decodable, Sendable {
        var status: Int
        var code: String
        var message: String
        var agoMs: Int64

        var text: String { "\(self.status) \(self.code) \(Duration.milliseconds(self.agoMs).shortText) ago" }
    }

    var broker: Broker
    var functions: [Function]

    /// - Throws: `BusError`; on a broker that is not fcbus nobody answers.
    static func read(_ bus: FunctionBus) async throws -> BrokerReport {
        guard bus.isConnectedToFcbus else {
            throw CommandFailure(.unavailable, "this broker is not fcbus: it does not say how its functions fare")
        }
        return try await bus.system("stats")
    }
}

extension FunctionBus {
    /// Calls one of the broker's own functions.
    func system<Answer: Decodable>(_ operation: String, _ choice: [String: String] = [:]) async throws -> Answer {
        try await self.call(FunctionName(systemOperation: operation), with: choice)
    }
}
