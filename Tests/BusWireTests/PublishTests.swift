import NIOCore
import Testing

@testable import BusWire

@Suite("A PUBLISH value")
struct PublishTests {
    static let message = Publish(
        topic: "a/b", qos: .atLeastOnce, isRetained: true, packetIdentifier: 5,
        properties: Properties(Sample.publishProperties), payload: ByteBuffer(string: "hello"))

    /// The same message as it comes out of a large read buffer.
    static func received() throws -> Publish {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(65536)
        buffer.writePacket(.publish(Self.message), version: .v5)
        buffer.writePacket(.pingReq, version: .v5)
        var decoder = PacketDecoder(role: .server, maximumPacketSize: 1000, version: .v5)
        guard case .publish(let publish) = try decoder.next(in: &buffer) else {
            throw DecodingFailure(reasonCode: .protocolError, message: "not a PUBLISH")
        }
        return publish
    }

    @Test("is small enough to be kept by the million")
    func size() {
        #expect(MemoryLayout<Publish>.stride <= 48)
        #expect(MemoryLayout<Packet>.stride <= 56)
    }

    @Test("shares the buffer it was read from")
    func sharesStorage() throws {
        let publish = try Self.received()
        #expect(publish.payload.storageCapacity >= 65536)
        #expect(publish.properties.encoded.storageCapacity >= 65536)
    }

    @Test("has its parts where the sender put them")
    func parts() throws {
        let publish = try Self.received()
        #expect(publish.topic == "a/b")
        #expect(publish.topicLength == 3)
        #expect(publish.payload == ByteBuffer(string: "hello"))
        #expect(publish.payloadLength == 5)
        #expect(Array(publish.properties) == Sample.publishProperties)
        #expect(publish.hasProperties)
        #expect(publish.topicAlias == 3)
        #expect(publish.messageExpiryInterval == 10)
        #expect(unsafe publish.withTopicBytes { unsafe Array($0) } == Array("a/b".utf8))
        #expect(publish.storedByteCount == 3 + 5 + Properties(Sample.publishProperties).byteCount)
    }

    @Test("is equal by value, however its bytes are stored")
    func equality() throws {
        #expect(try Self.received() == Self.message)
        #expect(try Self.received().compacted() == Self.message)
    }

    @Test("differs by any of its parts")
    func inequality() {
        var others = [Publish](repeating: Self.message, count: 5)
        others[0].qos = .exactlyOnce
        others[1].isRetained = false
        others[2].isDuplicate = true
        others[3].packetIdentifier = 6
        others[4].properties = []
        others.append(Self.message.replacingTopic("a/c"))
        for other in others { #expect(other != Self.message) }
    }

    @Test("when compacted does not keep the read buffer alive")
    func compacted() throws {
        let publish = try Self.received().compacted()
        #expect(publish.payload.storageCapacity <= 256)
        #expect(publish.topicAlias == 3)
        #expect(publish.messageExpiryInterval == 10)
    }

    @Test("takes the topic of the message that introduced its alias, and drops the alias")
    func resolvesAlias() throws {
        let bytes = ByteBuffer(packet: 0x35, "0000 0007 0A 23 0003 26 s'k' s'v' 'hi'")
        guard case .publish(let publish) = try decoded(bytes, .server, .v5) else {
            Issue.record("not a PUBLISH")
            return
        }
        let resolved = publish.replacingTopic(of: Self.message)
        let expected = Publish(
            topic: "a/b", qos: .exactlyOnce, isRetained: true, packetIdentifier: 7,
            properties: [.userProperty(name: "k", value: "v")], payload: ByteBuffer(string: "hi"))
        #expect(resolved == expected)
        #expect(publish.replacingTopic("a/b") == expected)
    }

    @Test("takes other properties without losing the rest")
    func setProperties() {
        var publish = Self.message
        publish.properties = [.messageExpiryInterval(77)]
        #expect(publish.topic == "a/b")
        #expect(publish.payload == ByteBuffer(string: "hello"))
        #expect(publish.topicAlias == nil)
        #expect(publish.messageExpiryInterval == 77)
        publish.properties.append(.topicAlias(9))
        #expect(publish.topicAlias == 9)
        #expect(Array(publish.properties) == [.messageExpiryInterval(77), .topicAlias(9)])
    }

    @Test("holds the longest topic there is")
    func longestTopic() throws {
        let publish = Publish(topic: String(repeating: "t", count: 65535), payload: ByteBuffer(string: "x"))
        #expect(try decoded(encoded(.publish(publish), .v5), .server, .v5) == .publish(publish))
    }
}
