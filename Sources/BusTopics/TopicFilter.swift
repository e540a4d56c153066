/// A valid topic filter: what a subscription asks for. May hold wildcards and name a shared subscription.
package struct TopicFilter: Hashable, Sendable, CustomStringConvertible {
    /// As the client sent it, `$share/name/` included.
    package let string: String
    /// The name in `$share/{name}/{filter}`, `nil` for a subscription of its own.
    package let shareName: String?
    /// What is matched: `string` without the share prefix.
    package let filter: String

    /// - Throws: what is wrong with the text.
    package init(_ string: String, limits: TopicLimits = TopicLimits()) throws(TopicError) {
        guard !string.isEmpty else { throw .empty }
        guard string.utf8.count <= limits.effectiveByteCountMax else {
            throw .tooLong(bytesMax: limits.effectiveByteCountMax)
        }
        guard !string.utf8.contains(0) else { throw .nullCharacter }
        self.string = string
        if let (name, filter) = try Self.splitShared(string) {
            self.shareName = name
            self.filter = filter
        } else {
            self.shareName = nil
            self.filter = string
        }
        try Self.check(self.filter, limits: limits)
    }

    package var description: String { self.string }
    package var isShared: Bool { self.shareName != nil }
    package var hasWildcard: Bool { self.filter.utf8.contains { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "#") } }

    /// The levels of the inner filter.
    package var levels: [Substring] { self.filter.topicLevels.map { Substring($0) } }

    package static func == (left: TopicFilter, right: TopicFilter) -> Bool {
        left.string.hasSameBytes(as: right.string)
    }

    package func hash(into hasher: inout Hasher) { self.string.hashBytes(into: &hasher) }

    // MARK: Checks

    /// The parts of `$share/{name}/{filter}`; `nil` for any other text.
    private static func splitShared(_ string: String) throws(TopicError) -> (name: String, filter: String)? {
        let prefix = "$share/"
        guard string.utf8.starts(with: prefix.utf8) else { return nil }
        let rest = string.utf8.dropFirst(prefix.utf8.count)
        let slash = rest.firstIndex(of: UInt8(ascii: "/"))
        let name = rest[..<(slash ?? rest.endIndex)]
        guard !name.isEmpty else { throw .emptyShareName }
        guard !name.contains(UInt8(ascii: "+")), !name.contains(UInt8(ascii: "#")) else { throw .wildcardInShareName }
        guard let slash, rest.index(after: slash) < rest.endIndex else { throw .missingSharedFilter }
        return (String(Substring(name)), String(Substring(rest[rest.index(after: slash)...])))
    }

    private static func check(_ filter: String, limits: TopicLimits) throws(TopicError) {
        let levels = filter.topicLevels
        guard levels.count <= limits.levelCountMax else { throw .tooManyLevels(limit: limits.levelCountMax) }
        for (index, level) in levels.enumerated() {
            if level.contains(UInt8(ascii: "#")), !level.isOnly("#") || index < levels.count - 1 {
                throw .misplacedMultiLevelWildcard
            }
            if level.contains(UInt8(ascii: "+")), !level.isOnly("+") { throw .misplacedSingleLevelWildcard }
        }
    }
}
