import BusAccess
import BusSession
import BusTopics
import BusWire

struct RetainedMessage: Sendable {
    var publish: Publish
    var expiresAt: Timestamp
    /// For `no local`, and for the right to have published it; `nil` for the broker itself.
    var publisher: Identity?

    func isPublished(by client: ClientIdentifier) -> Bool {
        self.publisher.map { ClientIdentifier($0.clientIdentifier) } == client
    }
}

/// The retained messages of all topics, within a number and a number of bytes.
struct RetainedMessages: Sendable {
    private var tree: RetainedTree<RetainedMessage>
    private(set) var byteCount = 0
    private var expiredTopics: [String] = []

    init(seed: UInt64) {
        self.tree = RetainedTree(seed: seed)
    }

    var count: Int { self.tree.count }

    /// Keeps the message as the one of its topic; an empty payload removes it ([MQTT-3.3.1-5], [MQTT-3.3.1-6]).
    /// `false` when there is no room: the older message stays.
    mutating func store(_ message: RetainedMessage, limits: BrokerLimits) -> Bool {
        // The topic was validated when its route was made.
        guard let topic = try? TopicName(message.publish.topic, limits: limits.topics) else { return false }
        if message.publish.payloadLength == 0 {
            if let old = self.tree.remove(at: topic) { self.byteCount -= old.publish.storedByteCount }
            return true
        }
        let old = self.tree.value(at: topic)
        let bytes = self.byteCount + message.publish.storedByteCount - (old?.publish.storedByteCount ?? 0)
        guard bytes <= limits.retainedBytesMax, old != nil || self.count < limits.retainedMessagesMax else {
            return false
        }
        _ = self.tree.set(message, at: topic)
        self.byteCount = bytes
        return true
    }

    /// The messages that a new subscription to `filter` gets; expired ones are removed on the way.
    mutating func matching(_ filter: TopicFilter, limits: BrokerLimits, now: Timestamp) -> [RetainedMessage] {
        var found: [RetainedMessage] = []
        var expired: [RetainedMessage] = []
        for message in self.tree.matches(filter) {
            if message.expiresAt > now { found.append(message) } else { expired.append(message) }
        }
        for message in expired {
            guard let topic = try? TopicName(message.publish.topic, limits: limits.topics) else { continue }
            self.byteCount -= message.publish.storedByteCount
            self.expiredTopics.append(topic.string)
            _ = self.tree.remove(at: topic)
        }
        return found
    }

    /// The topics whose messages were removed because they had expired, since the last time.
    mutating func takeExpired() -> [String] {
        guard !self.expiredTopics.isEmpty else { return [] }
        defer { self.expiredTopics = [] }
        return self.expiredTopics
    }
}
