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

    mutating func append(_ bytes: some Sequence<UInt8>) -> [String] {
        var lines: [String] = []
        for byte in bytes {
            if byte == 0x0A {
                if !self.isSkipping { lines.append(self.take()) }
                self.isSkipping = false
            } else if !self.isSkipping {
                self.partial.append(byte)
                if self.partial.count == LogThrottle.lineBytesMax {
                    lines.append(self.take() + " …")
                    self.isSkipping = true
                }
            }
        }
        return lines
    }

    /// What is left at the end of the stream.
    mutating func finish() -> String? { self.partial.isEmpty ? nil : self.take() }

    private mutating func take() -> String {
        defer { self.partial.removeAll(keepingCapacity: true) }
        if self.partial.last == 0x0D { self.partial.removeLast() }
        return String(decoding: self.partial, as: UTF8.self)
    }
}
