package import BusSession
package import NIOCore

/// What a driver has to know of the limits for one connection.
package struct ConnectionLimits: Sendable, Equatable {
    package var session = SessionLimits()
    /// How fast one client may publish.
    package var rates = RateLimit.Rates()
    /// A client that is behind and takes no byte for this long is given up with 0x97.
    package var stallTime = TimeAmount.seconds(30)

    package init() {}
}
