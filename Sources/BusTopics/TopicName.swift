/// A valid topic name: what a PUBLISH is published to. Holds no wildcard.
package struct TopicName: Hashable, Sendable, CustomStringConvertible {
    package let string: String

    /// - Throws: what is wrong with the text.
    package init(_ string: String, limits: TopicLimits = TopicLimits()) throws(TopicError) {
        var text = string
        let error = text.withUTF8 { unsafe Self.validate(UnsafeRawBufferPointer($0), limits: limits) }
        if let error { throw error }
        self.string = string
    }

    package var description: String { self.string }

    package static func == (left: TopicName, right: TopicName) -> Bool { left.string.hasSameBytes(as: right.string) }

    package func hash(into hasher: inout Hasher) { self.string.hashBytes(into: &hasher) }

    /// Checks the bytes of a name, which are known to be UTF-8, without allocating; `nil` when they are right.
    package static func validate(_ bytes: UnsafeRawBufferPointer, limits: TopicLimits) -> TopicError? {
        guard bytes.count > 0 else { return .empty }
        guard bytes.count <= limits.effectiveByteCountMax else {
            return .tooLong(bytesMax: limits.effectiveByteCountMax)
        }
        var levels = 1
        for index in 0..<bytes.count {
            switch unsafe bytes[index] {
            case UInt8(ascii: "/"): levels += 1
            case UInt8(ascii: "+"), UInt8(ascii: "#"): return .wildcardInName
            case 0: return .nullCharacter
            default: break
            }
        }
        return levels > limits.levelCountMax ? .tooManyLevels(limit: limits.levelCountMax) : nil
    }
}
