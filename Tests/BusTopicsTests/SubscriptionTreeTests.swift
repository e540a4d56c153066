import Testing

@testable import BusTopics

@Suite("Subscription tree")
struct SubscriptionTreeTests {
    @Test("A topic finds exact and wildcard filters")
    func finding() throws {
        var tree = SubscriptionTree(seed: 7)
        for (subscriber, filter) in ["a/b", "a/+", "a/#", "#", "+/b", "a", "a/b/c", "a/b/#", "b/b"].enumerated() {
            try tree.insert(filter, UInt32(subscriber))
        }
        #expect(tree.subscribers(of: "a/b") == [0, 1, 2, 3, 4, 7])
        #expect(tree.subscribers(of: "a") == [2, 3, 5])
        #expect(tree.subscribers(of: "a/b/c") == [2, 3, 6, 7])
        #expect(tree.subscribers(of: "unknown") == [3])
        #expect(tree.count == 9)
    }

    @Test("A wildcard at the front hides topics with $ [MQTT-4.7.2-1]")
    func dollar() throws {
        var tree = SubscriptionTree()
        for (subscriber, filter) in ["#", "+/x", "+/#", "$SYS/#", "$SYS/+", "$share/g/#"].enumerated() {
            try tree.insert(filter, UInt32(subscriber))
        }
        #expect(tree.subscribers(of: "$SYS/x") == [3, 4])
        #expect(tree.matches(of: "$SYS/x").groups.isEmpty)
        #expect(tree.matches(of: "x/x").groups.count == 1)
    }

    @Test("A second subscription of a client to the same filter replaces the first [MQTT-3.8.4-3]")
    func replacing() throws {
        var tree = SubscriptionTree()
        let filter = try TopicFilter("a/+")
        let first = SubscriptionTree.Entry(1, options: 1, identifier: 5)
        let second = SubscriptionTree.Entry(1, options: 2)
        #expect(tree.insert(filter, first) == nil)
        #expect(tree.insert(filter, second) == first)
        #expect(tree.matches(of: "a/b").entries == [second])
        #expect(tree.count == 1)
    }

    @Test("A client with several matching filters stands in the matches several times")
    func overlapping() throws {
        var tree = SubscriptionTree()
        for filter in ["a/b", "a/+", "#"] { try tree.insert(filter, 1) }
        #expect(tree.subscribers(of: "a/b") == [1, 1, 1])
    }

    @Test("The generation changes with every change of a match and only then")
    func generation() throws {
        var tree = SubscriptionTree()
        let filter = try TopicFilter("a")
        let shared = try TopicFilter("$share/g/a")
        var last = tree.generation
        func hasChanged() -> Bool {
            defer { last = tree.generation }
            return tree.generation != last
        }
        _ = tree.insert(filter, SubscriptionTree.Entry(1))
        #expect(hasChanged())
        _ = tree.insert(filter, SubscriptionTree.Entry(1))
        #expect(!hasChanged(), "the same once more")
        _ = tree.insert(filter, SubscriptionTree.Entry(1, options: 3))
        #expect(hasChanged(), "other options")
        _ = tree.insert(shared, SubscriptionTree.Entry(1))
        #expect(hasChanged())
        _ = tree.insert(shared, SubscriptionTree.Entry(1))
        #expect(!hasChanged(), "the same member once more")
        _ = tree.remove(filter, SubscriptionTree.Subscriber(rawValue: 9))
        #expect(!hasChanged(), "nobody to remove")
        _ = tree.remove(filter, SubscriptionTree.Subscriber(rawValue: 1))
        #expect(hasChanged())
    }

    @Test("Removing what is not there changes nothing")
    func removingNothing() throws {
        var tree = SubscriptionTree()
        try tree.insert("a/b", 1)
        for filter in ["a", "a/b/c", "a/+", "#", "x", "$share/g/a/b"] { #expect(try tree.remove(filter, 1) == nil) }
        #expect(try tree.remove("a/b", 2) == nil)
        #expect(tree.subscribers(of: "a/b") == [1])
    }

    @Test("Removing everything leaves an empty tree")
    func pruning() throws {
        var tree = SubscriptionTree(seed: 3)
        let filters = [
            "a/b/c", "a/b", "a/+/c", "#", "+/+/+", "$share/g/a/b", "$share/h/a/b", "$share/g/#", "//", "a/#",
        ]
        for subscriber in UInt32(0)..<40 {
            for filter in filters { try tree.insert(filter, subscriber) }
        }
        for subscriber in UInt32(0)..<40 {
            for filter in filters { #expect(try tree.remove(filter, subscriber) != nil) }
        }
        #expect(tree.nodeCount == 1)
        #expect(tree.nameCount == 0)
        #expect(tree.count == 0)
        #expect(tree.sharedCount == 0)
        #expect(tree.subscribers(of: "a/b").isEmpty)
    }

    @Test("Names that only look alike are different levels [MQTT-4.7.3-4]")
    func normalization() throws {
        var tree = SubscriptionTree()
        try tree.insert("x/\u{E9}", 1)
        try tree.insert("x/e\u{301}", 2)
        #expect(tree.subscribers(of: "x/\u{E9}") == [1])
        #expect(tree.subscribers(of: "x/e\u{301}") == [2])
    }

    @Test("Ten thousand subscribers of one filter come and go")
    func manySubscribers() throws {
        var tree = SubscriptionTree()
        for subscriber in UInt32(0)..<10_000 { try tree.insert("a/b", subscriber) }
        #expect(tree.subscribers(of: "a/b") == Array(0..<10_000))
        for subscriber in UInt32(0)..<10_000 where subscriber % 1000 != 5 {
            #expect(try tree.remove("a/b", subscriber) != nil)
        }
        #expect(tree.subscribers(of: "a/b") == (0..<10).map { $0 * 1000 + 5 })
    }

    @Test("A hundred thousand filters are found and removed")
    func manyFilters() throws {
        var tree = SubscriptionTree(seed: 11)
        let filters = try (0..<100_000).map { try TopicFilter("s/\($0 % 100)/\($0)/+") }
        for (number, filter) in filters.enumerated() {
            _ = tree.insert(filter, SubscriptionTree.Entry(UInt32(number)))
        }
        #expect(tree.count == 100_000)
        #expect(tree.subscribers(of: "s/42/4242/state") == [4242])
        #expect(tree.subscribers(of: "s/43/4242/state").isEmpty)
        for (number, filter) in filters.enumerated() {
            _ = tree.remove(filter, SubscriptionTree.Subscriber(rawValue: UInt32(number)))
        }
        #expect(tree.nodeCount == 1)
    }

    @Test("All 4096 filters of twelve levels that are a name or a wildcard match one topic")
    func wildcardBomb() throws {
        var tree = SubscriptionTree()
        for bits in UInt32(0)..<4096 {
            let levels = (0..<12).map { bits >> $0 & 1 == 0 ? "a" : "+" }
            try tree.insert(levels.joined(separator: "/"), bits)
        }
        let topic = Array(repeating: "a", count: 12).joined(separator: "/")
        #expect(tree.subscribers(of: topic) == Array(0..<4096))
    }

    @Test("The deepest filter of the limits matches the deepest topic")
    func depth() throws {
        var tree = SubscriptionTree()
        try tree.insert(Array(repeating: "+", count: 128).joined(separator: "/"), 1)
        #expect(tree.subscribers(of: Array(repeating: "", count: 128).joined(separator: "/")) == [1])
        #expect(tree.subscribers(of: Array(repeating: "", count: 127).joined(separator: "/")).isEmpty)
    }
}
