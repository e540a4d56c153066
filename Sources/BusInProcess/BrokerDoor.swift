package import BusCore
package import BusWire
package import NIOCore

/// A broker that somebody drives, seen from a client in the same process.
///
/// Calls come from any thread. `deliver` gets the bytes of one connection in their order; it may be called with the
/// driver's lock held, and only puts them aside.
package protocol BrokerDoor: Sendable {
    /// Takes bytes, and says whether its client is behind: then it gets no more of what may be dropped or may wait, until
    /// `resume`.
    typealias Deliver = @Sendable (_ bytes: ByteBuffer, _ closes: Bool) -> Bool

    /// Opens a connection; `nil` where there is no room for it.
    func open(deliver: @escaping Deliver) -> ConnectionIdentifier?
    /// Hands over packets in their order; what follows from them is delivered.
    func send(_ packets: [Packet], from connection: ConnectionIdentifier)
    /// The client has caught up.
    func resume(_ connection: ConnectionIdentifier)
    /// The connection is gone, as when a socket closes.
    func close(_ connection: ConnectionIdentifier)
}
