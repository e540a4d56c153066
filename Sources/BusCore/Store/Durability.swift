package import BusTopics

/// What is stored, where there is a store: by default everything that outlives a connection.
package struct Durability: Sendable, Equatable {
    /// Whether messages are stored whose topic no rule names.
    package var storesMessages = true
    /// The first filter that matches a topic decides.
    package var topics: [TopicRule] = []
    /// Listeners whose clients have their sessions in memory and whose messages are not stored, by number.
    package var listenersInMemory: Set<Int> = []

    package struct TopicRule: Sendable, Equatable {
        package var filter: TopicFilter
        package var isStored: Bool

        package init(filter: TopicFilter, isStored: Bool) {
            self.filter = filter
            self.isStored = isStored
        }
    }

    package init() {}

    func stores(topic: String) -> Bool {
        self.topics.first { $0.filter.matches(topic) }?.isStored ?? self.storesMessages
    }
}
