/// How many lines of one kind a second may bring to the log: an overload or a client without rights is told, and not
/// once for each of its messages.
struct LineBudget: Sendable {
    static let linesPerSecond = 50

    private struct Window {
        var second: UInt64
        var written = 0
        var leftOut = 0
    }

    private var windows: [String: Window] = [:]

    /// - Returns: how many lines of the kind were left out before this one; `nil` where this one is left out, too.
    mutating func admit(_ kind: String, nanoseconds now: UInt64) -> Int? {
        let second = now / 1_000_000_000
        var window = self.windows[kind] ?? Window(second: second)
        defer { self.windows[kind] = window }
        if window.second != second {
            window.second = second
            window.written = 0
        }
        guard window.written < Self.linesPerSecond else {
            window.leftOut += 1
            return nil
        }
        window.written += 1
        defer { window.leftOut = 0 }
        return window.leftOut
    }
}
