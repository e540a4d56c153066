import BusCalls
import BusContract
import BusSession
import BusTopics
import BusWire

/// Who gets a message of one topic, worked out once and used until the subscriptions change.
///
/// Immutable and shared: the cache and the publish in hand hold the same one.
final class Route: Sendable {
    struct Recipient: Sendable {
        var session: Int
        var options: SubscriptionOptions
        var identifiers: [UInt32]
        /// How the client gets its own messages, where some of its subscriptions are no-local and others are not. An
        /// object, so that the many that have none pay for a word only.
        private(set) var own: OwnTerms?

        init(session: Int, options: SubscriptionOptions, identifiers: [UInt32]) {
            self.session = session
            self.options = options
            self.identifiers = identifiers
        }

        /// Adds another subscription of the client.
        mutating func merge(_ options: SubscriptionOptions, _ identifiers: [UInt32]) {
            if self.own != nil || self.options.noLocal != options.noLocal {
                var parts: [OwnTerms] = []
                if let own = self.own {
                    parts.append(own)
                } else if !self.options.noLocal {
                    parts.append(OwnTerms(options: self.options, identifiers: self.identifiers))
                }
                if !options.noLocal { parts.append(OwnTerms(options: options, identifiers: identifiers)) }
                self.own = OwnTerms(merging: parts)
            }
            self.options.merge(options)
            self.identifiers += identifiers
        }
    }

    /// The subscriptions of a client that are not no-local, taken together.
    final class OwnTerms: Sendable {
        let options: SubscriptionOptions
        let identifiers: [UInt32]

        init(options: SubscriptionOptions, identifiers: [UInt32]) {
            self.options = options
            self.identifiers = identifiers
        }

        func recipient(_ session: Int) -> Recipient {
            Recipient(session: session, options: self.options, identifiers: self.identifiers)
        }

        convenience init(merging parts: [OwnTerms]) {
            var options = parts.first?.options ?? SubscriptionOptions(rawValue: 0)
            for part in parts.dropFirst() { options.merge(part.options) }
            self.init(options: options, identifiers: parts.flatMap(\.identifiers))
        }
    }

    /// What a message on the topic means besides publish/subscribe.
    enum Kind: Sendable {
        case plain
        /// A request of a function call; the recipients are observers only.
        case request(FunctionName, ReplyLevels?)
        case async(FunctionName, ReplyLevels?)
        case cancel(FunctionName, ReplyLevels?)
        case reply(ReplyTarget)
        /// A word of an operator's to instances, and to the broker.
        case control(verb: String, service: String?, instance: String?)
        case catalog(FunctionName)
        case instance(String)
        /// Of the platform: clients may read there and not write.
        case reserved
        /// `$SYS` and other topics that clients may not write.
        case forbidden
    }

    /// Whose answers a reply topic carries, and in which form.
    struct ReplyTarget: Sendable {
        /// Percent-encoded client identifier.
        var client: String
        /// The client's session, if it has one.
        var session: Int?
        /// Without the levels of an error.
        var topic: [UInt8]
        /// The level that names one call, empty where there is none.
        var callName = Correlation()
        var errorStatus: Int?
        /// Nobody will come by here again.
        var isUsedOnce = false
    }

    let topic: [UInt8]
    let generation: UInt64
    let kind: Kind
    let recipients: [Recipient]
    let groups: [SubscriptionTree.GroupIdentifier]
    /// Of a request: how each session that serves it has subscribed.
    let servers: [Int: Recipient]
    /// Whether its messages are stored for those who need it.
    let isStored: Bool

    init(
        topic: [UInt8], generation: UInt64, kind: Kind, recipients: [Recipient],
        groups: [SubscriptionTree.GroupIdentifier] = [], servers: [Int: Recipient] = [:], isStored: Bool = true
    ) {
        self.topic = topic
        self.generation = generation
        self.kind = kind
        self.recipients = recipients
        self.groups = groups
        self.servers = servers
        self.isStored = isStored
    }

    /// A topic that names one call will not come again.
    var isUsedOnce: Bool {
        switch self.kind {
        case .request(_, let levels), .async(_, let levels), .cancel(_, let levels): levels != nil
        case .reply(let target): target.isUsedOnce
        case .plain, .control, .catalog, .instance, .reserved, .forbidden: false
        }
    }

    func isOn(_ topic: String) -> Bool {
        guard self.topic.count == topic.utf8.count else { return false }
        let isSame = unsafe topic.utf8.withContiguousStorageIfAvailable { text in
            unsafe self.topic.withUnsafeBytes { unsafe $0.hasSameBytes(as: UnsafeRawBufferPointer(text)) }
        }
        return isSame ?? self.topic.elementsEqual(topic.utf8)
    }

    var isEmpty: Bool { self.recipients.isEmpty && self.groups.isEmpty }

    /// One recipient per session: overlapping subscriptions merge into one delivery at their highest QoS that carries
    /// all their identifiers ([MQTT-3.3.4-2], [MQTT-3.3.4-4], [MQTT311-3.3.5-1]).
    static func merge(_ entries: [SubscriptionTree.Entry]) -> [Recipient] {
        var recipients: [Recipient] = []
        recipients.reserveCapacity(entries.count)
        var places: [UInt32: Int] = [:]
        for entry in entries {
            let options = SubscriptionOptions(rawValue: entry.options)
            let identifiers = entry.identifier == 0 ? [] : [entry.identifier]
            if entries.count > 1, let place = places[entry.subscriber.rawValue] {
                recipients[place].merge(options, identifiers)
                continue
            }
            if entries.count > 1 { places[entry.subscriber.rawValue] = recipients.count }
            recipients.append(
                Recipient(session: Int(entry.subscriber.rawValue), options: options, identifiers: identifiers))
        }
        return recipients
    }
}
