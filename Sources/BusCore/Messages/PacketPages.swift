import BusSession
import BusWire
import NIOCore

/// Messages that are read from a store, packed into pages of memory.
///
/// A buffer of its own costs a message of 270 bytes 600, since storage comes in powers of two: with a million messages
/// that is the difference between 590 MB and 280. A page is freed when the last of its messages is: what is in memory
/// never exceeds what was read.
struct PacketPages {
    /// A message that lies in the page and is not yet readable there: a page that somebody reads cannot be written.
    private struct Entry {
        var number: UInt64
        var expiresAt: Timestamp
        var length: Int
    }

    struct Content {
        var publish: Publish
        var expiresAt: Timestamp
    }

    private static let pageBytes = 16 << 10
    private var page = ByteBuffer()
    private var entries: [Entry] = []
    private(set) var contents: [UInt64: Content] = [:]
    /// Packets that are no PUBLISH.
    private(set) var unreadableCount = 0

    mutating func append(_ packet: [UInt8], number: UInt64, expiresAt: Timestamp) {
        if self.page.writableBytes < packet.count {
            self.finishPage()
            self.page = ByteBufferAllocator().buffer(capacity: max(Self.pageBytes, packet.count))
        }
        self.page.writeBytes(packet)
        self.entries.append(Entry(number: number, expiresAt: expiresAt, length: packet.count))
    }

    /// Makes readable what was appended.
    mutating func finishPage() {
        for entry in self.entries {
            guard let packet = self.page.readSlice(length: entry.length), let publish = Publish(storedPacket: packet)
            else {
                self.unreadableCount += 1
                continue
            }
            self.contents[entry.number] = Content(publish: publish, expiresAt: entry.expiresAt)
        }
        self.entries.removeAll(keepingCapacity: true)
        self.page = ByteBuffer()
    }

    subscript(number: UInt64) -> Content? {
        mutating get {
            if !self.entries.isEmpty { self.finishPage() }
            return self.contents[number]
        }
    }

    /// The numbers of all messages that could be read.
    var numbers: some Collection<UInt64> { self.contents.keys }
}
