import BusTopics

/// A pattern of one client, its names put in.
///
/// A wildcard at the front matches neither topics that begin with `$` ([MQTT-4.7.2-1]) nor, in our own rules, those of
/// the call protocol: both must be spelled.
struct FilledPattern: Sendable {
    private static let slash = UInt8(ascii: "/")
    private static let single = UInt8(ascii: "+")
    private static let multi = UInt8(ascii: "#")

    let filter: TopicFilter
    /// Whether topics of the call protocol must be spelled.
    let callsApart: Bool

    init(_ filter: TopicFilter, callsApart: Bool) {
        self.filter = filter
        self.callsApart = callsApart
    }

    /// Whether a pattern's text matches a topic name, or covers a filter: matches every topic that the filter does.
    ///
    /// One walk over both answers either question, with nothing allocated: `+` in a filter is a level that no name of a
    /// pattern equals, and `#` one that only `#` covers. What a filter reaches from above among topics that must be
    /// spelled does not count, since it is held back message by message.
    ///
    /// - Parameter text: a filter in its `longForm`.
    static func covers(_ pattern: Span<UInt8>, _ text: Span<UInt8>, callsApart: Bool) -> Bool {
        if pattern[0] == self.single || pattern[0] == self.multi, text.count > 0 {
            if text[0] == UInt8(ascii: "$") || (callsApart && CallSpace.contains(text)) { return false }
        }
        var place = 0
        var index = 0
        // Each turn begins at the start of a level in both.
        while true {
            let first = place < pattern.count ? pattern[place] : self.slash
            if first == self.multi { return true }
            if first == self.single {
                place += 1
                if index < text.count, text[index] == self.multi { return false }
                while index < text.count, text[index] != self.slash { index += 1 }
            } else {
                while place < pattern.count, pattern[place] != self.slash {
                    guard index < text.count, text[index] == pattern[place] else { return false }
                    place += 1
                    index += 1
                }
            }
            if place == pattern.count { return index == text.count }
            // `a/#` matches `a` too.
            if index == text.count { return place + 2 == pattern.count && pattern[place + 1] == self.multi }
            guard text[index] == self.slash else { return false }
            place += 1
            index += 1
        }
    }

    /// No topic is empty, so `#` matches what `+/#` does, and `/#` what `/+/#` does.
    static func longForm(_ filter: TopicFilter) -> String {
        switch filter.filter {
        case "#": "+/#"
        case "/#": "/+/#"
        default: filter.filter
        }
    }
}
