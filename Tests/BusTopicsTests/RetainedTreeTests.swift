import Testing

@testable import BusTopics

@Suite("Retained tree")
struct RetainedTreeTests {
    private static func tree(_ topics: [String]) throws -> RetainedTree<String> {
        var tree = RetainedTree<String>()
        for topic in topics { _ = tree.set(topic, at: try TopicName(topic)) }
        return tree
    }

    @Test("A new value replaces the old one, which comes back")
    func replacing() throws {
        var tree = RetainedTree<Int>()
        let topic = try TopicName("a/b")
        #expect(tree.set(1, at: topic) == nil)
        #expect(tree.set(2, at: topic) == 1)
        #expect(tree.value(at: topic) == 2)
        #expect(tree.count == 1)
        #expect(tree.remove(at: topic) == 2)
        #expect(tree.remove(at: topic) == nil)
        #expect(tree.count == 0)
    }

    @Test("A topic on the way to another has no value of its own")
    func inner() throws {
        var tree = try Self.tree(["a/b/c"])
        #expect(try tree.value(at: TopicName("a/b")) == nil)
        #expect(try tree.remove(at: TopicName("a/b")) == nil)
        #expect(try tree.value(at: TopicName("a/b/c")) == "a/b/c")
    }

    @Test(
        "A filter finds its topics, a topic before those below it and otherwise in order of arrival [MQTT-4.7.2-1]",
        arguments: [
            ("#", ["b", "a", "a/x", "a/x/y", "a/b", "/"]), ("a/#", ["a", "a/x", "a/x/y", "a/b"]),
            ("+", ["b", "a"]), ("+/+", ["a/x", "a/b", "/"]), ("a/+", ["a/x", "a/b"]), ("$SYS/#", ["$SYS/v"]),
            ("+/v", []), ("a/x", ["a/x"]), ("a/unknown", []), ("+/x/#", ["a/x", "a/x/y"]), ("$share/g/b", ["b"]),
        ])
    func finding(_ filter: String, _ topics: [String]) throws {
        let tree = try Self.tree(["b", "$SYS/v", "a/x/y", "a/x", "a", "a/b", "/"])
        let filter = try TopicFilter(filter)
        #expect(tree.matches(filter) == topics)
        var visited: [String] = []
        tree.forEachMatch(filter) { topic, value in
            #expect(topic == value)
            visited.append(topic)
        }
        #expect(visited == topics)
    }

    @Test("Order does not depend on the seed of the hash")
    func determinism() throws {
        var orders: Set<[Int]> = []
        for seed in UInt64(0)..<8 {
            var tree = RetainedTree<Int>(seed: seed)
            for number in 0..<200 { _ = tree.set(number, at: try TopicName("t/\(number * 7 % 200)/v")) }
            for number in 0..<200 where number % 3 == 0 { _ = tree.remove(at: try TopicName("t/\(number)/v")) }
            orders.insert(tree.matches(try TopicFilter("t/+/v")))
        }
        #expect(orders.count == 1)
        #expect(orders.first?.count == 133)
    }

    @Test("Visiting everything includes topics with $")
    func everything() throws {
        let tree = try Self.tree(["$SYS/v", "a", "a/b"])
        var visited: [String] = []
        tree.forEach { topic, _ in visited.append(topic) }
        #expect(visited == ["$SYS/v", "a", "a/b"])
    }

    @Test("Names that only look alike are different topics [MQTT-4.7.3-4]")
    func normalization() throws {
        let tree = try Self.tree(["\u{E9}", "e\u{301}"])
        #expect(tree.count == 2)
    }
}
