import ArgumentParser
import BusBench

/// What a workload can be told on the command line; each has a default that suits the workload.
struct WorkloadOptions: ParsableArguments {
    @Option(help: "Publishers; pairs of p2p and latency.")
    var publishers: Int?

    @Option(help: "Subscribers of fanout, shared and wildcard; sessions of durable and commit.")
    var subscribers: Int?

    @Option(name: [.customShort("q"), .long], help: "Quality of service, 0 to 2.")
    var qos: Int?

    @Option(help: "Bytes of a payload, at least 32.")
    var size: Int?

    @Option(help: "Messages of one publisher under way until delivered.")
    var window: Int?

    @Option(help: "Messages or calls per second, instead of as many as go.")
    var rate: Double?

    @Option(help: "Levels of each topic, at least 3.")
    var depth: Int?

    @Option(help: "Filters of wildcard; of others: further filters, which match nothing.")
    var filters: Int?

    @Option(help: "Further clients that are connected and idle.")
    var sessions: Int?

    @Option(help: "Callers.")
    var callers: Int?

    @Option(help: "Calls under way for each caller.")
    var inFlight: Int?

    @Option(help: "Instances that answer; workers of hosted.")
    var instances: Int?

    @Option(help: "What the function of hosted is: python3, swift (a worker that stays), or exec (a command per call).")
    var runtime: String?

    @Option(
        help: """
            How calls find an instance: fc (the call protocol), share (a plain shared subscription), or task (one-way \
            calls that are on disk, counted when the caller hears of their success).
            """)
    var mode: String?

    @Option(help: "Clients of the connections workload.")
    var connections: Int?

    @Option(help: "Messages of durable and commit.")
    var count: Int?

    @Option(help: "Seconds of each measurement.")
    var seconds: Double?

    @Option(help: "Seconds of work before it.")
    var warmUp: Double?

    /// The workload as it is asked for; what was not said stays as the workload has it.
    func workload(named name: String) throws -> Workload {
        guard let kind = Workload.Kind(rawValue: name) else {
            let names = Workload.Kind.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("there is no workload '\(name)': it is one of \(names) or scaling")
        }
        var workload = Workload(name, kind)
        if kind == .fanout { (workload.subscribers, workload.window) = (100, 20) }
        if kind == .fanin { (workload.publishers, workload.window) = (100, 20) }
        if kind == .shared { (workload.publishers, workload.subscribers, workload.window) = (4, 8, 100) }
        if kind == .wildcard { (workload.publishers, workload.subscribers, workload.window) = (4, 4, 100) }
        if let qos = self.qos, !workload.setQoS(qos) { throw ValidationError("--qos is 0, 1 or 2 (got \(qos))") }
        if let mode = self.mode {
            guard let value = Workload.CallMode(rawValue: mode) else {
                throw ValidationError("--mode is fc, share or task (got \(mode))")
            }
            workload.mode = value
        }
        if let runtime = self.runtime {
            guard let value = Workload.FunctionRuntime(rawValue: runtime) else {
                throw ValidationError("--runtime is python3, swift or exec (got \(runtime))")
            }
            workload.runtime = value
        }
        if let depth = self.depth {
            guard depth >= 3 else { throw ValidationError("--depth is at least 3 (got \(depth))") }
            workload.extraLevels = depth - 3
        }
        self.apply(to: &workload)
        return workload
    }

    private func apply(to workload: inout Workload) {
        func set<Value>(_ path: WritableKeyPath<Workload, Value>, _ value: Value?) {
            if let value { workload[keyPath: path] = value }
        }
        set(\.publishers, self.publishers)
        set(\.subscribers, self.subscribers)
        set(\.payloadBytes, self.size)
        set(\.window, self.window)
        if let rate = self.rate { workload.rate = rate }
        set(\.filters, self.filters)
        set(\.idleSessions, self.sessions)
        set(\.callers, self.callers)
        set(\.inFlight, self.inFlight)
        set(\.instances, self.instances)
        set(\.connections, self.connections)
        set(\.count, self.count)
        set(\.seconds, self.seconds)
        set(\.warmUpSeconds, self.warmUp)
    }

    /// The matrix has its own values: an option that would be ignored is refused.
    func requireNone(for purpose: String) throws {
        let given: [Any?] = [
            self.publishers, self.subscribers, self.qos, self.size, self.window, self.rate, self.depth, self.filters,
            self.sessions, self.callers, self.inFlight, self.instances, self.runtime, self.mode, self.connections,
            self.count, self.seconds, self.warmUp,
        ]
        guard given.allSatisfy({ $0 == nil }) else {
            throw ValidationError("\(purpose) takes no workload options: name a workload, such as p2p")
        }
    }
}
