import ArgumentParser
import FunctionBus
import Glibc

/// How a client command reaches its broker; the short flags are those of mosquitto's tools.
struct ClientOptions: ParsableArguments {
    @Option(help: "Broker: mqtt://[user:password@]host:port or mqtts://… (default FCBUS_BROKER, else this machine).")
    var broker: String?

    @Option(name: [.customShort("h"), .long], help: "Broker's host, instead of --broker.")
    var host: String?

    @Option(name: [.short, .long], help: "Broker's port, instead of --broker.")
    var port: Int?

    @Option(name: [.customShort("u"), .long], help: "User name.")
    var username: String?

    @Option(name: [.customShort("P"), .long], help: "Password (better: FCBUS_PASSWORD, which other users cannot see).")
    var password: String?

    @Option(name: [.customShort("i"), .customLong("id")], help: "Client identifier (default: random).")
    var identifier: String?

    @Option(help: "PEM file of the authorities to trust.", completion: .file())
    var cafile: String?

    @Option(help: "PEM file of this client's certificate.", completion: .file())
    var cert: String?

    @Option(help: "PEM file of this client's key.", completion: .file())
    var key: String?

    func configuration() throws -> BusConfiguration {
        let url = self.broker ?? Self.environment("FCBUS_BROKER") ?? "mqtt://127.0.0.1:1883"
        var configuration: BusConfiguration
        do {
            configuration = try BusConfiguration(broker: url)
        } catch {
            throw CommandFailure(.usage, error.message)
        }
        if let host = self.host { configuration.host = host }
        if let port = self.port { configuration.port = port }
        if let name = self.username { configuration.userName = name }
        if let password = self.password ?? Self.environment("FCBUS_PASSWORD") { configuration.password = password }
        if let identifier = self.identifier { configuration.clientIdentifier = identifier }
        configuration.authorityFile = self.cafile
        configuration.certificateFile = self.cert
        configuration.keyFile = self.key
        if self.cafile != nil || self.cert != nil { configuration.usesTLS = true }
        return configuration
    }

    /// Connects for the time of `body`; the bus' errors become exit codes.
    func withBus<Result: Sendable>(
        connectTimeout: Duration = .seconds(10), _ body: (FunctionBus) async throws -> Result
    ) async throws -> Result {
        var configuration = try self.configuration()
        configuration.connectTimeout = connectTimeout
        do {
            return try await FunctionBus.withConnection(configuration, body)
        } catch let error as BusError {
            throw CommandFailure(error)
        }
    }

    private static func environment(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }
}

extension CommandFailure {
    init(_ error: BusError) {
        self.init(ExitStatus(error), error.description)
    }
}

extension ExitStatus {
    init(_ error: BusError) {
        switch (error.code, error.status) {
        case (.localTimeout, _): self = .deadlinePassed
        case (.connectionRefused, _), (.disconnectedBeforeSend, _): self = .unavailable
        case (.disconnectedAfterSend, _): self = .lost
        case (.invalidArgument, _): self = .usage
        case (_, 400), (_, 409), (_, 413), (_, 415): self = .refusedInput
        case (_, 403): self = .notAuthorized
        case (_, 404), (_, 503): self = .unavailable
        case (_, 408): self = .deadlinePassed
        case (_, 429), (_, 507): self = .overloaded
        case (_, 502): self = .lost
        default: self = .functionFailed
        }
    }
}
