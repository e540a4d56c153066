import Glibc

/// Keeps one chatty worker from filling the log: a bucket of lines that refills by the second.
///
/// Nothing ever waits here: what does not fit is dropped and counted, and the count is told with the next line
/// that fits.
struct LogThrottle: Sendable {
    /// Lines per second in the long run, and how many at once.
    static let linesPerSecond = 200.0
    static let burst = 1_000.0
    /// A longer line is cut.
    static let lineBytesMax = 8 << 10

    private var room = Self.burst
    private var last = Duration.zero
    private(set) var dropped = 0

    enum Verdict: Equatable {
        /// Write the line; before it, so many were dropped.
        case pass(droppedBefore: Int)
        case drop
    }

    mutating func admit(now: Duration) -> Verdict {
        let elapsed = Double((now - self.last).milliseconds) / 1_000
        if elapsed > 0 {
            self.room = min(Self.burst, self.room + elapsed * Self.linesPerSecond)
            self.last = now
        }
        guard self.room >= 1 else {
            self.dropped += 1
            return .drop
        }
        self.room -= 1
        defer { self.dropped = 0 }
        return .pass(droppedBefore: self.dropped)
    }
}

/// Cuts a byte stream into lines of bounded length.
struct LineSplitter: Sendable {
    private var partial: [UInt8] = []
    /// True while the rest of an overlong line is passed over.
    private var isSkipping = false

    mutating func append(_ bytes: [UInt8]) -> [String] {
        unsafe bytes.withUnsafeBytes { unsafe self.append($0) }
    }

    /// Line by line rather than byte by byte: a worker may print a gigabyte of which hardly a line is wanted.
    mutating func append(_ bytes: UnsafeRawBufferPointer) -> [String] {
        var lines: [String] = []
        var rest = unsafe bytes[...]
        while unsafe !rest.isEmpty {
            let end = unsafe Self.endOfLine(rest)
            if !self.isSkipping { unsafe self.take(rest[..<(end ?? rest.endIndex)], into: &lines) }
            guard let end else { break }
            if !self.isSkipping { lines.append(self.take()) }
            self.isSkipping = false
            unsafe rest = unsafe rest[(end + 1)...]
        }
        return lines
    }

    private static func endOfLine(_ bytes: Slice<UnsafeRawBufferPointer>) -> Int? {
        let part = unsafe UnsafeRawBufferPointer(rebasing: bytes)
        guard let start = part.baseAddress else { return nil }
        guard let found = unsafe memchr(start, 0x0A, part.count) else { return nil }
        return unsafe bytes.startIndex + (UnsafeRawPointer(found) - start)
    }

    private mutating func take(_ bytes: Slice<UnsafeRawBufferPointer>, into lines: inout [String]) {
        let room = LogThrottle.lineBytesMax - self.partial.count
        unsafe self.partial.append(contentsOf: bytes.prefix(room))
        guard unsafe bytes.count >= room else { return }
        lines.append(self.take() + " …")
        self.isSkipping = true
    }

    /// What is left at the end of the stream.
    mutating func finish() -> String? { self.partial.isEmpty ? nil : self.take() }

    private mutating func take() -> String {
        defer { self.partial.removeAll(keepingCapacity: true) }
        if self.partial.last == 0x0D { self.partial.removeLast() }
        return String(decoding: self.partial, as: UTF8.self)
    }
}
