import BusSession
import BusWire
import NIOCore
import Testing

@testable import BusCore

/// How messages lie in memory that were read from a store.
@Suite("Packet pages")
struct PacketPagesTests {
    private func publish(_ number: UInt64, bytes: Int) -> Publish {
        let payload = ByteBuffer(repeating: UInt8(truncatingIfNeeded: number), count: bytes)
        return Publish(topic: "t/\(number)", qos: .atLeastOnce, payload: payload)
    }

    @Test(
        "Messages of every size are what they were, many to a page and larger than one",
        arguments: [0, 1, 250, 16_000, 16_384, 100_000])
    func sizes(_ bytes: Int) throws {
        var pages = PacketPages()
        for number in 1...100 as ClosedRange<UInt64> {
            pages.append(
                self.publish(number, bytes: bytes).storedPacket, number: number,
                expiresAt: Timestamp(nanoseconds: number))
        }
        for number in 1...100 as ClosedRange<UInt64> {
            let content = try #require(pages[number])
            #expect(content.publish.topic == "t/\(number)")
            #expect(content.publish.payload == self.publish(number, bytes: bytes).payload)
            #expect(content.expiresAt == Timestamp(nanoseconds: number))
        }
        #expect(pages.unreadableCount == 0 && pages.numbers.count == 100)
    }

    @Test("Many small messages share their storage, so that each costs little more than its bytes")
    func shared() throws {
        var pages = PacketPages()
        for number in 1...50 as ClosedRange<UInt64> {
            pages.append(self.publish(number, bytes: 250).storedPacket, number: number, expiresAt: .never)
        }
        let one = try #require(pages[1]).publish.payload
        let other = try #require(pages[50]).publish.payload
        #expect(one.storageCapacity == 16_384 && other.storageCapacity == 16_384)
    }

    @Test("A packet that is no PUBLISH is counted and left out, and those around it are there")
    func unreadable() {
        var pages = PacketPages()
        pages.append(self.publish(1, bytes: 5).storedPacket, number: 1, expiresAt: .never)
        pages.append([0xFF, 0xFF, 0xFF], number: 2, expiresAt: .never)
        pages.append(self.publish(3, bytes: 5).storedPacket, number: 3, expiresAt: .never)
        #expect(pages[1] != nil && pages[2] == nil && pages[3] != nil)
        #expect(pages.unreadableCount == 1)
    }

    @Test("Messages can be added after some were looked at")
    func mixed() {
        var pages = PacketPages()
        pages.append(self.publish(1, bytes: 5).storedPacket, number: 1, expiresAt: .never)
        #expect(pages[1] != nil)
        pages.append(self.publish(2, bytes: 5).storedPacket, number: 2, expiresAt: .never)
        #expect(pages[2] != nil && pages[1] != nil && pages[3] == nil)
    }
}
