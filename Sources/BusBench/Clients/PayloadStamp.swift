package import NIOCore

/// What every payload carries, so that its way can be checked: whose it is, its number, when it was due.
///
///     | magic | stream |  sequence  |    time    |  filling …  | check word |
///     0       4        8            16           24            count - 4
package struct PayloadStamp: Sendable, Equatable {
    /// Shorter payloads have no room for it.
    package static let bytesMin = 32
    private static let magic: UInt32 = 0x6663_6275

    package var stream: UInt32
    package var sequence: UInt64
    /// When the message was due, in nanoseconds.
    package var time: UInt64

    package init(stream: UInt32, sequence: UInt64, time: UInt64) {
        self.stream = stream
        self.sequence = sequence
        self.time = time
    }

    /// `nil` when these are not the bytes that somebody stamped.
    package init?(_ payload: ByteBuffer, expectedBytes: Int) {
        let start = payload.readerIndex
        guard payload.readableBytes == expectedBytes,
            let (magic, stream, sequence, time) = payload.peekMultipleIntegers(
                as: (UInt32, UInt32, UInt64, UInt64).self),
            magic == Self.magic,
            let check = payload.getInteger(at: start + expectedBytes - 4, as: UInt32.self)
        else { return nil }
        self.init(stream: stream, sequence: sequence, time: time)
        guard check == self.checkWord else { return nil }
    }

    /// Writes itself over a payload of `count` bytes.
    package func write(at offset: Int, count: Int, into buffer: inout ByteBuffer) {
        buffer.setInteger(Self.magic, at: offset)
        buffer.setInteger(self.stream, at: offset + 4)
        buffer.setInteger(self.sequence, at: offset + 8)
        buffer.setInteger(self.time, at: offset + 16)
        buffer.setInteger(self.checkWord, at: offset + count - 4)
    }

    private var checkWord: UInt32 {
        let mixed = (self.sequence ^ UInt64(self.stream) << 40) &* 0x9E37_79B9_7F4A_7C15
        return UInt32(truncatingIfNeeded: mixed >> 32)
    }
}
