/// Entries of one filter; a long list keeps an index, so that a member is found without a search.
struct EntryList: Sendable {
    private static let indexedAbove = 16

    private(set) var entries: [SubscriptionTree.Entry] = []
    /// Subscriber to place in `entries`; empty while the list is short.
    private var places: [UInt32: Int] = [:]

    var isEmpty: Bool { self.entries.isEmpty }
    var count: Int { self.entries.count }

    /// Returns the entry of the same subscriber that was replaced.
    mutating func insert(_ entry: SubscriptionTree.Entry) -> SubscriptionTree.Entry? {
        if let place = self.place(of: entry.subscriber) {
            defer { self.entries[place] = entry }
            return self.entries[place]
        }
        self.entries.append(entry)
        if self.entries.count == Self.indexedAbove + 1 {
            for (place, entry) in self.entries.enumerated() { self.places[entry.subscriber.rawValue] = place }
        } else if self.entries.count > Self.indexedAbove {
            self.places[entry.subscriber.rawValue] = self.entries.count - 1
        }
        return nil
    }

    mutating func remove(_ subscriber: SubscriptionTree.Subscriber) -> SubscriptionTree.Entry? {
        guard let place = self.place(of: subscriber) else { return nil }
        let removed = self.entries[place]
        guard !self.places.isEmpty else {
            // A short list keeps its order.
            self.entries.remove(at: place)
            return removed
        }
        let last = self.entries.count - 1
        self.entries.swapAt(place, last)
        self.entries.removeLast()
        self.places[subscriber.rawValue] = nil
        if place < last { self.places[self.entries[place].subscriber.rawValue] = place }
        if self.entries.count <= Self.indexedAbove { self.places = [:] }
        return removed
    }

    private func place(of subscriber: SubscriptionTree.Subscriber) -> Int? {
        if self.places.isEmpty { return self.entries.firstIndex { $0.subscriber == subscriber } }
        return self.places[subscriber.rawValue]
    }
}
