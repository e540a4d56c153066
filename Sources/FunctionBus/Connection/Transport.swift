package import BusContract

/// The connection that a `FunctionBus` speaks through. It connects again by itself; whoever owns it subscribes again.
///
/// Packets go in one at a time and cost no suspension; what comes back comes in batches, in order, from a place of the
/// transport's own, and never from inside of `publish`, `subscribe` or `unsubscribe`: those are called with locks held.
package protocol Transport: Sendable {
    /// Connects, and tells everything to `receive` from now on. A receiver may publish and subscribe, and must not
    /// wait.
    func start(_ receive: @escaping @Sendable ([TransportEvent]) -> Void) throws(TransportFailure)
    /// Returns the packet identifier that the acknowledgement will carry.
    func publish(_ message: ApplicationMessage) throws(TransportFailure) -> Int32
    func subscribe(_ filter: String, qos: Int) throws(TransportFailure) -> Int32
    func unsubscribe(_ filter: String) throws(TransportFailure) -> Int32
    /// Disconnects and waits until no further event comes.
    func close() async
}

/// What a connection tells its owner.
package enum TransportEvent: Sendable {
    /// The broker has accepted the connection; `isFcbus` if it knows calls. Functions are served by shared
    /// subscriptions, where the broker has them.
    case connected(isFcbus: Bool, hasSharedSubscriptions: Bool)
    /// The broker has refused it, with a reason code of MQTT 5 or a return code below 6 of an older broker.
    case refused(reasonCode: Int)
    /// The broker ends the connection, with a reason code of MQTT 5; `disconnected` follows.
    case dismissed(reasonCode: Int)
    /// The connection is gone or could not be made; another attempt follows.
    case disconnected(reason: String)
    /// The end of a publish; of one with QoS 0, that it was written.
    case published(packet: Int32, reasonCode: Int)
    case subscribed(packet: Int32, reasonCode: Int)
    case unsubscribed(packet: Int32)
    case message(ApplicationMessage)
}

/// Why a transport did not take a packet: nobody has seen it.
package enum TransportFailure: Error, Sendable, Equatable {
    /// The packet is larger than the broker takes.
    case oversize
    case notConnected
    /// Its own words for anything else.
    case refused(String)
}
