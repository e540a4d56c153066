package import BusTopics

extension Session {
    /// One subscription as the client made it.
    package struct SubscriptionRecord: Sendable, Equatable {
        package var filter: TopicFilter
        package var options: SubscriptionOptions
        package var identifier: UInt32

        package init(filter: TopicFilter, options: SubscriptionOptions, identifier: UInt32) {
            self.filter = filter
            self.options = options
            self.identifier = identifier
        }
    }

    /// The subscriptions of a session, one for each filter: 32 bytes each beside the filter's text, as a broker may
    /// hold millions.
    package struct Subscriptions: Sendable {
        private struct Terms: Sendable {
            var options: SubscriptionOptions
            var identifier: UInt32
        }

        private var terms: [TopicFilter: Terms] = [:]

        package init() {}

        package var count: Int { self.terms.count }

        package subscript(filter: TopicFilter) -> SubscriptionRecord? {
            self.terms[filter].map { Self.record(filter, $0) }
        }

        /// All of them, in no particular order.
        package var records: some Sequence<SubscriptionRecord> {
            self.terms.lazy.map { Self.record($0.key, $0.value) }
        }

        /// Returns the record of the same filter that was replaced.
        package mutating func insert(_ record: SubscriptionRecord) -> SubscriptionRecord? {
            let terms = Terms(options: record.options, identifier: record.identifier)
            return self.terms.updateValue(terms, forKey: record.filter).map { Self.record(record.filter, $0) }
        }

        package mutating func remove(_ filter: TopicFilter) -> SubscriptionRecord? {
            self.terms.removeValue(forKey: filter).map { Self.record(filter, $0) }
        }

        private static func record(_ filter: TopicFilter, _ terms: Terms) -> SubscriptionRecord {
            SubscriptionRecord(filter: filter, options: terms.options, identifier: terms.identifier)
        }
    }
}
