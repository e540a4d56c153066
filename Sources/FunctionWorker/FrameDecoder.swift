/// Cuts the stream between a host and a worker into frames; both sides use it.
///
///     +---------------------+----------------------+---------------------+-------------------+
///     | frame length (4, BE)| header length (4, BE)| header: JSON, UTF-8 | payload: raw bytes|
///     +---------------------+----------------------+---------------------+-------------------+
///
/// The frame length counts everything behind itself; the payload is whatever follows the header.
/// A length beyond the limits is refused before anything is allocated for it.
package struct FrameDecoder {
    package struct Frame: Equatable {
        package var header: [UInt8]
        package var payload: [UInt8]

        package init(header: [UInt8], payload: [UInt8]) {
            self.header = header
            self.payload = payload
        }
    }

    package enum Failure: Error, Equatable {
        case frameTooLong(bytes: Int, limit: Int)
        case headerTooLong(bytes: Int, limit: Int)

        package var message: String {
            switch self {
            case .frameTooLong(let bytes, let limit):
                "a frame of \(bytes) bytes exceeds the limit of \(limit); is something else writing to stdout?"
            case .headerTooLong(let bytes, let limit):
                "a frame header of \(bytes) bytes exceeds its frame or the limit of \(limit)"
            }
        }
    }

    /// Room for the largest payload of a bus message with its header.
    package static let frameBytesMax = 17 << 20
    package static let headerBytesMax = 256 << 10

    private var bytes: [UInt8] = []
    /// Where the next frame begins in `bytes`.
    private var start = 0

    package init() {}

    package mutating func append(_ span: RawSpan) {
        unsafe span.withUnsafeBytes { unsafe self.append($0) }
    }

    /// The same from bytes that stay where they are until it returns.
    @unsafe
    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if self.start == self.bytes.count {
            self.bytes.removeAll(keepingCapacity: self.bytes.capacity <= 1 << 16)
            self.start = 0
        }
        // One copy of the whole; byte by byte is ten times slower for large payloads.
        unsafe self.bytes.append(contentsOf: bytes)
    }

    /// The next complete frame, or `nil` until more bytes came.
    package mutating func next() throws(Failure) -> Frame? {
        guard self.bytes.count - self.start >= 8 else {
            if self.bytes.count - self.start >= 4 { _ = try self.checkedLength() }
            return nil
        }
        let length = try self.checkedLength()
        let headerLength = self.number(at: self.start + 4)
        guard headerLength <= Self.headerBytesMax, headerLength <= length - 4 else {
            throw .headerTooLong(bytes: headerLength, limit: Self.headerBytesMax)
        }
        let end = self.start + 4 + length
        guard self.bytes.count >= end else { return nil }
        let headerStart = self.start + 8
        let frame = Frame(
            header: Array(self.bytes[headerStart..<headerStart + headerLength]),
            payload: Array(self.bytes[headerStart + headerLength..<end]))
        self.start = end
        if self.start > 1 << 20 {
            self.bytes.removeFirst(self.start)
            self.start = 0
        }
        return frame
    }

    private func checkedLength() throws(Failure) -> Int {
        let length = self.number(at: self.start)
        guard length <= Self.frameBytesMax else { throw .frameTooLong(bytes: length, limit: Self.frameBytesMax) }
        guard length >= 4 else { throw .headerTooLong(bytes: 4, limit: length) }
        return length
    }

    private func number(at index: Int) -> Int {
        self.bytes[index..<index + 4].reduce(0) { $0 << 8 | Int($1) }
    }

    package static func encode(header: [UInt8], payload: [UInt8]) -> [UInt8] {
        var frame: [UInt8] = []
        frame.reserveCapacity(8 + header.count + payload.count)
        for number in [4 + header.count + payload.count, header.count] {
            for shift in [24, 16, 8, 0] { frame.append(UInt8(truncatingIfNeeded: number >> shift)) }
        }
        frame += header
        frame += payload
        return frame
    }
}
