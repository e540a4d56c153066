import FunctionBus

/// The brokers that the SDK is tried against.
enum BrokerKind: String, CaseIterable, Sendable {
    case fcbus, mosquitto

    /// One that keeps what it acknowledges in a folder, as far as it can.
    func start(port: Int, store: String) async throws -> RunningBroker {
        switch self {
        case .fcbus: try await RunningBroker.start(["broker", "--port", "\(port)", "--data-dir", store])
        case .mosquitto:
            try await RunningBroker.startMosquitto(
                port: port,
                settings: "persistence true\npersistence_location \(store)/\nautosave_on_changes true\n"
                    + "autosave_interval 1\nuser root\n")
        }
    }

    func withBroker<Result>(_ body: (RunningBroker) async throws -> Result) async throws -> Result {
        let broker = try await self == .fcbus ? RunningBroker.start() : RunningBroker.startMosquitto()
        do {
            let result = try await body(broker)
            try await broker.stop()
            return result
        } catch {
            try await broker.stop()
            throw error
        }
    }

    /// A bus, with functions served by another connection.
    func withServer(
        _ functions: [FunctionHandler], _ body: (FunctionBus, RunningBroker) async throws -> Void
    ) async throws {
        try await self.withBroker { broker in
            let server = try BusConfiguration(broker: "mqtt://127.0.0.1:\(broker.port)")
            let (ready, signal) = AsyncStream.makeStream(of: Void.self)
            let serving = Task {
                try await FunctionBus.withConnection(server) { bus in
                    try await bus.serve(functions, onReady: { signal.yield() })
                }
            }
            _ = await ready.first { _ in true }
            let caller = try BusConfiguration(broker: "mqtt://127.0.0.1:\(broker.port)")
            do {
                try await FunctionBus.withConnection(caller) { try await body($0, broker) }
            } catch {
                serving.cancel()
                throw error
            }
            serving.cancel()
            // It ends by the cancellation.
            _ = try? await serving.value
        }
    }
}
