import Foundation
import FunctionBus
import Synchronization

/// The broker that a promise is tried on.
struct GuaranteePlace: Sendable {
    /// The columns of the page.
    enum Name: String, CaseIterable {
        case fcbus, mosquitto
        case ejabberd = "ejabberd, two nodes"
    }

    /// One that can be started alone, for a row.
    let kind: BrokerKind?
    /// Where callers connect.
    let url: String
    /// Where instances do: in a cluster another node than that of the callers.
    let instanceURL: String
    let hasSharedSubscriptions: Bool

    private init(_ kind: BrokerKind, port: Int) {
        self.kind = kind
        self.url = "mqtt://127.0.0.1:\(port)"
        self.instanceURL = self.url
        self.hasSharedSubscriptions = true
    }

    private init(_ cluster: EjabberdCluster) {
        self.kind = nil
        // Its users have the form of addresses.
        self.url = "mqtt://caller@localhost:x@127.0.0.1:\(cluster.ports[0])"
        self.instanceURL = "mqtt://instance@localhost:x@127.0.0.1:\(cluster.ports[1])"
        self.hasSharedSubscriptions = false
    }

    /// Starts what is tried, and ends it afterwards.
    static func with<Result: Sendable>(
        _ name: Name, _ body: (GuaranteePlace) async throws -> Result
    ) async throws -> Result {
        switch name {
        case .fcbus: try await BrokerKind.fcbus.withBroker { try await body(GuaranteePlace(.fcbus, port: $0.port)) }
        case .mosquitto:
            try await BrokerKind.mosquitto.withBroker { try await body(GuaranteePlace(.mosquitto, port: $0.port)) }
        case .ejabberd: try await EjabberdCluster.with { try await body(GuaranteePlace($0)) }
        }
    }

    /// What an instance by hand subscribes to.
    func requests(of name: String) -> String {
        (self.hasSharedSubscriptions ? "$share/fc/" : "") + "fc/\(name)/req/#"
    }

    /// Such a broker with a store of its own, which `crash` kills and starts again on the same port.
    func withStore<Result: Sendable>(
        _ body: (GuaranteePlace, _ crash: () async throws -> Void) async throws -> Result
    ) async throws -> Result {
        guard let kind = self.kind else {
            // Both nodes have a store. Killing them would end the other rows.
            return try await body(self) { throw RunningCommand.TimedOut(description: "the cluster is not killed") }
        }
        let folder = FileManager.default.temporaryDirectory.appending(path: "store-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let port = try TestSocket.freePort()
        var broker = try await kind.start(port: port, store: folder.path)
        func crash() async throws {
            kill(broker.processIdentifier, SIGKILL)
            try await broker.stop()
            broker = try await kind.start(port: port, store: folder.path)
        }
        do {
            let result = try await body(GuaranteePlace(kind, port: port), crash)
            try await broker.stop()
            try FileManager.default.removeItem(at: folder)
            return result
        } catch {
            try await broker.stop()
            throw error
        }
    }

    /// - Parameter url: default `url`, the callers'.
    func bus<Result: Sendable>(
        at url: String? = nil, _ adjust: (inout BusConfiguration) -> Void = { _ in },
        _ body: (FunctionBus) async throws -> Result
    ) async throws -> Result {
        var configuration = try BusConfiguration(broker: url ?? self.url)
        adjust(&configuration)
        return try await FunctionBus.withConnection(configuration, body)
    }

    /// Serves on one connection for each handler while `body` runs, which may end instances early.
    func serving<Result: Sendable>(
        _ handlers: [FunctionHandler], _ body: ([Task<Void, any Error>]) async throws -> Result
    ) async throws -> Result {
        let (ready, signal) = AsyncStream.makeStream(of: Void.self)
        let instances = handlers.map { handler in
            Task {
                try await self.bus(at: self.instanceURL) { bus in
                    try await bus.serve([handler], onReady: { signal.yield() })
                }
            }
        }
        var iterator = ready.makeAsyncIterator()
        for _ in handlers { await iterator.next() }
        defer { for instance in instances { instance.cancel() } }
        return try await body(instances)
    }
}

/// A promise of calls, and how it is found out whether a broker with the SDK keeps it. What is found is a word or two
/// for the page; where a promise is not kept, waiting for it ends by the deadline.
struct Guarantee: Sendable {
    let promise: String
    let find: @Sendable (GuaranteePlace) async throws -> String

    init(_ promise: String, _ find: @escaping @Sendable (GuaranteePlace) async throws -> String) {
        self.promise = promise
        self.find = find
    }

    /// What became of a call, in the page's words.
    static func end(
        of bus: FunctionBus, _ name: FunctionName, options: CallOptions = CallOptions(timeout: .seconds(3))
    ) async -> String {
        do throws(BusError) {
            _ = try await bus.call(name, "x", options: options)
            return "answered"
        } catch {
            guard error.status > 0, error.code != .localTimeout else { return "no: the deadline passes" }
            return "yes: \(error.status), \(error.executed.rawValue)"
        }
    }

    /// Counts how often something was done.
    final class Count: Sendable {
        private let state = Mutex(0)

        @discardableResult
        func add() -> Int {
            self.state.withLock { count in
                count += 1
                return count
            }
        }

        var value: Int { self.state.withLock { $0 } }
    }
}
