import FunctionBus

/// How a host comes to connections beside its first.
struct BusConnector: Sendable {
    private let configuration: BusConfiguration

    init(_ configuration: BusConfiguration) {
        self.configuration = configuration
    }

    /// Connects as the given client, runs `body`, and disconnects.
    func withConnection(
        as clientIdentifier: String, _ body: @Sendable (FunctionBus) async throws -> Void
    ) async throws {
        var configuration = self.configuration
        configuration.clientIdentifier = clientIdentifier
        try await FunctionBus.withConnection(configuration, body)
    }

    /// The same as a client that nobody else is.
    func withFurtherConnection(_ body: @Sendable (FunctionBus) async throws -> Void) async throws {
        try await self.withConnection(
            as: "\(self.configuration.clientIdentifier)-\(UInt32.random(in: 0 ... .max))", body)
    }
}
