import BusCalls
import BusContract
import BusSession

/// The broker and its functions in numbers, as JSON for operators.
extension Broker {
    /// - Parameter terms: which functions; `nil` for all.
    func statisticsReport(of terms: OperationTerms?, now: Timestamp) -> JSONText {
        let functions = self.calls.snapshot.filter { terms?.selects($0.name) ?? true }
        return .object([
            ("broker", self.brokerReport(now: now)),
            ("functions", .array(functions.map { self.report(of: $0, now: now) })),
        ])
    }

    func catalogReport(of terms: OperationTerms) -> JSONText {
        let functions = self.calls.snapshot.filter { terms.selects($0.name) }
        return .object([
            (
                "functions",
                .array(
                    functions.map { function in
                        .object([
                            ("function", .string(function.name.description)),
                            ("instances", .integer(function.instances.count)),
                            ("open", .integer(function.instances.count(where: \.isOpen))),
                            ("descriptor", function.descriptor?.json ?? .null),
                        ])
                    })
            )
        ])
    }

    private func brokerReport(now: Timestamp) -> JSONText {
        let snapshot = self.snapshot(now: now)
        let gauges: [(String, Int)] = [
            ("uptimeMs", Int(clamping: now.nanoseconds(since: self.startedAt) / 1_000_000)),
            ("connections", snapshot.connections), ("sessions", snapshot.sessions),
            ("subscriptions", snapshot.subscriptions), ("sharedSubscriptions", snapshot.sharedSubscriptions),
            ("retainedMessages", snapshot.retainedMessages), ("retainedBytes", snapshot.retainedBytes),
            ("queuedMessages", snapshot.queuedMessages), ("memoryBytes", snapshot.memoryBytes),
            ("messagesReceived", self.statistics.publishReceived), ("messagesSent", self.statistics.publishSent),
            ("messagesDropped", self.statistics.dropped), ("accessDenied", self.statistics.denied),
            ("callsOpen", snapshot.openCalls), ("callsAnswered", self.statistics.callsAnswered),
            ("callsFailed", self.statistics.callsFailed), ("answersLate", self.statistics.answersLate),
            ("tasks", snapshot.tasks), ("deadLetters", self.deadLetters.letters.count),
        ]
        return .object(gauges.map { ($0.0, .integer($0.1)) })
    }

    private func report(of function: CallTable.FunctionSnapshot, now: Timestamp) -> JSONText {
        let statistics = function.statistics
        return .object([
            ("function", .string(function.name.description)),
            ("instances", .array(function.instances.map { self.report(of: $0, now: now) })),
            ("running", .integer(function.running)), ("queued", .integer(function.queued)),
            ("queuedMost", .integer(statistics.queuedMost)),
            ("calls", .object(statistics.byStatus.map { (String($0.status), .integer($0.count)) })),
            ("late", .integer(statistics.late)), ("replayed", .integer(statistics.replayed)),
            ("queueUs", Self.report(of: statistics.queueTime)), ("serviceUs", Self.report(of: statistics.serviceTime)),
            ("totalUs", Self.report(of: statistics.totalTime)),
            ("lastError", statistics.lastFailure.map { Self.report(of: $0, now: now) } ?? .null),
        ])
    }

    private func report(of instance: CallTable.InstanceSnapshot, now: Timestamp) -> JSONText {
        .object([
            ("instance", .string(self.sessions[Int(instance.client.rawValue)].clientIdentifier)),
            ("status", .string(instance.isOpen ? "online" : "draining")),
            ("capacity", .integer(instance.capacity)), ("outstanding", .integer(instance.running)),
            ("sinceMs", Self.milliseconds(since: instance.since, now: now)),
        ])
    }

    private static func report(of failure: FunctionStatistics.LastFailure, now: Timestamp) -> JSONText {
        .object([
            ("status", .integer(failure.status.rawValue)), ("code", .string(failure.code.rawValue)),
            ("message", .string(failure.message)), ("agoMs", Self.milliseconds(since: failure.at, now: now)),
        ])
    }

    private static func report(of histogram: LatencyHistogram) -> JSONText {
        func microseconds(_ nanoseconds: UInt64) -> JSONText { .integer(Int(clamping: nanoseconds / 1000)) }
        return .object([
            ("count", .integer(histogram.count)), ("p50", microseconds(histogram.nanoseconds(atQuantile: 0.5))),
            ("p90", microseconds(histogram.nanoseconds(atQuantile: 0.9))),
            ("p99", microseconds(histogram.nanoseconds(atQuantile: 0.99))),
            ("max", microseconds(histogram.maximumNanoseconds)),
        ])
    }

    private static func milliseconds(since instant: UInt64, now: Timestamp) -> JSONText {
        .integer(Int(clamping: now.nanoseconds(since: Timestamp(nanoseconds: instant)) / 1_000_000))
    }
}
