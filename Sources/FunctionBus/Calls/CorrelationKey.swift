/// Correlation data as the key of a table: hashed as a whole, where an array is hashed byte by byte.
struct CorrelationKey: Hashable, Sendable {
    var bytes: [UInt8]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    func hash(into hasher: inout Hasher) {
        unsafe self.bytes.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
    }
}

/// What tells a request from others: where its answer goes, and its correlation data.
struct CallKey: Hashable, Sendable {
    /// `nil` where the topic alone says it.
    var correlation: CorrelationKey?
    var replyTopic: String

    /// Of a request that can not be told from others.
    static let none = CallKey(correlation: nil, replyTopic: "")
    var isNone: Bool { self.correlation == nil && self.replyTopic.isEmpty }

    /// Callers choose correlation data that differ, so the topic is looked at only where there are none.
    func hash(into hasher: inout Hasher) {
        if let correlation { correlation.hash(into: &hasher) } else { hasher.combine(self.replyTopic) }
    }
}
