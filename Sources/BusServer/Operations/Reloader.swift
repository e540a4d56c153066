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
    private let authenticator: Authenticator
    private let identities: [TLSIdentity]
    private let logger: Logger

    init(
        configuration: ServerConfiguration, source: @escaping @Sendable () throws -> ServerConfiguration,
        broker: SharedBroker, authenticator: Authenticator, identities: [TLSIdentity], logger: Logger
    ) {
        self.configuration = Mutex(configuration)
        self.source = source
        self.broker = broker
        self.authenticator = authenticator
        self.identities = identities
        self.logger = logger
    }

    func reload() async {
        do {
            let new = try self.source()
            let directory = try await UserDirectory.load(new.users)
            for identity in self.identities { try identity.reload() }
            let change = self.configuration.withLock { old in
                defer { old = new }
                return ConfigurationChange(from: old, to: new)
            }
            self.apply(new, directory)
            self.report(change)
        } catch {
            self.logger.error(
                "reload refused, the old configuration stays in force", metadata: ["reason": "\(error)"])
        }
    }

    private func apply(_ new: ServerConfiguration, _ directory: UserDirectory) {
        self.authenticator.replace(directory)
        let now = LoopDriver.now()
        self.broker.withBroker { broker in
            broker.limits = new.limits
            broker.setPolicy(directory.policy, now: now)
            broker.endConnections(now: now, unless: self.authenticator.knows)
        }
        self.broker.onEveryLoop { driver in
            driver.limits = new.connectionLimits
            driver.flush()
        }
    }

    private func report(_ change: ConfigurationChange) {
        self.logger.notice(
            "configuration reloaded",
            metadata: [
                "changed": "\(change.applied.joined(separator: ", "))",
                "files": "certificates, users and rules were read again",
            ])
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
        if old.asksForUsers != new.asksForUsers || old.users.allowsAnonymous != new.users.allowsAnonymous {
            self.waiting.append("allowAnonymous")
        }
        if old.persistence != new.persistence { self.waiting.append("persistence") }
        if old.loops != new.loops { self.waiting.append("loops") }
    }
}
