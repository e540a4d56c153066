import Foundation
import FunctionBus
import Synchronization

/// The broker that a promise is tried on.
struct GuaranteePlace: Sendable {
    let kind: BrokerKind
    let url: String

    /// Such a broker with a store of its own, which `crash` kills and starts again on the same port.
    static func withStore<Result: Sendable>(
        _ kind: BrokerKind, _ body: (GuaranteePlace, _ crash: () async throws -> Void) async throws -> Result
    ) async throws -> Result {
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
            let result = try await body(GuaranteePlace(kind: kind, url: "mqtt://127.0.0.1:\(port)"), crash)
            try await broker.stop()
            try FileManager.default.removeItem(at: folder)
            return result
        } catch {
            try await broker.stop()
            throw error
        }
    }

    func bus<Result: Sendable>(
        _ adjust: (inout BusConfiguration) -> Void = { _ in },
        _ body: (FunctionBus) async throws -> Result
    ) async throws -> Result {
        var configuration = try BusConfiguration(broker: self.url)
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
                try await self.bus { bus in
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
