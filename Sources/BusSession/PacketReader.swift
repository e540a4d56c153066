package import BusWire
package import NIOCore

/// Turns what a network connection brings into packets: keeps half packets and the limits that change with the CONNECT.
///
/// Before the CONNECT is decoded only small packets are taken; nothing is ever allocated for a packet's announced size.
package struct PacketReader: Sendable {
    private var decoder: PacketDecoder
    private var pending = ByteBuffer()
    private let packetBytesMax: Int

    package init(limits: SessionLimits) {
        self.decoder = PacketDecoder(role: .server, maximumPacketSize: limits.firstPacketBytesMax)
        self.packetBytesMax = limits.packetBytesMax
    }

    /// Takes the bytes of one read; without a half packet before them they are not copied.
    package mutating func append(_ bytes: consuming ByteBuffer) {
        if self.pending.readableBytes == 0 {
            self.pending = bytes
        } else {
            self.pending.writeBuffer(&bytes)
        }
    }

    /// Appends up to `count` whole packets to `packets`. Returns `true` when more of them may be waiting.
    package mutating func read(upTo count: Int, into packets: inout [Packet]) throws(DecodingFailure) -> Bool {
        for _ in 0..<count {
            guard let packet = try self.decoder.next(in: &self.pending) else { return false }
            if case .connect = packet { self.decoder.maximumPacketSize = self.packetBytesMax }
            packets.append(packet)
        }
        return self.pending.readableBytes > 0
    }

    /// Moves a short rest into storage of its own, so that it does not pin the buffer of a whole read.
    package mutating func compact() {
        let rest = self.pending.readableBytes
        guard rest > 0 else {
            self.pending = ByteBuffer()
            return
        }
        if rest <= 4096, self.pending.storageCapacity > 4 * rest {
            self.pending = ByteBuffer(bytes: self.pending.readableBytesView)
        }
    }
}
