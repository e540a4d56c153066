import ArgumentParser
import BusBench
import Foundation

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure a broker: its rate, its CPU time, its latency, and that nothing is lost.",
        discussion: """
            Without --broker the measurement starts this program's own broker on a free loopback port. --against gives \
            the same work to another broker in turns; ratios are then worth more than rates: `rate ratio` is ours by \
            theirs, `CPU ratio` theirs by ours. `CPU us` is the broker's CPU time for one message, call or connection.

            WORKLOADS
              p2p          pairs: each publisher has a subscriber of its own
              fanout       one publisher, many subscribers
              fanin        many publishers, one subscriber
              shared       publishers to one shared subscription
              wildcard     topics at random among many filters
              call         requests and replies
              hosted       calls of a function that `fcbus up` runs, and in turns `fcbus broker` and `fcbus host`
              latency      pairs at a fixed rate; counted from when a message was due
              connections  clients that only connect
              durable      messages for sessions that are away, then their delivery
              commit       the same, counted when they are acknowledged: on disk
              scaling      how the cost of a message grows, with the measured exponent

            EXAMPLES
              fcbus bench p2p --publishers 20 --qos 1
              fcbus bench call --callers 16 --in-flight 8 --against mosquitto --against nats
              fcbus bench latency --rate 10000 --broker mqtt://gateway:1883
              fcbus bench --standard --against mosquitto --only fanout
              fcbus bench scaling --json

            EXIT CODES
              0 measured  1 messages were lost, doubled, out of order or damaged  64 usage  69 no measurement
            """)

    @Argument(help: "One of the workloads, or `scaling`; without it the standard matrix.")
    var workload: String?

    @Flag(help: "The standard matrix, then start-up time, size, idle memory and wake-ups.")
    var standard = false

    @Option(
        help: "Only the row of this name, or rows whose name contains this; more rows than the matrix runs by itself.")
    var only: String = ""

    @Flag(help: "Shorter and fewer measurements.")
    var quick = false

    @Option(help: ArgumentHelp("The broker to measure; without it our own is started.", valueName: "url"))
    var broker: String?

    @Option(help: "A process of --broker, for its CPU time and memory; repeatable, and counted together.")
    var pid: [Int32] = []

    @Option(
        help: ArgumentHelp(
            "Another broker for the same work: mosquitto, mosquitto-saving (its store at every change), nats or a URL; repeatable.",
            valueName: "broker"))
    var against: [String] = []

    @Option(help: "How often each broker is measured; medians are printed.")
    var rounds: Int?

    @Flag(help: "One JSON object for each measurement, instead of a table.")
    var json = false

    @OptionGroup(title: "Workload options") var options: WorkloadOptions

    func validate() throws {
        if let rounds = self.rounds, rounds < 1 { throw ValidationError("--rounds must be at least 1 (got \(rounds))") }
        if !self.pid.isEmpty, self.broker == nil { throw ValidationError("--pid says whose process --broker is") }
        if self.standard, self.workload != nil {
            throw ValidationError("--standard and a workload exclude each other")
        }
        do {
            _ = try self.contenders()
        } catch let failure as BenchFailure {
            throw ValidationError(failure.description)
        }
        guard let name = self.workload, name != "scaling" else {
            try self.options.requireNone(for: self.workload ?? "the standard matrix")
            return
        }
        if self.quick, self.options.seconds != nil || self.options.warmUp != nil {
            throw ValidationError("--quick says how long a measurement is, and so do --seconds and --warm-up")
        }
        let workload = try self.options.workload(named: name)
        if let objection = workload.objection { throw ValidationError(objection) }
        if workload.kind == .hosted, self.broker != nil {
            throw ValidationError("hosted starts its brokers and hosts itself: leave --broker out")
        }
    }

    func run() throws {
        var session = BenchSession(binary: Self.binary, printsJSON: self.json)
        do {
            let contenders = try self.contenders()
            switch self.workload {
            case nil:
                try session.runStandard(self.rows(), contenders, rounds: self.rounds ?? (self.quick ? 1 : 3))
                if self.only.isEmpty { try session.runFacts(contenders, isQuick: self.quick) }
            case "scaling":
                try session.runScaling(contenders, isQuick: self.quick)
            case let name?:
                let workload = self.shortened(try self.options.workload(named: name))
                let isComparison = contenders.count > 1 || workload.kind == .hosted
                try session.runStandard([workload], contenders, rounds: self.rounds ?? (isComparison ? 3 : 1))
            }
        } catch let failure as BenchFailure {
            throw CommandFailure(.unavailable, failure.description)
        }
        if !session.failures.isEmpty {
            throw CommandFailure(.unavailable, session.failures.joined(separator: "\nfcbus: "))
        }
        if !session.isClean { throw ExitCode(1) }
    }

    /// Rows with the seconds that fit the purpose.
    private func rows() throws -> [Workload] {
        // A row that is named in full is that one alone, though another one's name may begin with it.
        let all = StandardMatrix.rows + (self.only.isEmpty ? [] : StandardMatrix.further)
        let exact = all.filter { $0.name == self.only }
        let rows = exact.isEmpty ? all.filter { self.only.isEmpty || $0.name.contains(self.only) } : exact
        guard !rows.isEmpty else {
            let names = all.map(\.name).joined(separator: " ")
            throw CommandFailure(.usage, "no row is named like '\(self.only)'; there are \(names)")
        }
        return rows.map(self.shortened)
    }

    private func shortened(_ workload: Workload) -> Workload {
        self.quick ? workload.with { ($0.seconds, $0.warmUpSeconds) = (0.5, 0.2) } : workload
    }

    private static var binary: String { URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().path }

    /// Ours or --broker first, then those that it is compared to.
    private func contenders() throws -> [Contender] {
        let first: Contender =
            if let url = self.broker {
                .running(try BrokerAddress(url: url, processes: self.pid))
            } else {
                .started(.fcbus(binary: Self.binary))
            }
        return try [first]
            + self.against.map { name in
                switch name {
                case "mosquitto": .started(.mosquitto)
                case "mosquitto-saving": .started(.mosquittoSaving)
                case "nats": .started(.nats)
                default: .running(try BrokerAddress(url: name))
                }
            }
    }
}
