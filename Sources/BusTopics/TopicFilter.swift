/// A valid topic filter: what a subscription asks for. May hold wildcards and name a shared subscription.
package struct TopicFilter: Hashable, Sendable, CustomStringConvertible {
    /// As the client sent it, `$share/name/` included.
    package let string: String
    /// Bytes of `$share/{name}/` in front, 0 for a subscription of its own. A broker may hold millions of filters: the
    /// parts are cut when they are asked for.
    private let sharePrefixLength: UInt16

    /// - Throws: what is wrong with the text.
    package init(_ string: String, limits: TopicLimits = TopicLimits()) throws(TopicError) {
        guard !string.isEmpty else { throw .empty }
        guard string.utf8.count <= limits.effectiveByteCountMax else {
            throw .tooLong(bytesMax: limits.effectiveByteCountMax)
        }
        guard !string.utf8.contains(0) else { throw .nullCharacter }
        self.string = string
        self.sharePrefixLength = try Self.sharePrefixLength(of: string)
        try Self.check(self.filter, limits: limits)
    }

    /// What is matched: `string` without the share prefix.
    package var filter: String {
        guard self.isShared else { return self.string }
        return String(Substring(self.string.utf8.dropFirst(Int(self.sharePrefixLength))))
    }

    /// The name in `$share/{name}/{filter}`, `nil` for a subscription of its own.
    package var shareName: String? {
        guard self.isShared else { return nil }
        let name = self.string.utf8.prefix(Int(self.sharePrefixLength) - 1).dropFirst(Self.sharePrefix.utf8.count)
        return String(Substring(name))
    }

    package var description: String { self.string }
    package var isShared: Bool { self.sharePrefixLength > 0 }
    package var hasWildcard: Bool { self.filter.utf8.contains { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "#") } }

    /// The levels of the inner filter.
    package var levels: [Substring] { self.filter.topicLevels.map { Substring($0) } }

    package static func == (left: TopicFilter, right: TopicFilter) -> Bool {
        left.string.hasSameBytes(as: right.string)
    }

    package func hash(into hasher: inout Hasher) { self.string.hashBytes(into: &hasher) }

    // MARK: Checks

    private static let sharePrefix = "$share/"

    /// The length of `$share/{name}/`; 0 for any other text.
    private static func sharePrefixLength(of string: String) throws(TopicError) -> UInt16 {
        guard string.utf8.starts(with: Self.sharePrefix.utf8) else { return 0 }
        let rest = string.utf8.dropFirst(Self.sharePrefix.utf8.count)
        let slash = rest.firstIndex(of: UInt8(ascii: "/"))
        let name = rest[..<(slash ?? rest.endIndex)]
        guard !name.isEmpty else { throw .emptyShareName }
        guard !name.contains(UInt8(ascii: "+")), !name.contains(UInt8(ascii: "#")) else { throw .wildcardInShareName }
        guard let slash, rest.index(after: slash) < rest.endIndex else { throw .missingSharedFilter }
        // No longer than the text, whose length was checked.
        return UInt16(string.utf8.distance(from: string.utf8.startIndex, to: slash) + 1)
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
