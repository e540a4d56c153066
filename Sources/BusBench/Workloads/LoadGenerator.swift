/// Gives a broker some work and says what became of it. Everything happens on the calling thread.
package struct LoadGenerator: Sendable {
    private let address: BrokerAddress

    package init(_ address: BrokerAddress) {
        self.address = address
    }

    /// - Throws: why nothing was measured: the broker refuses or vanishes, or cannot do this work.
    package func run(_ workload: Workload) throws(BenchFailure) -> BenchResult {
        if let objection = workload.objection ?? self.address.objection(to: workload) {
            throw BenchFailure("\(workload.name): \(objection)")
        }
        switch workload.kind {
        case .p2p, .fanout, .fanin, .shared, .wildcard, .latency:
            return try TrafficRun(workload, self.address).run()
        case .call, .hosted: return try CallRun(workload, self.address).run()
        case .connections: return try ConnectionRun(workload, self.address).run()
        case .durable, .commit: return try DurableRun(workload, self.address).run()
        }
    }
}
