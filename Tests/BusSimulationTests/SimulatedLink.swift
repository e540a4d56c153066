import BusCore
import BusSession
import BusWire
import NIOCore

/// One network connection: bytes on their way to the broker, packets on their way to the client.
final class SimulatedLink {
    struct Arrival {
        var packet: Packet
        var byteCount: Int
        /// Of a PUBLISH above QoS 0.
        var identity: Int?
    }

    let identifier: ConnectionIdentifier
    /// `nil` once the client has turned away, or has seen the end.
    var client: SimulatedClient?
    var up = ByteBuffer()
    var reader: PacketReader
    private(set) var down: [Arrival] = []
    private(set) var downByteCount = 0
    /// What the broker has sent, torn anywhere, as the client's end decodes it.
    var decoder: PacketDecoder
    var torn = ByteBuffer()
    var isCongested = false
    /// The broker has asked for the close; the driver reports it later.
    var isClosing = false
    /// The peer is gone and nobody has told the broker.
    var isForsaken = false
    /// The broker knows of the connection.
    var isOpen = true

    init(_ identifier: ConnectionIdentifier, client: SimulatedClient, limits: SessionLimits) {
        self.identifier = identifier
        self.client = client
        self.reader = PacketReader(limits: limits)
        self.decoder = PacketDecoder(role: .client, maximumPacketSize: 1 << 20, version: client.version)
    }

    func append(_ arrival: Arrival) {
        self.down.append(arrival)
        self.downByteCount += arrival.byteCount
    }

    func take(_ count: Int) -> [Arrival] {
        let taken = Array(self.down.prefix(count))
        self.down.removeFirst(taken.count)
        self.downByteCount -= taken.reduce(0) { $0 + $1.byteCount }
        return taken
    }

    func loseAll() {
        self.up.clear()
        self.down = []
        self.downByteCount = 0
    }
}
