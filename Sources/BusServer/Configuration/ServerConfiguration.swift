package import BusCore
package import BusSession
import NIOCore

/// Everything that can be configured of a broker, with the defaults that hold without a file.
package struct ServerConfiguration: Sendable, Equatable {
    package var listeners = [Listener()]
    /// A listener that others can reach needs authentication, unless this says in as many words that it does not.
    package var allowsInsecure = false
    package var limits = BrokerLimits()
    package var rates = RateLimit.Rates()
    package var stallSeconds = 30
    /// Seconds between the broker's reports below `$SYS`; 0: none.
    package var systemIntervalSeconds = 10
    /// Event loops, each one thread.
    package var loops = 1
    /// How long a shutdown waits for clients to take their goodbye.
    package var drainTimeout = Duration.seconds(5)

    package init() {
        self.limits.memoryBytesMax = ProcessMemory.total / 100 * 50
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
