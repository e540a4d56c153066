package import BusWire

/// The rows that brokers are compared by.
package enum StandardMatrix {
    /// What takes too long for a quick look, or is looked at once.
    package static let onceOnly: Set<String> = [
        "conns-10k", "conns-10k-sub", "persist-50k", "persist-50kx50", "wild-100k", "wild-1m", "commit-64",
    ]

    package static let rows: [Workload] = Self.oneWay + Self.calls + Self.hosted + Self.paced + Self.resources

    private static let oneWay = [
        Workload("p2p-1-q0", .p2p),
        Workload("p2p-1-q1", .p2p).with { $0.qos = .atLeastOnce },
        Workload("p2p-1-q2", .p2p).with { $0.qos = .exactlyOnce },
        Workload("p2p-20-q0", .p2p).with { ($0.publishers, $0.window) = (20, 100) },
        Workload("p2p-20-q1", .p2p).with { ($0.publishers, $0.window, $0.qos) = (20, 100, .atLeastOnce) },
        Workload("p2p-20-q0-1k", .p2p).with { ($0.publishers, $0.window, $0.payloadBytes) = (20, 100, 1024) },
        Workload("fanout-100-q0", .fanout).with { ($0.subscribers, $0.window) = (100, 20) },
        Workload("fanout-1000-q0", .fanout).with { ($0.subscribers, $0.window) = (1000, 4) },
        Workload("fanin-100-q1", .fanin).with { ($0.publishers, $0.window, $0.qos) = (100, 20, .atLeastOnce) },
        Workload("share-q1", .shared).with {
            ($0.publishers, $0.subscribers, $0.window, $0.qos) = (4, 8, 100, .atLeastOnce)
        },
        Workload("wild-100k", .wildcard).with {
            ($0.publishers, $0.subscribers, $0.window, $0.filters) = (4, 4, 100, 100_000)
        },
    ]

    private static let calls = [
        Workload("rr-1", .call).with { $0.instances = 1 },
        Workload("rr-16x8", .call).with { ($0.callers, $0.inFlight, $0.instances) = (16, 8, 4) },
        Self.call(concurrency: 1),
        Self.call(concurrency: 16),
        Self.call(concurrency: 256),
        // As often as NATS delivers by its own protocol: at most once.
        Self.call(concurrency: 16, qos: .atMostOnce),
        Self.call(concurrency: 256, qos: .atMostOnce),
    ]

    /// One call under way, and eight for two workers.
    private static let hosted = [
        Workload("hosted-python-1", .hosted).with { $0.instances = 1 },
        Workload("hosted-python-8", .hosted).with { $0.callers = 8 },
        Workload("hosted-swift-1", .hosted).with { ($0.runtime, $0.instances) = (.swift, 1) },
        Workload("hosted-swift-8", .hosted).with { ($0.runtime, $0.callers) = (.swift, 8) },
        Workload("hosted-exec-2", .hosted).with { ($0.runtime, $0.callers) = (.exec, 2) },
    ]

    private static let paced = [
        Workload("lat-1k", .latency).with { $0.publishers = 10 },
        Workload("lat-1k-q1", .latency).with { ($0.publishers, $0.qos) = (10, .atLeastOnce) },
    ]

    private static let resources = [
        Workload("conns-10k", .connections).with { $0.connections = 10_000 },
        Workload("persist-50k", .durable).with { $0.count = 50_000 },
        // D13
        Workload("commit-64", .commit).with {
            ($0.publishers, $0.window, $0.payloadBytes, $0.count) = (64, 1, 256, 100_000)
        },
        Workload("task-16x16", .call).with {
            ($0.mode, $0.qos, $0.callers, $0.inFlight, $0.instances) = (.task, .atLeastOnce, 16, 16, 4)
        },
    ]

    /// Rows that are measured only when they are asked for by name.
    package static let further = [
        Workload("p2p-20-q2", .p2p).with { ($0.publishers, $0.window, $0.qos) = (20, 100, .exactlyOnce) },
        Workload("p2p-20-q1-1k", .p2p).with {
            ($0.publishers, $0.window, $0.qos, $0.payloadBytes) = (20, 100, .atLeastOnce, 1024)
        },
        Workload("fanout-10-q0", .fanout).with { ($0.subscribers, $0.window) = (10, 200) },
        Workload("fanout-100-q1", .fanout).with { ($0.subscribers, $0.window, $0.qos) = (100, 20, .atLeastOnce) },
        Workload("fanout-100-q0-1k", .fanout).with { ($0.subscribers, $0.window, $0.payloadBytes) = (100, 20, 1024) },
        Workload("fanin-100-q0", .fanin).with { ($0.publishers, $0.window) = (100, 20) },
        Workload("share-q0", .shared).with { ($0.publishers, $0.subscribers, $0.window) = (4, 8, 100) },
        Workload("wild-10k", .wildcard).with { ($0.publishers, $0.subscribers, $0.window) = (4, 4, 100) },
        Workload("wild-1m", .wildcard).with {
            ($0.publishers, $0.subscribers, $0.window, $0.filters) = (4, 4, 100, 1_000_000)
        },
        Workload("rr-1-q1", .call).with { ($0.instances, $0.qos) = (1, .atLeastOnce) },
        Workload("rr-16x8-q1", .call).with {
            ($0.callers, $0.inFlight, $0.instances, $0.qos) = (16, 8, 4, .atLeastOnce)
        },
        Workload("rr-paced-2k", .call).with { ($0.callers, $0.inFlight, $0.rate) = (16, 64, 2000) },
        Workload("lat-10k", .latency).with { ($0.publishers, $0.rate) = (10, 10_000) },
        Workload("lat-fan1000", .fanout).with { ($0.subscribers, $0.rate) = (1000, 10) },
        Workload("conns-10k-sub", .connections).with { ($0.connections, $0.filters) = (10_000, 1) },
        Workload("persist-50kx50", .durable).with { ($0.count, $0.subscribers) = (50_000, 50) },
        Workload("commit-1", .commit).with { ($0.window, $0.payloadBytes, $0.count) = (1, 256, 5_000) },
        Workload("commit-64x8", .commit).with {
            ($0.publishers, $0.window, $0.payloadBytes, $0.count) = (64, 8, 256, 200_000)
        },
    ]

    /// As SDKs call: QoS 1, up to 16 callers.
    package static func call(concurrency: Int, qos: QoS = .atLeastOnce) -> Workload {
        Workload("call-\(concurrency)" + (qos == .atMostOnce ? "-q0" : ""), .call).with {
            $0.qos = qos
            $0.callers = min(16, concurrency)
            $0.inFlight = max(1, concurrency / 16)
        }
    }
}
