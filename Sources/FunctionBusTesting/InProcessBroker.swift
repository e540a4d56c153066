package import BusInProcess
public import FunctionBus
import Synchronization

/// A whole broker in this process, for tests of functions and of what calls them: the calls are those of fcbus, with
/// its failures and its deadlines, and no socket, no file and no other process is touched.
///
/// ```swift
/// try await InProcessBroker.run { broker in
///     try await broker.serve([FunctionHandler(FunctionName("demo/echo")) { Response($0.payload) }])
///     let bus = try await broker.connect("caller")
///     #expect(try await bus.call(FunctionName("demo/echo"), "hi").text == "hi")
/// }
/// ```
public final class InProcessBroker: Sendable {
    private struct State {
        var buses: [FunctionBus] = []
        var instances: [Instance] = []
        var connectionCount = 0
    }

    private let door: any BrokerDoor
    private let state = Mutex(State())

    package init(_ door: any BrokerDoor) {
        self.door = door
    }

    /// Runs `body` with a broker of its own, which knows nobody and has nothing stored; then ends everything that was
    /// connected to it.
    ///
    /// - Throws: what `body` throws.
    public static func run<Result: Sendable>(
        _ body: (InProcessBroker) async throws -> Result
    ) async throws -> Result {
        let broker = InProcessBroker(OwnBroker())
        do {
            let result = try await body(broker)
            await broker.stop()
            return result
        } catch {
            await broker.stop()
            throw error
        }
    }

    private func stop() async {
        let (instances, buses) = self.state.withLock { ($0.instances, $0.buses) }
        for instance in instances { await instance.stop() }
        for bus in buses { await bus.close() }
    }

    /// A connection that lasts until the end of the run.
    ///
    /// - Parameter clientIdentifier: default `client-1`, `client-2`, … A second connection of the same identifier takes
    ///   the place of the first, as with every broker.
    /// - Throws: `BusError` when the broker does not let it in.
    public func connect(_ clientIdentifier: String? = nil) async throws(BusError) -> FunctionBus {
        let identifier = clientIdentifier ?? self.nextIdentifier()
        let bus = try await FunctionBus.connect(
            InProcessTransport(self.door, clientIdentifier: identifier), clientIdentifier: identifier,
            timeout: .seconds(10))
        self.state.withLock { $0.buses.append(bus) }
        return bus
    }

    private func nextIdentifier() -> String {
        self.state.withLock { state in
            state.connectionCount += 1
            return "client-\(state.connectionCount)"
        }
    }

    /// Functions that are served until they are stopped or the run ends.
    public final class Instance: Sendable {
        /// The client identifier of its connection, by which replies name it.
        public let identifier: String
        private let bus: FunctionBus
        private let serving: Task<Void, any Error>

        fileprivate init(bus: FunctionBus, serving: Task<Void, any Error>) {
            self.identifier = bus.clientIdentifier
            self.bus = bus
            self.serving = serving
        }

        /// Drains: what runs is finished, nothing new begins. Returns when that is done.
        public func stop() async {
            self.serving.cancel()
            // It ends by the cancellation.
            _ = try? await self.serving.value
        }

        /// Breaks its connection as a crash would: calls that it has are lost to it.
        public func kill() async {
            await self.bus.close()
            await self.stop()
        }
    }

    /// Serves functions on a connection of their own; returns when they can be called.
    ///
    /// - Throws: `BusError` when they cannot be registered.
    @discardableResult
    public func serve(_ functions: [FunctionHandler], as clientIdentifier: String? = nil) async throws -> Instance {
        let bus = try await self.connect(clientIdentifier)
        let (ready, signal) = AsyncStream.makeStream(of: Void.self)
        let serving = Task<Void, any Error> {
            defer { signal.finish() }
            try await bus.serve(functions, onReady: { signal.yield() })
        }
        // The stream ends without an element where serving has failed, and that is thrown here.
        if await ready.first(where: { _ in true }) == nil { try await serving.value }
        let instance = Instance(bus: bus, serving: serving)
        self.state.withLock { $0.instances.append(instance) }
        return instance
    }
}
