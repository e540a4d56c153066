import BusWire

/// A broker that takes part: one that is there, or one that is started afresh for each measurement.
package enum Contender: Sendable {
    case running(BrokerAddress)
    case started(BrokerRecipe)
    /// One that is started with the function host, for hosted calls.
    case hosted(FunctionHosting)

    package var name: String {
        switch self {
        case .running(let address): address.name
        case .started(let recipe): recipe.name
        case .hosted(let hosting): hosting.name
        }
    }

    /// Starts the broker where it is to be started, measures, and ends it again.
    package func measure(_ workload: Workload) throws -> BenchResult {
        let broker: BrokerProcess
        switch self {
        case .running(let address): return try LoadGenerator(address).run(workload)
        case .started(let recipe): broker = try BrokerProcess.start(recipe, withStore: workload.needsStore)
        case .hosted(let hosting): broker = try BrokerProcess.start(hosting, workload)
        }
        defer { broker.stop() }
        return try LoadGenerator(broker.address).run(workload)
    }

    /// Whether it can do this work at all; if not, why.
    package func objection(to workload: Workload) -> String? {
        switch self {
        case .running(let address):
            return workload.kind == .hosted ? "it is started here, with its host" : address.objection(to: workload)
        case .hosted(let hosting):
            return hosting.recipe.version == .v5 ? nil : "the function host needs MQTT 5"
        case .started(let recipe):
            guard workload.kind != .call || workload.mode != .task || recipe.keepsCalls else {
                return "one-way calls that outlive the broker need fcbus"
            }
            var address = BrokerAddress(name: recipe.name, host: "127.0.0.1", port: 1)
            address.version = recipe.version
            address.natsPort = recipe.speaksNATS ? 1 : nil
            return address.objection(to: workload)
        }
    }
}

/// The same work for several brokers in turns, round after round: whatever else the machine does harms all of them.
package struct Comparison: Sendable {
    package let workload: Workload
    /// The first is the one that the others are compared to.
    package let contenders: [Contender]
    package let rounds: Int

    package init(_ workload: Workload, _ contenders: [Contender], rounds: Int) {
        self.workload = workload
        self.contenders = contenders
        self.rounds = rounds
    }

    /// What came of it.
    package struct Outcome: Sendable {
        /// By contender, then by round; none of one that cannot do the work.
        package var results: [[BenchResult]]
        /// What could not be measured, by contender.
        package var failures: [[String]]
    }

    /// A measurement that fails does not keep the others from being made.
    ///
    /// - Parameter progress: hears what is about to be measured.
    package func run(progress: (String) -> Void) throws -> Outcome {
        var outcome = Outcome(
            results: Array(repeating: [], count: self.contenders.count),
            failures: Array(repeating: [], count: self.contenders.count))
        for round in 1...self.rounds {
            for (index, contender) in self.contenders.enumerated() {
                guard contender.objection(to: self.workload) == nil else { continue }
                progress("\(self.workload.name): \(contender.name), round \(round) of \(self.rounds)")
                do {
                    outcome.results[index].append(try contender.measure(self.workload))
                } catch let failure as BenchFailure {
                    outcome.failures[index].append("\(self.workload.name), \(contender.name): \(failure)")
                }
            }
        }
        return outcome
    }
}
