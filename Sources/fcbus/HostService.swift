import FunctionBus
import FunctionHost
import Logging
import ServiceLifecycle

/// The function host as a part of a process that ends with it.
struct HostService: Service {
    let directory: String
    let connector: BusConnector
    let logger: Logger
    /// Gets the number of functions, once all are registered.
    let onReady: @Sendable (Int) -> Void

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            do {
                try await self.connector.withConnection { bus in
                    let client = FunctionBusClient(bus, connector: self.connector)
                    let host = try FunctionHost(
                        directory: self.directory, client: client, logger: self.logger)
                    let count = host.plan.functions.count
                    try await host.run { self.onReady(count) }
                }
            } catch let error as BusError {
                throw CommandFailure(error)
            } catch let error as ManifestErrors {
                throw CommandFailure(.configuration, "\(error)")
            }
        }
    }
}

/// One command served as a function.
struct CommandService: Service {
    let address: FunctionAddress
    let words: [String]
    let settings: CommandSettings
    let configuration: BusConfiguration
    let logger: Logger

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            do {
                try await FunctionBus.withConnection(self.configuration) { bus in
                    let host = FunctionHost.command(
                        self.address, self.words, settings: self.settings, client: FunctionBusClient(bus),
                        logger: self.logger)
                    try await host.run { Terminal.write(line: "ready \(self.address)") }
                }
            } catch let error as BusError {
                throw CommandFailure(error)
            }
        }
    }
}
