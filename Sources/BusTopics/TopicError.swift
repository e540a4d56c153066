/// Why a text is not a topic name or a topic filter.
package enum TopicError: Error, Equatable, Sendable {
    /// [MQTT-4.7.3-1]
    case empty
    /// [MQTT-4.7.3-3], or the configured limit.
    case tooLong(bytesMax: Int)
    case tooManyLevels(limit: Int)
    /// [MQTT-4.7.3-2]
    case nullCharacter
    /// `+` or `#` in the topic name of a PUBLISH ([MQTT-3.3.2-2]).
    case wildcardInName
    /// `#` that is not a whole level at the end ([MQTT-4.7.1-1]).
    case misplacedMultiLevelWildcard
    /// `+` that is not a whole level ([MQTT-4.7.1-2]).
    case misplacedSingleLevelWildcard
    /// `$share/` without a name behind it ([MQTT-4.8.2-1]).
    case emptyShareName
    /// `+` or `#` in the name of a shared subscription ([MQTT-4.8.2-2]).
    case wildcardInShareName
    /// `$share/name` without a filter behind it ([MQTT-4.8.2-2]).
    case missingSharedFilter

    /// A sentence for people.
    package var message: String {
        switch self {
        case .empty: "a topic must not be empty"
        case .tooLong(let limit): "the topic is longer than \(limit) bytes"
        case .tooManyLevels(let limit): "the topic has more than \(limit) levels"
        case .nullCharacter: "a topic must not contain the null character"
        case .wildcardInName: "a topic name must not contain the wildcards + or #"
        case .misplacedMultiLevelWildcard: "the wildcard # must be a whole level, the last one"
        case .misplacedSingleLevelWildcard: "the wildcard + must be a whole level"
        case .emptyShareName: "the name of a shared subscription must not be empty: $share/name/filter"
        case .wildcardInShareName: "the name of a shared subscription must not contain the wildcards + or #"
        case .missingSharedFilter: "a shared subscription needs a filter: $share/name/filter"
        }
    }
}

/// Bounds on topics, applied wherever one enters the broker; beyond them it is refused with 0x90 or 0x8F.
package struct TopicLimits: Sendable, Equatable {
    /// UTF-8 bytes of a name or filter. Values above the 65 535 of [MQTT-4.7.3-3] count as that.
    package var byteCountMax = 4096
    package var levelCountMax = 128

    var effectiveByteCountMax: Int { min(self.byteCountMax, Int(UInt16.max)) }

    package init() {}
}
