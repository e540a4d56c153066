import NIOCore
import Testing

@testable import BusWire

@Suite("The decoder")
struct RobustnessTests {
    /// Decodes until the end or a refusal; what is decoded must survive being sent on.
    static func exercise(_ bytes: ByteBuffer, _ role: PacketDecoder.Role, _ version: ProtocolVersion?) {
        var decoder = PacketDecoder(role: role, maximumPacketSize: 4096, version: version)
        var buffer = bytes
        do throws(DecodingFailure) {
            while let packet = try decoder.next(in: &buffer) {
                #expect(buffer.readerIndex <= bytes.writerIndex)
                guard let version = decoder.version else { continue }
                let again = encoded(packet, packet.version ?? version)
                let isFirst = packet.type == .connect
                #expect(try decoded(again, role, isFirst ? nil : version) == packet, "\(bytes.hex)")
            }
        } catch {
            #expect(error.reasonCode.isError)
            #expect(!error.message.isEmpty)
        }
    }

    @Test("survives every single-byte corruption of every packet", arguments: Sample.all)
    func corruption(_ sample: Sample) {
        let original = sample.bytes
        for index in original.readableBytesView.indices {
            for mask: UInt8 in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF] {
                var bytes = original
                bytes.setInteger((bytes.getInteger(at: index) ?? 0) ^ mask, at: index)
                Self.exercise(bytes, sample.receiver, sample.packet.type == .connect ? nil : sample.version)
            }
        }
    }

    @Test("survives random changes, insertions and deletions", arguments: 0..<8)
    func mutations(_ seed: Int) {
        var generator = SeededGenerator(seed: UInt64(seed))
        for _ in 0..<3000 {
            guard let sample = Sample.all.randomElement(using: &generator) else { return }
            var bytes = Array(sample.bytes.readableBytesView)
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                Self.mutate(&bytes, &generator)
            }
            let version = sample.packet.type == .connect ? nil : sample.version
            Self.exercise(ByteBuffer(bytes: bytes), sample.receiver, version)
        }
    }

    @Test("survives random bytes behind a valid header", arguments: 0..<4)
    func noise(_ seed: Int) {
        var generator = SeededGenerator(seed: 1000 + UInt64(seed))
        for _ in 0..<3000 {
            let length = Int.random(in: 0...60, using: &generator)
            let body = (0..<length).map { _ in
                Bool.random(using: &generator) ? UInt8.random(in: 0...6, using: &generator) : generator.next()
            }
            let first = UInt8.random(in: 0x10...0xFF, using: &generator)
            for version in [ProtocolVersion.v3_1, .v3_1_1, .v5] {
                for role in [PacketDecoder.Role.server, .client] {
                    Self.exercise(ByteBuffer(bytes: [first, UInt8(length)] + body), role, version)
                }
            }
        }
    }

    @Test("never takes bytes that belong to the next packet", arguments: Sample.all)
    func neighbours(_ sample: Sample) throws {
        var buffer = sample.bytes
        let length = buffer.readableBytes
        buffer.writeBytes([0xFF, 0xFF, 0xFF, 0xFF])
        let version = sample.packet.type == .connect ? nil : sample.version
        var decoder = PacketDecoder(role: sample.receiver, maximumPacketSize: 4096, version: version)
        #expect(try decoder.next(in: &buffer) == sample.packet)
        #expect(buffer.readerIndex == length)
    }

    private static func mutate(_ bytes: inout [UInt8], _ generator: inout SeededGenerator) {
        let index = bytes.isEmpty ? 0 : Int.random(in: 0..<bytes.count, using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0 where !bytes.isEmpty: bytes[index] = generator.next()
        case 1 where !bytes.isEmpty: bytes.remove(at: index)
        case 2 where !bytes.isEmpty: bytes[index] = UInt8.random(in: 0...3, using: &generator)
        default: bytes.insert(generator.next(), at: index)
        }
    }
}

extension Packet {
    /// The version that a CONNECT asks for.
    fileprivate var version: ProtocolVersion? {
        guard case .connect(let connect) = self else { return nil }
        return connect.version
    }
}
