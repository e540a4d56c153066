package import FunctionBus

/// How a host comes to its connections: over the network, or without one to a broker in its own process.
package struct BusConnector: Sendable {
    package typealias Body = @Sendable (FunctionBus) async throws -> Void

    private let clientIdentifier: String
    private let connect: @Sendable (_ clientIdentifier: String, _ body: Body) async throws -> Void
    private static let connectTimeout = Duration.seconds(10)

    package init(_ configuration: BusConfiguration) {
        self.clientIdentifier = configuration.clientIdentifier
        self.connect = { identifier, body in
            var configuration = configuration
            configuration.clientIdentifier = identifier
            try await FunctionBus.withConnection(configuration, body)
        }
    }

    /// - Parameter transport: Makes the transport of the client with the identifier that it gets.
    package init(clientIdentifier: String, transport: @escaping @Sendable (String) -> any Transport) {
        self.clientIdentifier = clientIdentifier
        self.connect = { identifier, body in
            try await FunctionBus.withTransport(
                transport(identifier), clientIdentifier: identifier, connectTimeout: Self.connectTimeout, body)
        }
    }

    /// Connects, runs `body`, and disconnects.
    ///
    /// - Parameter clientIdentifier: Default: the one that the connector was made with.
    package func withConnection(as clientIdentifier: String? = nil, _ body: Body) async throws {
        try await self.connect(clientIdentifier ?? self.clientIdentifier, body)
    }

    /// The same as a client of its own beside the first.
    package func withFurtherConnection(_ body: Body) async throws {
        try await self.connect("\(self.clientIdentifier)-\(UInt32.random(in: 0 ... .max))", body)
    }
}
