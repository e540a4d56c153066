import Testing

@testable import BusTopics

@Suite("Shared subscription")
struct SharedSubscriptionTests {
    @Test("Its members are one match, apart from the others")
    func group() throws {
        var tree = SubscriptionTree()
        try tree.insert("$share/g/a/+", 1)
        try tree.insert("$share/g/a/+", 2)
        try tree.insert("a/+", 3)
        let matches = tree.matches(of: "a/b")
        #expect(matches.entries.map(\.subscriber.rawValue) == [3])
        let group = try #require(matches.groups.first)
        #expect(matches.groups.count == 1)
        #expect(tree.members(of: group).map(\.subscriber.rawValue) == [1, 2])
        #expect(tree.shareName(of: group) == "g")
        #expect(tree.filter(of: group) == "a/+")
        #expect(tree.count == 1)
        #expect(tree.sharedCount == 2)
    }

    @Test("Another share name or another filter is another group")
    func distinctGroups() throws {
        var tree = SubscriptionTree()
        for filter in ["$share/g/a/b", "$share/h/a/b", "$share/g/a/+", "$share/g/#"] { try tree.insert(filter, 1) }
        let groups = tree.matches(of: "a/b").groups
        let texts = groups.map { "\(tree.shareName(of: $0)) \(tree.filter(of: $0))" }
        #expect(texts.sorted() == ["g #", "g a/+", "g a/b", "h a/b"])
    }

    @Test(
        "The filter of a group is what its members subscribed to",
        arguments: ["a", "/", "//", "+/+/#", "a//b", "#", "$x/+", "\u{301}/e\u{301}"])
    func filterText(_ filter: String) throws {
        var tree = SubscriptionTree()
        try tree.insert("$share/g/\(filter)", 1)
        let number = try #require(tree.groups.indices.first)
        let text = tree.filter(of: SubscriptionTree.GroupIdentifier(rawValue: UInt32(number)))
        #expect(Array(text.utf8) == Array(filter.utf8))
    }

    @Test("A member that subscribes again is replaced and keeps its place")
    func replacing() throws {
        var tree = SubscriptionTree()
        let filter = try TopicFilter("$share/g/a")
        for subscriber in UInt32(1)...3 { _ = tree.insert(filter, SubscriptionTree.Entry(subscriber)) }
        let changed = SubscriptionTree.Entry(2, options: 2)
        #expect(tree.insert(filter, changed) == SubscriptionTree.Entry(2))
        let group = try #require(tree.matches(of: "a").groups.first)
        #expect(tree.members(of: group)[1] == changed)
        #expect(tree.sharedCount == 3)
    }

    @Test("Members of a small group stay in the order of their arrival")
    func order() throws {
        var tree = SubscriptionTree()
        for subscriber in UInt32(1)...5 { try tree.insert("$share/g/a", subscriber) }
        _ = try tree.remove("$share/g/a", 2)
        try tree.insert("$share/g/a", 2)
        let group = try #require(tree.matches(of: "a").groups.first)
        #expect(tree.members(of: group).map(\.subscriber.rawValue) == [1, 3, 4, 5, 2])
    }

    @Test("Many groups of one filter come and go in any order")
    func manyGroups() throws {
        var tree = SubscriptionTree(seed: 5)
        for number in UInt32(0)..<5000 { try tree.insert("$share/g\(number)/a/b", number) }
        #expect(tree.matches(of: "a/b").groups.count == 5000)
        for number in UInt32(0)..<5000 where number % 2 == 0 {
            #expect(try tree.remove("$share/g\(number)/a/b", number) != nil)
        }
        let left = tree.matches(of: "a/b").groups.flatMap { tree.members(of: $0) }.map(\.subscriber.rawValue).sorted()
        #expect(left == (0..<2500).map { $0 * 2 + 1 })
        for number in UInt32(0)..<5000 where number % 2 == 1 { _ = try tree.remove("$share/g\(number)/a/b", number) }
        #expect(tree.nodeCount == 1)
        #expect(tree.nameCount == 0)
    }

    @Test("A group survives as long as it has a member")
    func lastMember() throws {
        var tree = SubscriptionTree()
        try tree.insert("$share/g/a", 1)
        try tree.insert("$share/g/a", 2)
        #expect(try tree.remove("$share/g/a", 1) != nil)
        #expect(tree.matches(of: "a").groups.count == 1)
        #expect(try tree.remove("$share/g/a", 2) != nil)
        #expect(tree.matches(of: "a").groups.isEmpty)
        #expect(tree.nodeCount == 1)
    }
}
