import BusCore
import Logging
import Synchronization

/// Reads the configuration again while the broker runs, applies what can be applied, and says what needs a restart.
///
/// A configuration with an error changes nothing: the old one stays in force, whole.
final class Reloader: Sendable {
    private let configuration: Mutex<ServerConfiguration>
    private let source: @Sendable () throws -> ServerConfiguration
    private let broker: SharedBroker
    private let identities: [TLSIdentity]
    private let logger: Logger

    init(
        configuration: ServerConfiguration, source: @escaping @Sendable () throws -> ServerConfiguration,
        broker: SharedBroker, identities: [TLSIdentity], logger: Logger
    ) {
        self.configuration = Mutex(configuration)
        self.source = source
        self.broker = broker
        self.identities = identities
        self.logger = logger
    }

    func reload() {
        do {
            let new = try self.source()
            for identity in self.identities { try identity.reload() }
            let change = self.configuration.withLock { old in
                defer { old = new }
                return ConfigurationChange(from: old, to: new)
            }
            self.apply(new)
            self.report(change)
        } catch {
            self.logger.error(
                "reload refused, the old configuration stays in force", metadata: ["reason": "\(error)"])
        }
    }

    private func apply(_ new: ServerConfiguration) {
        self.broker.withBroker { $0.limits = new.limits }
        self.broker.onEveryLoop { $0.limits = new.connectionLimits }
    }

    private func report(_ change: ConfigurationChange) {
        self.logger.notice(
            "configuration reloaded",
            metadata: ["changed": "\(change.applied.joined(separator: ", "))", "certificates": "read again"])
        guard !change.waiting.isEmpty else { return }
        self.logger.warning(
            "these changes need a restart", metadata: ["keys": "\(change.waiting.joined(separator: ", "))"])
    }
}

/// What differs between two configurations: applied at once, or waiting for a restart.
struct ConfigurationChange: Equatable {
    var applied: [String] = []
    var waiting: [String] = []

    init(from old: ServerConfiguration, to new: ServerConfiguration) {
        if old.limits != new.limits || old.connectionLimits != new.connectionLimits { self.applied.append("limits") }
        if old.drainTimeout != new.drainTimeout { self.waiting.append("shutdown.drainTimeout") }
        if old.listeners != new.listeners { self.waiting.append("listeners") }
        if old.systemIntervalSeconds != new.systemIntervalSeconds { self.waiting.append("systemTopics") }
        if old.loops != new.loops { self.waiting.append("loops") }
    }
}
