import ArgumentParser
import BusServer
import Logging
import ServiceLifecycle

struct BrokerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "broker",
        abstract: "Run the MQTT broker.",
        discussion: """
            Prints one line `ready mqtt://127.0.0.1:1883` for each listener when clients can connect. SIGTERM and SIGINT say goodbye \
            to every client and exit 0. Without a configuration it listens on loopback only and lets anyone in there.

            EXAMPLES
              fcbus broker
              fcbus broker --port 0                  a free port, printed in the ready line
              fcbus broker --config broker-config/fcbus.yaml
              fcbus broker --data-dir /var/lib/fcbus  what is acknowledged is on disk
            """)

    @OptionGroup var server: ServerOptions

    func run() async throws {
        let configuration = try self.server.configuration()
        let logger = self.server.logging.logger("fcbus.broker")
        let source = self.server.source
        let broker = BrokerServer(configuration: configuration, source: source, logger: logger) { addresses in
            for address in addresses { Terminal.ready(address.url) }
        }
        try await Services.run([broker], logger: logger)
    }
}

/// What configures a broker on the command line.
struct ServerOptions: ParsableArguments {
    @Option(help: "Configuration file; see broker-config/fcbus.yaml.", completion: .file(extensions: ["yaml"]))
    var config: String?

    @Option(name: [.short, .long], help: "Port to listen on instead of the configured one; 0 picks a free one.")
    var port: Int?

    @Option(
        help: "Directory of the store: sessions, messages and tasks outlive the process. Without one they don't.",
        completion: .directory)
    var dataDir: String?

    @OptionGroup var logging: LoggingOptions

    func validate() throws {
        if let port = self.port, !(0...65_535).contains(port) {
            throw ValidationError("--port must be from 0 to 65535 (got \(port))")
        }
    }

    func configuration() throws -> ServerConfiguration {
        try self.source()
    }

    /// Reads the configuration, now and whenever SIGHUP asks for it.
    var source: @Sendable () throws -> ServerConfiguration {
        { [config, port, dataDir] in
            var configuration = try config.map(ConfigurationReader.read) ?? ServerConfiguration()
            if let port, case .tcp(let host, _) = configuration.listeners[0].address {
                configuration.listeners[0].address = .tcp(host: host, port: port)
            }
            if let dataDir { configuration.persistence.directory = dataDir }
            return configuration
        }
    }
}
