import Testing

@testable import BusTopics

/// The trees against the plain definition of matching, with random filters and topics.
@Suite("Trees against the definition")
struct OracleTests {
    private struct Key: Hashable {
        let filter: TopicFilter
        let subscriber: UInt32
    }

    @Test("The subscription tree finds what a search of all filters finds", arguments: UInt64(1)...10)
    func subscriptions(seed: UInt64) throws {
        var maker = TopicMaker(seed: seed)
        var tree = SubscriptionTree(seed: seed)
        var model: [Key: SubscriptionTree.Entry] = [:]
        for _ in 0..<400 {
            let filter = try maker.filter()
            let key = Key(filter: filter, subscriber: UInt32(maker.number(below: 25)))
            if maker.number(below: 5) < 3 {
                let entry = SubscriptionTree.Entry(key.subscriber, options: UInt8(maker.number(below: 3)))
                #expect(tree.insert(filter, entry) == model.updateValue(entry, forKey: key))
            } else {
                let subscriber = SubscriptionTree.Subscriber(rawValue: key.subscriber)
                #expect(tree.remove(filter, subscriber) == model.removeValue(forKey: key))
            }
            Self.compare(tree, model, topic: try maker.topic())
        }
        #expect(tree.count == model.keys.count { !$0.filter.isShared })
        #expect(tree.sharedCount == model.keys.count { $0.filter.isShared })
        for key in model.keys {
            #expect(tree.remove(key.filter, SubscriptionTree.Subscriber(rawValue: key.subscriber)) != nil)
        }
        #expect(tree.nodeCount == 1)
        #expect(tree.nameCount == 0)
    }

    private static func compare(_ tree: SubscriptionTree, _ model: [Key: SubscriptionTree.Entry], topic: TopicName) {
        let expected = model.filter { $0.key.filter.matches(topic) }
        let matches = tree.matches(of: topic.string)
        let plain = expected.filter { !$0.key.filter.isShared }.map { Self.text($0.value) }
        #expect(matches.entries.map(Self.text).sorted() == plain.sorted(), "\(topic)")
        let shared = expected.filter { $0.key.filter.isShared }.map { "\($0.key.filter) \(Self.text($0.value))" }
        let found = matches.groups.flatMap { group in
            tree.members(of: group).map {
                "$share/\(tree.shareName(of: group))/\(tree.filter(of: group)) \(Self.text($0))"
            }
        }
        #expect(found.sorted() == shared.sorted(), "\(topic)")
    }

    private static func text(_ entry: SubscriptionTree.Entry) -> String {
        "\(entry.subscriber.rawValue) \(entry.options) \(entry.identifier)"
    }

    @Test("The retained tree finds what a search of all topics finds", arguments: UInt64(1)...10)
    func retained(seed: UInt64) throws {
        var maker = TopicMaker(seed: seed)
        var tree = RetainedTree<Int>(seed: seed)
        var model: [TopicName: Int] = [:]
        for step in 0..<400 {
            let topic = try maker.topic()
            if maker.number(below: 5) < 3 {
                #expect(tree.set(step, at: topic) == model.updateValue(step, forKey: topic))
            } else {
                #expect(tree.remove(at: topic) == model.removeValue(forKey: topic))
            }
            #expect(tree.count == model.count)
            let probe = try maker.topic()
            #expect(tree.value(at: probe) == model[probe])
            let filter = try maker.filter(canBeShared: false)
            #expect(
                tree.matches(filter).sorted() == model.filter { filter.matches($0.key) }.values.sorted(), "\(filter)")
        }
        var all: [TopicName: Int] = [:]
        try Self.everything(in: tree).forEach { all[try TopicName($0.topic)] = $0.value }
        #expect(all == model)
        for topic in model.keys { #expect(tree.remove(at: topic) != nil) }
        #expect(tree.nodeCount == 1)
        #expect(tree.count == 0)
    }

    private static func everything(in tree: RetainedTree<Int>) -> [(topic: String, value: Int)] {
        var found: [(topic: String, value: Int)] = []
        tree.forEach { found.append((topic: $0, value: $1)) }
        return found
    }
}
