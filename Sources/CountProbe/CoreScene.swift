import BusCore
import BusSession
import BusWire
import CAllocationCount
import NIOCore

/// A broker without sockets and without a clock, fed with encoded packets in batches as reads bring them.
///
/// What the broker does is counted; what the clients of the scene do around it is not.
struct CoreScene: ~Copyable {
    /// Packets that one read brings.
    static let batch = 16
    private var broker: Broker
    private var readers: [ConnectionIdentifier: PacketReader] = [:]
    private var packets: [Packet] = []
    private var outputs: [Output] = []
    private let now = Timestamp(nanoseconds: 1_000_000_000)
    private(set) var allocations: UInt = 0

    init() {
        var limits = BrokerLimits()
        limits.session.receiveMaximumOut = 65_535
        self.broker = Broker(limits: limits, seed: 1)
    }

    mutating func connect(
        _ client: String, subscribing filter: String? = nil, qos: QoS = .atMostOnce
    )
        -> ConnectionIdentifier
    {
        guard let connection = self.broker.open(ConnectionOrigin(remoteAddress: "scene"), now: self.now) else {
            preconditionFailure("the scene has room for its few clients")
        }
        self.readers[connection] = PacketReader(limits: self.broker.limits.session)
        var bytes = ByteBuffer()
        bytes.writePacket(
            .connect(Connect(clientIdentifier: client, properties: [.receiveMaximum(.max)])), version: .v5)
        if let filter, let identifier = PacketIdentifier(1) {
            let subscription = Subscription(filter: filter, maximumQoS: qos)
            bytes.writePacket(
                .subscribe(Subscribe(packetIdentifier: identifier, subscriptions: [subscription])), version: .v5)
        }
        _ = self.feed(bytes, from: connection)
        return connection
    }

    /// Returns what the broker writes for it. Only the broker's part is counted: the bytes are in storage of their own
    /// before, as those of a read are, and what is done with the answers comes after.
    mutating func feed(_ bytes: ByteBuffer, from connection: ConnectionIdentifier) -> [Output] {
        guard var reader = self.readers.removeValue(forKey: connection) else {
            preconditionFailure("the scene feeds only clients that it has connected")
        }
        let before = callocation_count()
        reader.append(bytes)
        do throws(DecodingFailure) {
            while try reader.read(upTo: 256, into: &self.packets) {}
        } catch {
            preconditionFailure("the scene encodes what the codec decodes: \(error)")
        }
        _ = self.broker.receive(
            self.packets, from: connection, byteCount: bytes.readableBytes, now: self.now)
        self.packets.removeAll(keepingCapacity: true)
        self.broker.takeOutputs(into: &self.outputs)
        self.allocations += callocation_count() - before
        self.readers[connection] = reader
        defer { self.outputs.removeAll(keepingCapacity: true) }
        return self.outputs
    }
}
