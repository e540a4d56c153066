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
    private let bytes: [UInt8]
    private let isOpenAtFront: Bool
    private let callsApart: Bool

    /// - Parameter callsApart: whether topics of the call protocol must be spelled.
    init(_ filter: TopicFilter, callsApart: Bool) {
        self.filter = filter
        self.bytes = Array(filter.filter.utf8)
        self.isOpenAtFront = self.bytes[0] == Self.single || self.bytes[0] == Self.multi
        self.callsApart = callsApart
    }

    /// Whether a topic name matches: one walk over both, nothing allocated.
    func matches(_ topic: Span<UInt8>) -> Bool {
        if self.isOpenAtFront, topic.count > 0 {
            if topic[0] == UInt8(ascii: "$") || (self.callsApart && CallSpace.contains(topic)) { return false }
        }
        var place = 0
        var index = 0
        // Each turn begins at the start of a level in both.
        while true {
            let first = place < self.bytes.count ? self.bytes[place] : Self.slash
            if first == Self.multi { return true }
            if first == Self.single {
                place += 1
                while index < topic.count, topic[index] != Self.slash { index += 1 }
            } else {
                while place < self.bytes.count, self.bytes[place] != Self.slash {
                    guard index < topic.count, topic[index] == self.bytes[place] else { return false }
                    place += 1
                    index += 1
                }
            }
            if place == self.bytes.count { return index == topic.count }
            // `a/#` matches `a` too.
            if index == topic.count { return place + 2 == self.bytes.count && self.bytes[place + 1] == Self.multi }
            guard topic[index] == Self.slash else { return false }
            place += 1
            index += 1
        }
    }

    /// Whether every topic that a subscription matches is matched by this pattern; what such a subscription reaches
    /// from above in topics that must be spelled does not count, since it is held back message by message.
    func covers(_ filter: TopicFilter) -> Bool {
        if self.isOpenAtFront, self.callsApart, CallSpace.contains(filter) { return false }
        return self.filter.covers(filter)
    }
}
