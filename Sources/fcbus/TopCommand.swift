import ArgumentParser
import FunctionBus

struct TopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Watch the broker and its functions: load, times, failures.",
        discussion: """
            Reads the statistics of an fcbus broker again and again; rates are those since the look before. Where rights
            are ruled, the user needs the right to call _sys/stats.

            EXAMPLES
              fcbus top
              fcbus top --interval 5s
              fcbus top --once
            """, helpNames: .long)

    @Option(help: "How often to look.")
    var interval = DurationArgument(seconds: 1)

    @Flag(help: "Look twice, an interval apart, print the second look and end.")
    var once = false

    @OptionGroup var client: ClientOptions

    func run() async throws {
        try await self.client.withBus { bus in
            var before: (BrokerReport, ContinuousClock.Instant)?
            while true {
                let report = try await BrokerReport.read(bus)
                let now = ContinuousClock.now
                if let before, self.once || Terminal.isInteractive {
                    let screen = TopScreen(report, since: before.0, elapsed: now - before.1).text
                    if self.once { return Terminal.write(line: screen) }
                    Terminal.redraw(screen)
                } else if let before {
                    Terminal.write(line: TopScreen(report, since: before.0, elapsed: now - before.1).text + "\n")
                }
                before = (report, now)
                try await Task.sleep(for: self.interval.duration)
            }
        }
    }
}

/// One look at the broker, as text.
struct TopScreen {
    let text: String

    init(_ report: BrokerReport, since before: BrokerReport, elapsed: Duration) {
        let (seconds, attoseconds) = elapsed.components
        let time = max(0.001, Double(seconds) + Double(attoseconds) / 1e18)
        func rate(_ now: Int, _ before: Int) -> String { "\(Int((Double(max(0, now - before)) / time).rounded()))/s" }
        let broker = report.broker
        let old = before.broker
        var lines = [
            "fcbus, up \(Duration.milliseconds(broker.uptimeMs).shortText), \(broker.memoryBytes >> 20) MiB",
            "clients \(broker.connections) of \(broker.sessions) sessions, \(broker.subscriptions) subscriptions,"
                + " \(broker.retainedMessages) retained, \(broker.queuedMessages) queued",
            "messages in \(rate(broker.messagesReceived, old.messagesReceived)),"
                + " out \(rate(broker.messagesSent, old.messagesSent)),"
                + " dropped \(rate(broker.messagesDropped, old.messagesDropped))",
            "calls answered \(rate(broker.callsAnswered, old.callsAnswered)),"
                + " failed \(rate(broker.callsFailed, old.callsFailed)), open \(broker.callsOpen);"
                + " tasks \(broker.tasks), dead letters \(broker.deadLetters)",
            "",
        ]
        let known = Dictionary(
            before.functions.map { ($0.function, $0.count) }, uniquingKeysWith: { first, _ in first })
        var table = TextTable(FunctionRow.heading + ["CALLS/S"])
        let busiest = report.functions.sorted { left, right in
            let (more, less) = (left.count - (known[left.function] ?? 0), right.count - (known[right.function] ?? 0))
            return more == less ? left.function < right.function : more > less
        }
        for function in busiest {
            table.add(FunctionRow.cells(function) + [rate(function.count, known[function.function] ?? 0)])
        }
        lines.append(table.text)
        self.text = lines.joined(separator: "\n")
    }
}

/// A function and how it fares, in columns.
enum FunctionRow {
    static let heading = ["FUNCTION", "INSTANCES", "BUSY", "WAITING", "CALLS", "FAILED", "P50", "P99", "LAST ERROR"]

    static func cells(_ function: BrokerReport.Function) -> [String] {
        [
            function.function, "\(function.instances.count)", "\(function.running)/\(function.capacity)",
            "\(function.queued)", "\(function.count)", "\(function.failedCount)",
            function.totalUs.text(function.totalUs.p50), function.totalUs.text(function.totalUs.p99),
            function.lastError?.text ?? "-",
        ]
    }
}
