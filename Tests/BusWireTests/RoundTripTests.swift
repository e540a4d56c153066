import NIOCore
import Testing

@testable import BusWire

@Suite("Every packet in every version")
struct RoundTripTests {
    @Test("comes back from the wire as it was sent", arguments: Sample.all)
    func roundTrip(_ sample: Sample) throws {
        let version = sample.packet.type == .connect ? nil : sample.version
        #expect(try decoded(sample.bytes, sample.receiver, version) == sample.packet)
    }

    @Test("is decoded byte by byte exactly when its last byte is there", arguments: Sample.all)
    func dripFeed(_ sample: Sample) throws {
        var decoder = PacketDecoder(role: sample.receiver, maximumPacketSize: 1 << 20, version: sample.version)
        let bytes = sample.bytes
        var received = ByteBuffer()
        for (index, byte) in bytes.readableBytesView.enumerated() {
            received.writeInteger(byte)
            let packet = try decoder.next(in: &received)
            #expect(packet == (index == bytes.readableBytes - 1 ? sample.packet : nil))
        }
        #expect(received.readableBytes == 0)
    }

    @Test("is left in the buffer while bytes are missing", arguments: Sample.all)
    func prefixes(_ sample: Sample) throws {
        let bytes = sample.bytes
        for length in 0..<bytes.readableBytes {
            var prefix = try #require(bytes.getSlice(at: 0, length: length))
            var decoder = PacketDecoder(role: sample.receiver, maximumPacketSize: 1 << 20, version: sample.version)
            #expect(try decoder.next(in: &prefix) == nil)
            #expect(prefix.readableBytes == length)
        }
    }

    @Test("is refused when its last field ends one byte early", arguments: Sample.connects)
    func cutShort(_ sample: Sample) throws {
        let header = try #require(try FixedHeader.read(sample.bytes.readableBytesUInt8Span, version: nil))
        let bodyLength = header.byteCount - header.bodyStart - 1
        var shorter = ByteBuffer(integer: UInt8(0x10))
        shorter.writeVariableByteInteger(bodyLength)
        shorter.writeImmutableBuffer(try #require(sample.bytes.getSlice(at: header.bodyStart, length: bodyLength)))
        #expect(failure(shorter, .server, nil)?.reasonCode == .malformedPacket)
    }

    @Test("follows its predecessor in one buffer without loss", arguments: [ProtocolVersion.v3_1_1, .v5])
    func concatenated(_ version: ProtocolVersion) throws {
        let packets = Sample.all.filter { $0.version == version && $0.receiver == .client }.map(\.packet)
        var buffer = ByteBuffer()
        for packet in packets {
            buffer.writePacket(packet, version: version)
        }
        var decoder = PacketDecoder(role: .client, maximumPacketSize: 1 << 20, version: version)
        var received: [Packet] = []
        while let packet = try decoder.next(in: &buffer) { received.append(packet) }
        #expect(received == packets)
        #expect(buffer.readableBytes == 0)
    }

    @Test("covers every packet type and every property")
    func samplesAreComplete() {
        let types = Set(Sample.all.map { $0.packet.type.rawValue })
        #expect(types == Set(1...15))
        let listed =
            Sample.connectProperties + Sample.willProperties + Sample.connAckProperties + Sample.publishProperties
            + [.subscriptionIdentifier(1)]
        #expect(Set(listed.map(\.identifier)) == Set(PropertyIdentifier.allCases))
    }
}

@Suite("The decoder of a server")
struct DecoderVersionTests {
    @Test(
        "takes its version from the CONNECT",
        arguments: [
            ("s'MQIsdp' 03 02 0000 s'a'", ProtocolVersion.v3_1), ("s'MQTT' 04 02 0000 s'a'", .v3_1_1),
            ("s'MQTT' 05 02 0000 00 s'a'", .v5),
        ])
    func version(_ body: String, _ version: ProtocolVersion) throws {
        var decoder = PacketDecoder(role: .server, maximumPacketSize: 100)
        var buffer = ByteBuffer(packet: 0x10, body)
        _ = try decoder.next(in: &buffer)
        #expect(decoder.version == version)
    }

    @Test("knows the version of a CONNECT that it refuses further on, so that the answer has the right form")
    func versionOfRefused() {
        var decoder = PacketDecoder(role: .server, maximumPacketSize: 100)
        var buffer = ByteBuffer(packet: 0x10, "s'MQTT' 05 03 0000 00 s'a'")
        #expect(throws: DecodingFailure.self) { try decoder.next(in: &buffer) }
        #expect(decoder.version == .v5)
    }

    @Test("keeps its version when a second CONNECT names another")
    func secondConnect() throws {
        var decoder = PacketDecoder(role: .server, maximumPacketSize: 100)
        var buffer = encoded(.connect(Connect(version: .v3_1_1)), .v3_1_1)
        buffer.writePacket(.connect(Connect(version: .v5)), version: .v5)
        _ = try decoder.next(in: &buffer)
        _ = try decoder.next(in: &buffer)
        #expect(decoder.version == .v3_1_1)
    }

    @Test("refuses any other first packet [MQTT-3.1.0-1]")
    func firstPacket() {
        #expect(failure(ByteBuffer(wire: "C000"), .server, nil)?.statement == "MQTT-3.1.0-1")
    }
}
