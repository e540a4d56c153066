import BusTopics
import Testing

@Suite("Topic filter")
struct TopicFilterTests {
    @Test(
        "Wildcards that are whole levels are valid [MQTT-4.7.1-1] [MQTT-4.7.1-2]",
        arguments: ["#", "+", "a/#", "+/+", "/+", "+/", "a/+/b/#", "+/#", "/", "a", "$SYS/#", "$share", "$shared/+"])
    func valid(_ text: String) throws {
        let filter = try TopicFilter(text)
        #expect(filter.string == text)
        #expect(filter.filter == text)
        #expect(!filter.isShared)
    }

    @Test(
        "A wrong filter is refused with its reason",
        arguments: [
            // [MQTT-4.7.1-1] [MQTT311-4.7.1-2]
            ("a#", TopicError.misplacedMultiLevelWildcard), ("#/a", .misplacedMultiLevelWildcard),
            ("a/#/b", .misplacedMultiLevelWildcard), ("##", .misplacedMultiLevelWildcard),
            ("#/", .misplacedMultiLevelWildcard), ("#\u{301}", .misplacedMultiLevelWildcard),
            // [MQTT-4.7.1-2] [MQTT311-4.7.1-3]
            ("a+", .misplacedSingleLevelWildcard), ("+a/b", .misplacedSingleLevelWildcard),
            ("a/b+/c", .misplacedSingleLevelWildcard), ("++", .misplacedSingleLevelWildcard),
            ("+\u{301}", .misplacedSingleLevelWildcard),
            // [MQTT-4.7.3-1] [MQTT-4.7.3-2]
            ("", .empty), ("a/\0", .nullCharacter), ("$share/g\0/a", .nullCharacter),
            // [MQTT-4.8.2-1] [MQTT-4.8.2-2]
            ("$share/", .emptyShareName), ("$share//a", .emptyShareName), ("$share/g", .missingSharedFilter),
            ("$share/g/", .missingSharedFilter), ("$share/+/a", .wildcardInShareName),
            ("$share/g#/a", .wildcardInShareName), ("$share/#", .wildcardInShareName),
            ("$share/g/a#", .misplacedMultiLevelWildcard),
        ])
    func invalid(_ text: String, _ error: TopicError) {
        #expect(throws: error) { try TopicFilter(text) }
    }

    @Test(
        "A shared subscription has a name and a filter [MQTT-4.8.2-1] [MQTT-4.8.2-2]",
        arguments: [
            ("$share/g/a/b", "g", "a/b"), ("$share/g//", "g", "/"), ("$share/g/#", "g", "#"),
            ("$share/g/$share/h/x", "g", "$share/h/x"), ("$share/\u{301}/a", "\u{301}", "a"),
        ])
    func shared(_ text: String, _ name: String, _ inner: String) throws {
        let filter = try TopicFilter(text)
        #expect(filter.isShared)
        #expect(filter.shareName == name)
        #expect(filter.filter == inner)
        #expect(filter.string == text)
    }

    @Test(
        "Only the inner filter tells whether there is a wildcard",
        arguments: [("a/b", false), ("a/+", true), ("#", true), ("$share/g/a", false), ("$share/g/+", true)])
    func wildcards(_ text: String, _ hasWildcard: Bool) throws {
        #expect(try TopicFilter(text).hasWildcard == hasWildcard)
    }

    @Test(
        "A filter matches what the specification says [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.2-1] [MQTT-4.7.3-4]",
        arguments: [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/ranking", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
            ("sport/tennis/player1/#", "sport/tennis/player2", false), ("sport/#", "sport", true),
            ("sport/#", "sports", false), ("#", "a", true), ("#", "/a", true),
            ("sport/tennis/+", "sport/tennis/a", true),
            ("sport/tennis/+", "sport/tennis/a/b", false), ("sport/+", "sport", false), ("sport/+", "sport/", true),
            ("+/+", "/finance", true), ("/+", "/finance", true), ("+", "/finance", false), ("a", "A", false),
            ("#", "$SYS/x", false), ("+/monitor/Clients", "$SYS/monitor/Clients", false), ("$SYS/#", "$SYS/x", true),
            ("$SYS/#", "$SYS", true), ("$SYS/monitor/+", "$SYS/monitor/Clients", true), ("a/+", "a/$x", true),
            ("a/#", "a/$x", true), ("+", "$x", false), ("/#", "/$x", true), ("a//b", "a/b", false),
            ("a/b", "a/b/", false),
            ("\u{E9}", "e\u{301}", false), ("a/+", "a/\u{301}b", true), ("$share/g/a/+", "a/b", true),
        ])
    func matching(_ filter: String, _ topic: String, _ isMatch: Bool) throws {
        #expect(try TopicFilter(filter).matches(TopicName(topic)) == isMatch)
    }

    @Test(
        "A filter covers another when it matches all of its topics",
        arguments: [
            ("#", "a/b", true), ("#", "+/#", true), ("+/#", "#", true), ("#", "$SYS/#", false),
            ("+/x", "$SYS/x", false),
            ("a/#", "a", true), ("a/#", "a/+/b/#", true), ("a/+", "a/#", false), ("a/+/#", "a/#", false),
            ("a/+", "a/b", true), ("a/b", "a/+", false), ("+/+", "a/+", true), ("a", "a", true), ("a/b", "a", false),
            ("#", "#", true), ("+", "#", false), ("/+/#", "/#", true), ("+/+", "/#", false),
            ("$share/g/a/#", "$share/h/a/b", true), ("$SYS/#", "$SYS/+/x", true),
            ("\u{E9}", "e\u{301}", false),
        ])
    func covering(_ filter: String, _ other: String, _ isCovering: Bool) throws {
        #expect(try TopicFilter(filter).covers(TopicFilter(other)) == isCovering)
    }

    @Test("Covering agrees with matching, topic by topic")
    func coveringByMatching() throws {
        // Names that no filter has stand for all the others.
        let names = ["a", "$s", "", "other", "$other"]
        let topics = try Self.texts(of: names, depth: 4).filter { !$0.isEmpty }.map { try TopicName($0) }
        let filters = try Self.texts(of: ["a", "$s", "", "+", "#"], depth: 3).compactMap { text in
            text.isEmpty || text.dropLast().contains("#") ? nil : try TopicFilter(text)
        }
        let matched = filters.map { filter in Self.bits(topics.map(filter.matches)) }
        for (left, filter) in filters.enumerated() {
            for (right, other) in filters.enumerated() {
                let isCovering = zip(matched[right], matched[left]).allSatisfy { $0 & ~$1 == 0 }
                #expect(filter.covers(other) == isCovering, "\(filter) covers \(other)")
            }
        }
    }

    private static func bits(_ values: [Bool]) -> [UInt64] {
        stride(from: 0, to: values.count, by: 64).map { start in
            values[start..<min(start + 64, values.count)].reduce(0) { $0 << 1 | ($1 ? 1 : 0) }
        }
    }

    /// All texts of up to `depth` levels.
    private static func texts(of names: [String], depth: Int) -> [String] {
        var texts: [String] = []
        var longest = names
        for _ in 0..<depth {
            texts += longest
            longest = longest.flatMap { text in names.map { "\(text)/\($0)" } }
        }
        return texts
    }
}
