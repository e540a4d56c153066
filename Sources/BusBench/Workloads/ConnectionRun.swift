import BusWire

/// Runs the workload of clients that only connect: how fast the broker takes them, and what each costs it.
final class ConnectionRun: ClientUser {
    private static let holdSeconds = 1.0
    private let workload: Workload
    private let stage: Stage
    private var faults = Faults()

    init(_ workload: Workload, _ address: BrokerAddress) throws(BenchFailure) {
        self.workload = workload
        self.stage = try Stage(workload, address)
    }

    func run() throws(BenchFailure) -> BenchResult {
        let plan = TrafficPlan(self.workload, prefix: self.stage.prefix)
        let clients = (0..<self.workload.connections).map { index in
            MQTTClient(
                .bystander, index: index,
                subscriptions: self.workload.filters > 0 ? .one(plan.idleFilter(index)) : .none,
                settings: self.stage.clientSettings, user: self)
        }
        let before = try self.stage.sample(count: 0)
        try self.stage.open(clients)
        let open = try self.stage.sample(count: clients.count)
        try self.stage.run(seconds: Self.holdSeconds) { _ in nil }
        let held = try self.stage.sample(count: clients.count)
        var result = BenchResult(self.workload, self.stage.address, from: before, to: open)
        if let first = before.broker, let middle = open.broker, let last = held.broker {
            let bytes = Double(last.residentBytes - first.residentBytes)
            result.extras = [
                ("bytes_per_connection", bytes / Double(clients.count)),
                (
                    "idle_cpu_percent",
                    UsageDifference(middle, last).processorSeconds * 1e11 / Double(held.time - open.time)
                ),
            ]
        }
        result.faults = self.faults
        self.stage.close(clients)
        return result
    }

    func received(_ message: ReceivedMessage, by client: BenchClient) {
        self.faults.misrouted += 1
    }

    func acknowledged(_ identifier: PacketIdentifier, isError: Bool, by client: BenchClient) {}

    func closed(_ client: BenchClient) {
        if !client.expectsClose { self.faults.disconnected += 1 }
    }
}
