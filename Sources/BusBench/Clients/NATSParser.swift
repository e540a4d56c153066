package import NIOCore

/// What a NATS server says.
package enum NATSOperation: Sendable, Equatable {
    case info
    case ping
    case pong
    case ok
    case error(String)
    /// `reply` is the subject that an answer goes to, `nil` for none.
    case message(subject: ByteBuffer, reply: ByteBuffer?, payload: ByteBuffer)
}

/// Takes whole operations of the NATS protocol from the front of a buffer: a line each, and the bytes that a message
/// announces (docs.nats.io, "Client Protocol").
package struct NATSParser: Sendable {
    package static let lineBytesMax = 1 << 20
    package static let payloadBytesMax = 64 << 20

    package init() {}

    /// Returns `nil` when more bytes are needed. Moves the reader index past whole operations only.
    package func next(in buffer: inout ByteBuffer) throws(BenchFailure) -> NATSOperation? {
        guard let lineBytes = Self.lineLength(buffer) else {
            guard buffer.readableBytes <= Self.lineBytesMax else {
                throw BenchFailure("the NATS server sent a line without an end")
            }
            return nil
        }
        guard let line = buffer.getSlice(at: buffer.readerIndex, length: lineBytes) else {
            preconditionFailure("the line was just found")
        }
        if Self.begins(line, with: "MSG ") { return try Self.message(line, in: &buffer) }
        buffer.moveReaderIndex(forwardBy: lineBytes)
        if Self.begins(line, with: "PING") { return .ping }
        if Self.begins(line, with: "PONG") { return .pong }
        if Self.begins(line, with: "+OK") { return .ok }
        if Self.begins(line, with: "INFO ") { return .info }
        if Self.begins(line, with: "-ERR") { return .error(Self.text(line)) }
        throw BenchFailure("the NATS server sent an unknown operation: \(Self.text(line))")
    }

    /// `MSG <subject> <sid> [reply-to] <bytes>`, CR LF, the payload, CR LF.
    private static func message(_ line: ByteBuffer, in buffer: inout ByteBuffer) throws(BenchFailure) -> NATSOperation?
    {
        let words = Self.words(of: line)
        guard words.count == 4 || words.count == 5, let count = Self.number(line, words[words.count - 1]) else {
            throw BenchFailure("the NATS server sent a malformed message: \(Self.text(line))")
        }
        guard count <= Self.payloadBytesMax else {
            throw BenchFailure("the NATS server announced a message of \(count) bytes")
        }
        guard buffer.readableBytes >= line.readableBytes + count + 2 else { return nil }
        guard let payload = buffer.getSlice(at: buffer.readerIndex + line.readableBytes, length: count),
            let subject = line.getSlice(at: words[1].lowerBound, length: words[1].count)
        else { preconditionFailure("the parts of the message were just found") }
        let reply = words.count == 5 ? line.getSlice(at: words[3].lowerBound, length: words[3].count) : nil
        buffer.moveReaderIndex(forwardBy: line.readableBytes + count + 2)
        return .message(subject: subject, reply: reply, payload: payload)
    }

    /// With its end.
    private static func lineLength(_ buffer: ByteBuffer) -> Int? {
        let bytes = buffer.readableBytesUInt8Span
        for index in 0..<bytes.count where bytes[index] == UInt8(ascii: "\n") { return index + 1 }
        return nil
    }

    private static func begins(_ line: ByteBuffer, with word: String) -> Bool {
        line.readableBytesView.starts(with: word.utf8)
    }

    /// Places of the words in the line's buffer; an end of line is no part of the last one.
    private static func words(of line: ByteBuffer) -> [Range<Int>] {
        var words: [Range<Int>] = []
        words.reserveCapacity(6)
        var start: Int?
        let bytes = line.readableBytesUInt8Span
        for index in 0..<bytes.count {
            let isSpace = bytes[index] <= UInt8(ascii: " ")
            if isSpace, let begin = start {
                words.append(line.readerIndex + begin..<line.readerIndex + index)
                start = nil
            } else if !isSpace, start == nil {
                start = index
            }
        }
        return words
    }

    private static func number(_ line: ByteBuffer, _ range: Range<Int>) -> Int? {
        guard (1...9).contains(range.count) else { return nil }
        var number = 0
        for index in range {
            guard let digit = line.getInteger(at: index, as: UInt8.self), (48...57).contains(digit) else { return nil }
            number = number * 10 + Int(digit - 48)
        }
        return number
    }

    private static func text(_ line: ByteBuffer) -> String {
        String(String(buffer: line).prefix(200).filter { !$0.isNewline })
    }
}
