import NIOCore
import Synchronization

/// The one buffer into which all plain connections of a loop read, one after the other.
///
/// A buffer for each would cost 2 KiB per idle client, and its bytes would be cold whenever the client speaks.
final class ReadBuffer: Sendable {
    static let capacity = 64 << 10

    private let spare = Mutex<ByteBuffer?>(nil)

    /// A buffer that nobody else holds: the spare one, or a new one while a packet in hand still pins that.
    func take(_ allocator: ByteBufferAllocator) -> ByteBuffer {
        let spare = self.spare.withLock { $0.take() }
        if var buffer = spare, buffer.modifyIfUniquelyOwned({ $0.clear() }) != nil { return buffer }
        return allocator.buffer(capacity: Self.capacity)
    }

    /// What was read is decoded, and the next connection may read.
    func giveBack(_ buffer: consuming ByteBuffer) {
        self.spare.withLock { [buffer] in $0 = buffer }
    }
}

/// Has a channel read into the buffer of its loop; wants `maxMessagesPerRead` to be 1.
///
/// A channel keeps the first buffer that it gets, for as long as it is open. So the first is tiny, and the answer that
/// the next one may be larger makes the channel ask for another before every further read.
struct LoopReadAllocator: RecvByteBufferAllocator {
    private static let firstCapacity = 64

    private let buffer: ReadBuffer
    private var isFirst = true

    init(_ buffer: ReadBuffer) {
        self.buffer = buffer
    }

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
        self.isFirst ? allocator.buffer(capacity: Self.firstCapacity) : self.buffer.take(allocator)
    }

    mutating func record(actualReadBytes: Int) -> Bool {
        self.isFirst = false
        return true
    }
}
