/// A client of the broker, by the number of its session.
package struct ClientHandle: Hashable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }
}

/// What a caller uses to tell its answers apart: at most 64 bytes, the usual 16 without an allocation.
package struct Correlation: Hashable, Sendable {
    private var low: UInt64 = 0
    private var high: UInt64 = 0
    private var rest: [UInt8] = []
    package private(set) var count = 0

    /// No correlation data.
    package init() {}

    package init(_ bytes: UnsafeRawBufferPointer) {
        self.count = bytes.count
        for index in 0..<min(8, bytes.count) { self.low = self.low << 8 | UInt64(unsafe bytes[index]) }
        if bytes.count > 8 {
            for index in 8..<min(16, bytes.count) { self.high = self.high << 8 | UInt64(unsafe bytes[index]) }
        }
        if bytes.count > 16 { unsafe self.rest = Array(bytes[16...]) }
    }

    package init(_ bytes: [UInt8]) {
        self = unsafe bytes.withUnsafeBytes { unsafe Correlation($0) }
    }

    package var isEmpty: Bool { self.count == 0 }

    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(self.count)
        Self.append(self.low, count: min(8, self.count), to: &bytes)
        Self.append(self.high, count: min(8, max(0, self.count - 8)), to: &bytes)
        return bytes + self.rest
    }

    private static func append(_ word: UInt64, count: Int, to bytes: inout [UInt8]) {
        for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(8 * (count - 1 - index)))) }
    }
}

/// Where the answer of a call goes, and by what its caller knows it.
package struct CallAddress: Hashable, Sendable {
    package var replyTopic: String
    package var correlation: Correlation
    /// The reply topic belongs to this one call (the form for clients without properties): it tells calls apart by
    /// itself, and a failure goes to a topic below it.
    package var isTopicForm: Bool

    package init(replyTopic: String, correlation: Correlation, isTopicForm: Bool = false) {
        self.replyTopic = replyTopic
        self.correlation = correlation
        self.isTopicForm = isTopicForm
    }

    /// Whether a repeated request can be told from a new one.
    package var identifiesCall: Bool { self.isTopicForm || !self.correlation.isEmpty }
}
