import BusInProcess
import BusServer
import FunctionBus
import FunctionHost
import Logging
import ServiceLifecycle
import UnixSignals

/// Long-running parts of one process, ended together by SIGTERM or SIGINT.
enum Services {
    /// The broker first, then, when it listens, the host as its client, over no socket; one ready line when both are
    /// there.
    static func runBrokerAndHost(
        _ server: ServerOptions, functions: String?, logger: Logger
    ) async throws {
        let (addresses, continuation) = AsyncStream.makeStream(of: [ListeningAddress].self)
        let broker = BrokerServer(
            configuration: try server.configuration(), source: server.source, logger: logger
        ) { addresses in
            continuation.yield(addresses)
            continuation.finish()
        }
        let host = FollowingService {
            // A broker that cannot start ends the process, and nobody waits for it.
            let listening = await cancelWhenGracefulShutdown { await addresses.first { _ in true } }
            guard let addresses = listening else { return }
            let announce: @Sendable (Int) -> Void = { _ in
                for address in addresses { Terminal.ready(address.url) }
            }
            guard let functions else {
                announce(0)
                try await gracefulShutdown()
                return
            }
            let door = LocalDoor(clients: broker.localClients)
            let connector = BusConnector(clientIdentifier: "fcbus-host") { identifier in
                InProcessTransport(door, clientIdentifier: identifier)
            }
            try await HostService(
                directory: functions, connector: connector, logger: logger, onReady: announce
            ).run()
        }
        try await self.run([broker, host], logger: logger)
    }

    static func run(_ services: [any Service], logger: Logger) async throws {
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        let group = ServiceGroup(
            configuration: .init(
                services: services.map {
                    .init(
                        service: $0, successTerminationBehavior: .gracefullyShutdownGroup,
                        failureTerminationBehavior: .gracefullyShutdownGroup)
                },
                gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet))
        do {
            try await group.run()
        } catch let failure as ServerFailure {
            throw CommandFailure(failure.isConfiguration ? .configuration : .unavailable, failure.description)
        }
    }
}

/// A service given as a closure.
struct FollowingService: Service {
    let body: @Sendable () async throws -> Void

    func run() async throws {
        try await self.body()
    }
}
