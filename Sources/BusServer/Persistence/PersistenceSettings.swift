package import BusTopics

/// Where what is acknowledged is kept, and what of it.
package struct PersistenceSettings: Sendable, Equatable {
    /// What an acknowledgement of QoS 1 or 2 means.
    package enum Durability: String, Sendable, CaseIterable {
        /// It is on the disk.
        case commit
        /// It is in memory: nothing waits for the disk, and nothing outlives the process.
        case memory
    }

    package struct TopicRule: Sendable, Equatable {
        package var filter: TopicFilter
        package var durability: Durability

        package init(filter: TopicFilter, durability: Durability) {
            self.filter = filter
            self.durability = durability
        }
    }

    /// The directory of the store, `nil`: everything is in memory.
    package var directory: String?
    package var durability = Durability.commit
    /// Topics that are to be kept otherwise; the first filter that matches counts.
    package var topics: [TopicRule] = []

    package init() {}
}
