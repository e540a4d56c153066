/// A broker that takes part: one that is there, or one that is started afresh for each measurement.
package enum Contender: Sendable {
    case running(BrokerAddress)
    case started(BrokerRecipe)

    package var name: String {
        switch self {
        case .running(let address): address.name
        case .started(let recipe): recipe.name
        }
    }

    /// Lets `body` have the broker, and ends it afterwards if it was started for this.
    package func use<Result>(withStore: Bool = false, _ body: (BrokerAddress) throws -> Result) throws -> Result {
        switch self {
        case .running(let address):
            return try body(address)
        case .started(let recipe):
            let broker = try BrokerProcess.start(recipe, withStore: withStore)
            defer { broker.stop() }
            return try body(broker.address)
        }
    }

    package func measure(_ workload: Workload) throws -> BenchResult {
        try self.use(withStore: workload.needsStore) { try LoadGenerator($0).run(workload) }
    }

    /// Whether it can do this work at all; if not, why.
    package func objection(to workload: Workload) -> String? {
        switch self {
        case .running(let address):
            return address.objection(to: workload)
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
