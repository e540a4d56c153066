package import BusCore
package import BusSession
import NIOCore

/// Everything that can be configured of a broker, with the defaults that hold without a file.
package struct ServerConfiguration: Sendable, Equatable {
    package var listeners = [Listener()]
    /// A listener that others can reach needs authentication, unless this says in as many words that it does not.
    package var allowsInsecure = false
    package var users = UserSettings()
    package var limits = BrokerLimits()
    package var persistence = PersistenceSettings()
    package var rates = RateLimit.Rates()
    package var stallSeconds = 30
    /// Seconds between the broker's reports below `$SYS`; 0: none.
    package var systemIntervalSeconds = 10
    /// This many connects of one client identifier within a minute keep it out for five minutes; 0: none do.
    package var connectsPerMinuteMax = 0
    /// Event loops, each one thread.
    package var loops = 1
    /// How long a shutdown waits for clients to take their goodbye.
    package var drainTimeout = Duration.seconds(5)

    package init() {
        self.limits.memoryBytesMax = ProcessMemory.total / 100 * 50
    }

    /// Whether a listener lets clients in that give no name.
    package func allowsAnonymous(on listener: Listener) -> Bool {
        listener.allowsAnonymous
            ?? (self.users.allowsAnonymousByDefault && listener.tls?.clientCertificate != .required)
    }

    /// Why a listener must not be opened to other machines, `nil` when it may.
    func exposure(of listener: Listener) -> String? {
        guard !listener.isLocal, !self.allowsInsecure else { return nil }
        if self.allowsAnonymous(on: listener) { return "and clients need no password there" }
        if listener.tls == nil { return "and passwords would cross the network in the clear, without tls" }
        return nil
    }

    /// Whether anybody is asked who he is.
    package var asksForUsers: Bool {
        self.users.passwordFile != nil || self.users.tokens != nil || self.users.accessFile != nil
            || self.connectsPerMinuteMax > 0 || self.listeners.contains { !self.allowsAnonymous(on: $0) }
    }

    /// Reads everything that the configuration names: certificates, keys, users, rules.
    ///
    /// - Throws: for the first file that is wrong, with its name.
    package func checkFiles() async throws(ServerFailure) {
        for listener in self.listeners {
            if let tls = listener.tls { _ = try TLSIdentity(tls) }
        }
        _ = try await UserDirectory.load(self.users)
    }

    /// What the broker stores, as it counts listeners.
    package var durability: Durability {
        var durability = Durability()
        durability.storesMessages = self.persistence.durability == .commit
        durability.topics = self.persistence.topics.map {
            Durability.TopicRule(filter: $0.filter, isStored: $0.durability == .commit)
        }
        durability.listenersInMemory = Set(
            self.listeners.indices.filter { self.listeners[$0].durability == .memory })
        return durability
    }

    /// What each connection is told.
    var connectionLimits: ConnectionLimits {
        var limits = ConnectionLimits()
        limits.session = self.limits.session
        limits.rates = self.rates
        limits.stallTime = .seconds(Int64(self.stallSeconds))
        return limits
    }
}
