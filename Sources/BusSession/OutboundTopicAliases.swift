/// Topic aliases that the broker sets towards one client, within the Topic Alias Maximum that the client announced
/// ([MQTT-3.1.2-26], [MQTT-3.1.2-27]).
///
/// The first topics that come get the aliases and keep them as long as the network connection lives: a client that has
/// more topics than aliases gets the rest in full, and no alias is ever fought over.
package struct OutboundTopicAliases: Sendable {
    /// By the bytes of the topic: strings that are canonically equivalent are different topics ([MQTT-4.7.3-4]).
    private var aliases: [[UInt8]: UInt16] = [:]
    private let maximum: Int

    /// - Parameter maximum: what the client accepts, at most what the broker cares to remember.
    package init(maximum: Int) {
        self.maximum = maximum
    }

    /// How the topic of the next message is said, `nil`: in full.
    package func find(_ topic: String) -> (alias: UInt16, isKnown: Bool)? {
        if let alias = self.aliases[Array(topic.utf8)] { return (alias, true) }
        guard self.aliases.count < self.maximum else { return nil }
        return (UInt16(self.aliases.count + 1), false)
    }

    /// The topic went to the client together with the alias that `find` gave.
    package mutating func set(_ alias: UInt16, for topic: String) {
        self.aliases[Array(topic.utf8)] = alias
    }
}
