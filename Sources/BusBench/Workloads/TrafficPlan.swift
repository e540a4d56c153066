/// Who publishes where and who listens where, for the workloads of messages that flow one way.
///
/// A stream is a numbered sequence of messages: one per publisher, or one per publisher and subscriber where a
/// publisher chooses among subscribers.
package struct TrafficPlan: Sendable {
    package let kind: Workload.Kind
    package let publisherCount: Int
    package let subscriberCount: Int
    package let filterCount: Int
    private let prefix: String
    private let extraLevels: String

    package init(_ workload: Workload, prefix: String) {
        self.kind = workload.kind
        self.prefix = prefix
        self.filterCount = workload.filters
        self.extraLevels = (0..<workload.extraLevels).map { "level\($0)/" }.joined()
        switch workload.kind {
        case .p2p, .latency, .call, .hosted, .connections, .durable, .commit:
            self.publisherCount = workload.publishers
            self.subscriberCount = workload.publishers
        case .fanout:
            self.publisherCount = 1
            self.subscriberCount = workload.subscribers
        case .fanin:
            self.publisherCount = workload.publishers
            self.subscriberCount = 1
        case .shared, .wildcard:
            self.publisherCount = workload.publishers
            self.subscriberCount = workload.subscribers
        }
    }

    /// How many copies of one message are delivered.
    package var copies: Int { self.kind == .fanout ? self.subscriberCount : 1 }

    package var streamCount: Int {
        self.kind == .wildcard ? self.publisherCount * self.subscriberCount : self.publisherCount
    }

    /// How many sequences are tracked: each subscriber's view of each stream that it gets.
    package var trackerCount: Int {
        switch self.kind {
        case .shared: 0
        case .fanout: self.subscriberCount
        case .p2p, .latency, .call, .hosted, .connections, .durable, .commit, .fanin, .wildcard: self.streamCount
        }
    }

    package func topic(ofPublisher index: Int) -> String {
        switch self.kind {
        case .wildcard: "\(self.prefix)/g000/x/d0000000/s"
        case .fanout: "\(self.prefix)/out/\(self.extraLevels)0"
        default: "\(self.prefix)/to/\(self.extraLevels)\(index)"
        }
    }

    /// Where the item's group and the item stand in the topic of the wildcard workload.
    package var itemOffsets: (group: Int, item: Int) {
        let group = self.prefix.utf8.count + 2
        return (group, group + 7)
    }

    /// Filters of the wildcard workload lie in groups of this many.
    package static let itemsPerGroup = 10_000

    package func filterCount(ofSubscriber index: Int) -> Int {
        guard self.kind == .wildcard else { return 1 }
        return self.filterCount / self.subscriberCount + (index < self.filterCount % self.subscriberCount ? 1 : 0)
    }

    package func filter(_ number: Int, ofSubscriber index: Int) -> String {
        switch self.kind {
        case .wildcard: self.wildcardFilter(ofItem: number * self.subscriberCount + index)
        case .shared: "$share/bench/\(self.prefix)/to/\(self.extraLevels)+"
        case .fanin: "\(self.prefix)/to/\(self.extraLevels)+"
        case .fanout: "\(self.prefix)/out/\(self.extraLevels)0"
        case .p2p, .latency, .call, .hosted, .connections, .durable, .commit:
            "\(self.prefix)/to/\(self.extraLevels)\(index)"
        }
    }

    /// Half of them end in `#`, half have a `+` in the middle.
    private func wildcardFilter(ofItem item: Int) -> String {
        let group = Self.digits(item / Self.itemsPerGroup, count: 3)
        let name = "d" + Self.digits(item, count: 7)
        return item % 2 == 0 ? "\(self.prefix)/g\(group)/+/\(name)/s" : "\(self.prefix)/g\(group)/x/\(name)/#"
    }

    /// What a bystander listens to: near the topics of the work, and never matching one.
    package func idleFilter(_ number: Int) -> String {
        switch number % 3 {
        case 0: "\(self.prefix)/idle/\(number)/state"
        case 1: "\(self.prefix)/idle/\(number)/+/state"
        default: "\(self.prefix)/idle/\(number)/#"
        }
    }

    private static func digits(_ number: Int, count: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
    }

    /// Whose tracker a message of a stream belongs to when a subscriber gets it, `nil` when it should not get it.
    @inline(__always)
    package func tracker(ofStream stream: Int, subscriber: Int) -> Int? {
        guard stream < self.streamCount else { return nil }
        switch self.kind {
        case .fanout: return subscriber
        case .fanin, .shared: return stream
        case .wildcard: return stream % self.subscriberCount == subscriber ? stream : nil
        case .p2p, .latency, .call, .hosted, .connections, .durable, .commit: return stream == subscriber ? stream : nil
        }
    }

    @inline(__always)
    package func publisher(ofStream stream: Int) -> Int {
        self.kind == .wildcard ? stream / self.subscriberCount : stream
    }
}
