package import BusCore

/// Everything that can be configured of a broker, with the defaults that hold without a file.
package struct ServerConfiguration: Sendable, Equatable {
    package var listeners = [Listener()]
    /// A listener that others can reach needs authentication, unless this says in as many words that it does not.
    package var allowsInsecure = false
    package var limits = BrokerLimits()
    /// Event loops, each one thread.
    package var loops = 1
    /// How long a shutdown waits for clients to take their goodbye.
    package var drainTimeout = Duration.seconds(5)

    package init() {}
}
