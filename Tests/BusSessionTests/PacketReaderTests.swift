import BusSession
import BusWire
import NIOCore
import Testing

@Suite("The packet reader")
struct PacketReaderTests {
    static let conversation: [Packet] = [
        .connect(Connect(clientIdentifier: "c")), .pingReq,
        .publish(Publish(topic: "a", qos: .atLeastOnce, packetIdentifier: 1, payload: ByteBuffer(string: "hello"))),
        .disconnect(Disconnect()),
    ]

    static var bytes: ByteBuffer {
        var bytes = ByteBuffer()
        for packet in Self.conversation { bytes.writePacket(packet, version: .v5) }
        return bytes
    }

    static func readAll(_ reader: inout PacketReader, _ packets: inout [Packet]) throws(DecodingFailure) {
        while try reader.read(upTo: 256, into: &packets) {}
    }

    @Test("gives the same packets however the bytes are cut", arguments: 1...20)
    func pieces(_ length: Int) throws {
        var reader = PacketReader(limits: SessionLimits())
        var packets: [Packet] = []
        var bytes = Self.bytes
        while bytes.readableBytes > 0, let piece = bytes.readSlice(length: min(length, bytes.readableBytes)) {
            reader.append(piece)
            try Self.readAll(&reader, &packets)
            reader.compact()
        }
        #expect(packets == Self.conversation)
    }

    @Test("says whether more packets may be waiting when it gives as many as it was asked for")
    func slices() throws {
        var reader = PacketReader(limits: SessionLimits())
        reader.append(Self.bytes)
        var packets: [Packet] = []
        #expect(try reader.read(upTo: 3, into: &packets))
        #expect(packets.count == 3)
        #expect(try !reader.read(upTo: 3, into: &packets))
        #expect(packets == Self.conversation)
    }

    @Test("takes only small packets before CONNECT, and larger ones after it")
    func sizes() throws {
        var limits = SessionLimits()
        limits.firstPacketBytesMax = 60
        limits.packetBytesMax = 200
        let large = Connect(clientIdentifier: String(repeating: "c", count: 60))
        var reader = PacketReader(limits: limits)
        var bytes = ByteBuffer()
        bytes.writePacket(.connect(large), version: .v5)
        reader.append(bytes)
        var packets: [Packet] = []
        let refused = #expect(throws: DecodingFailure.self) { try Self.readAll(&reader, &packets) }
        #expect(refused?.reasonCode == .packetTooLarge)

        reader = PacketReader(limits: limits)
        for length in [100, 300] {
            bytes.clear()
            if length == 100 { bytes.writePacket(Self.conversation[0], version: .v5) }
            let payload = ByteBuffer(repeating: 0, count: length)
            bytes.writePacket(.publish(Publish(topic: "a", payload: payload)), version: .v5)
            reader.append(bytes)
            if length == 100 {
                try Self.readAll(&reader, &packets)
                #expect(packets.count == 2)
            } else {
                #expect(throws: DecodingFailure.self) { try Self.readAll(&reader, &packets) }
            }
        }
    }

    @Test("refuses a packet that is too large from its header alone")
    func announcedSize() throws {
        var reader = PacketReader(limits: SessionLimits())
        reader.append(ByteBuffer(bytes: [0x10, 0xFF, 0xFF, 0xFF, 0x7F]))
        var packets: [Packet] = []
        let error = #expect(throws: DecodingFailure.self) { try Self.readAll(&reader, &packets) }
        #expect(error?.reasonCode == .packetTooLarge)
    }

    @Test("gives the good packets before a bad one")
    func badEnd() {
        var reader = PacketReader(limits: SessionLimits())
        var bytes = ByteBuffer()
        bytes.writePacket(Self.conversation[0], version: .v5)
        bytes.writeBytes([0x00, 0x00])
        reader.append(bytes)
        var packets: [Packet] = []
        #expect(throws: DecodingFailure.self) { try Self.readAll(&reader, &packets) }
        #expect(packets == [Self.conversation[0]])
    }
}
