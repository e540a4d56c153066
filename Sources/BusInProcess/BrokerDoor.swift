package import BusCore
package import BusWire
package import NIOCore

/// A broker that somebody drives, seen from a client in the same process.
///
/// Calls come from any thread. `deliver` gets the bytes of one connection in their order; it may be called with the
/// driver's lock held, and only puts them aside.
package protocol BrokerDoor: Sendable {
    /// Opens a connection; `nil` where there is no room for it.
    func open(deliver: @escaping @Sendable (_ bytes: ByteBuffer, _ closes: Bool) -> Void) -> ConnectionIdentifier?
    /// Hands over packets in their order; what follows from them is delivered.
    func send(_ packets: [Packet], from connection: ConnectionIdentifier)
    /// The connection is gone, as when a socket closes.
    func close(_ connection: ConnectionIdentifier)
}
