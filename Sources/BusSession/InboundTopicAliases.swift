package import BusWire

/// The topic aliases that a client has set on its network connection ([MQTT-3.3.2-8] to [MQTT-3.3.2-12]).
///
/// They live as long as the network connection and at most `maximum` of them exist, each keeping one topic.
package struct InboundTopicAliases: Sendable {
    // Each known alias keeps a PUBLISH with that topic and nothing else.
    private var topics: [Publish?] = []
    private let maximum: UInt16

    package init(maximum: UInt16) {
        self.maximum = maximum
    }

    /// Gives a PUBLISH its topic, and remembers the topic of one that sets an alias.
    ///
    /// - Throws: 0x94 for an alias above the maximum ([MQTT-3.3.2-9]), 0x82 for one that was
    ///   never set.
    package mutating func resolve(_ publish: Publish) throws(ProtocolViolation) -> Publish {
        guard let alias = publish.topicAlias else {
            guard publish.topicLength > 0 else {
                throw ProtocolViolation(.protocolError, "PUBLISH has neither a topic name nor a topic alias")
            }
            return publish
        }
        guard alias >= 1, alias <= self.maximum else {
            throw ProtocolViolation(.topicAliasInvalid, "topic alias \(alias) is outside 1...\(self.maximum)")
        }
        let index = Int(alias) - 1
        if publish.topicLength > 0 {
            while self.topics.count <= index { self.topics.append(nil) }
            self.topics[index] = Publish(topic: publish.topic)
            return publish
        }
        guard index < self.topics.count, let known = self.topics[index] else {
            throw ProtocolViolation(.protocolError, "topic alias \(alias) was never set on this connection")
        }
        return publish.replacingTopic(of: known)
    }
}
