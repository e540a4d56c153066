import BusTopics

/// A small generator with a seed (SplitMix64), so that a failing case can be run again.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        self.state = seed
    }

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var word = self.state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }
}

/// Random topics and filters of few names, so that they meet often: empty levels, `$` at the front and inside, and two
/// ways to write the same accent.
struct TopicMaker {
    private var generator: SeededGenerator
    private static let names = [
        "a", "b", "", "$s", "a level of more than eight bytes", "\u{E9}", "e\u{301}", "\u{301}x",
    ]

    init(seed: UInt64) {
        self.generator = SeededGenerator(seed: seed)
    }

    mutating func number(below bound: Int) -> Int { Int.random(in: 0..<bound, using: &self.generator) }

    mutating func topic() throws -> TopicName {
        let levels = (0..<(1 + self.number(below: 4))).map { _ in Self.names[self.number(below: Self.names.count)] }
        let text = levels.joined(separator: "/")
        return try TopicName(text.isEmpty ? "/" : text)
    }

    mutating func filter(canBeShared: Bool = true) throws -> TopicFilter {
        var levels = (0..<(1 + self.number(below: 4))).map { _ in
            self.number(below: 3) == 0 ? "+" : Self.names[self.number(below: Self.names.count)]
        }
        if self.number(below: 4) == 0 { levels[levels.count - 1] = "#" }
        var text = levels.joined(separator: "/")
        if text.isEmpty { text = "/" }
        if canBeShared, self.number(below: 3) == 0 { text = "$share/\(["g", "h", "a"][self.number(below: 3)])/\(text)" }
        return try TopicFilter(text)
    }
}

extension SubscriptionTree {
    /// What a topic matches, as the broker asks for it.
    func matches(of topic: String) -> Matches {
        var matches = Matches()
        var text = topic
        text.withUTF8 { self.match(UnsafeRawBufferPointer($0), into: &matches) }
        return matches
    }

    /// The subscribers that a topic matches, in ascending order; one stands in it once for each of its filters.
    func subscribers(of topic: String) -> [UInt32] {
        self.matches(of: topic).entries.map(\.subscriber.rawValue).sorted()
    }

    /// Adds a filter for a numbered subscriber.
    mutating func insert(_ filter: String, _ subscriber: UInt32) throws {
        _ = self.insert(try TopicFilter(filter), Entry(subscriber))
    }

    mutating func remove(_ filter: String, _ subscriber: UInt32) throws -> Entry? {
        self.remove(try TopicFilter(filter), Subscriber(rawValue: subscriber))
    }
}

extension SubscriptionTree.Entry {
    init(_ subscriber: UInt32, options: UInt8 = 0, identifier: UInt32 = 0) {
        self.init(
            subscriber: SubscriptionTree.Subscriber(rawValue: subscriber), options: options, identifier: identifier)
    }
}
