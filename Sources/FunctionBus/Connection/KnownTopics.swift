import BusContract

/// Topics of requests that were read before: those of one function all come on the same one, unless each carries its
/// own address.
struct KnownTopics: Sendable {
    private var topics: [String: CallTopic] = [:]
    /// Beyond, everything is forgotten.
    static let countMax = 64

    /// What a topic of the protocol says; `nil` for all others.
    mutating func topic(_ text: String) -> CallTopic? {
        if let known = self.topics[text] { return known }
        guard let topic = CallTopic(text) else { return nil }
        switch topic {
        case .request(_, nil), .async(_, nil), .cancel(_, nil):
            if self.topics.count == Self.countMax { self.topics.removeAll(keepingCapacity: true) }
            self.topics[text] = topic
        default: break
        }
        return topic
    }

    var count: Int { self.topics.count }
}
