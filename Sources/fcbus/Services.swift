import BusServer
import Logging
import ServiceLifecycle
import UnixSignals

/// Long-running parts of one process, ended together by SIGTERM or SIGINT.
enum Services {
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
            throw CommandFailure(.unavailable, failure.description)
        }
    }
}
