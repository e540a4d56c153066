import NIOCore
import Testing

@testable import BusWire

@Suite("Packed messages")
struct PackedPublishTests {
    @Test("A message that was packed comes back with topic, properties and payload", arguments: 0...2)
    func roundTrip(_ qos: UInt8) throws {
        let properties: Properties = [
            .correlationData(ByteBuffer(bytes: [1, 2, 3])), .messageExpiryInterval(7),
            .userProperty(name: "a", value: "b"),
        ]
        for (properties, text) in [(properties, "payload"), ([], "payload"), (properties, ""), ([], "")] {
            let publish = Publish(
                topic: "an/answer", qos: try #require(QoS(rawValue: qos)), properties: properties,
                payload: ByteBuffer(string: text))
            var bytes = [UInt8](repeating: 0xFF, count: publish.packedByteCount)
            unsafe bytes.withUnsafeMutableBytes { unsafe publish.pack(into: $0) }
            let again = Publish(packed: bytes)
            #expect(again == publish)
            #expect(again.messageExpiryInterval == publish.messageExpiryInterval)
        }
    }
}
