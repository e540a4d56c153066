/// Decides which of the changes in a folder are finished.
///
/// A deployment copies file after file, and an editor writes in pieces. So a function counts as changed when two looks
/// in a row found it the same, and the same for its removal; until then it is served as before.
struct TreeSettler: Sendable {
    /// What is to be served.
    private(set) var settled: HostPlan
    private var previous: HostPlan

    init(_ plan: HostPlan) {
        self.settled = plan
        self.previous = plan
    }

    /// - Returns: What is to be served from now on, if that is something else than before.
    mutating func look(_ plan: HostPlan) -> HostPlan? {
        let seen = Self.byAddress(plan)
        let before = Self.byAddress(self.previous)
        let served = Self.byAddress(self.settled)
        var next = self.settled
        if plan.settings == self.previous.settings { next.settings = plan.settings }
        let addresses = Set(seen.keys).union(served.keys)
        next.functions = addresses.compactMap { address in
            seen[address] == before[address] ? seen[address] : served[address]
        }
        next.functions.sort { $0.address.description < $1.address.description }
        self.previous = plan
        guard next != self.settled else { return nil }
        self.settled = next
        return next
    }

    private static func byAddress(_ plan: HostPlan) -> [FunctionAddress: FunctionPlan] {
        Dictionary(plan.functions.map { ($0.address, $0) }) { first, _ in first }
    }
}
