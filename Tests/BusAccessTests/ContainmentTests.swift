import BusTopics
import Testing

@testable import BusAccess

/// Whether one filter lies in another, by search of all topics of a small world.
@Suite("Filters in patterns")
struct ContainmentTests {
    private struct Sample {
        var text: String
        var filter: TopicFilter
        var pattern: PatternList
        /// The topics that a subscription is about: those set apart are held back where it does not spell them.
        var wanted: BitSet
        var ruled: BitSet
    }

    /// All filters of up to three levels. The world has a name more than the filters, so that nothing is covered by
    /// chance, and is one level deeper.
    private static func samples() throws -> [Sample] {
        let names = ["a", "b", "", "$s", "fc"]
        let topics = PlainMatching.topics(of: names + ["z"], depth: 4)
        var texts = PlainMatching.topics(of: names + ["+"], depth: 3)
        texts += [["#"]] + PlainMatching.topics(of: names + ["+"], depth: 2).map { $0 + ["#"] } + [["", "#"]]
        return try texts.map { levels in
            let filter = try TopicFilter(levels.joined(separator: "/"))
            let isOpen = levels[0] == "+" || levels[0] == "#"
            let wanted = topics.indices.filter { index in
                PlainMatching.subscribes(levels, topics[index]) && !(isOpen && PlainMatching.isApart(topics[index]))
            }
            let ruled = topics.indices.filter { PlainMatching.rules(levels, topics[$0]) }
            var pattern = PatternList()
            pattern.append(FilledPattern(filter, callsApart: true))
            return Sample(
                text: filter.string, filter: filter, pattern: pattern,
                wanted: BitSet(wanted), ruled: BitSet(ruled))
        }
    }

    @Test("A filter is covered exactly when the pattern matches all its topics, in 100 000 random pairs (S05)")
    func containment() throws {
        let samples = try Self.samples()
        var generator = SeededGenerator(seed: 5)
        var covered = 0
        for _ in 0..<100_000 {
            let pattern = samples[Int.random(in: samples.indices, using: &generator)]
            let inner = samples[Int.random(in: samples.indices, using: &generator)]
            let isCovered = pattern.pattern.covers(inner.filter)
            if isCovered { covered += 1 }
            let isExpected = inner.wanted.isSubset(of: pattern.ruled)
            if isCovered != isExpected {
                Issue.record("\(pattern.text) covers \(inner.text): \(isCovered), by search \(isExpected)")
            }
        }
        #expect(covered > 1000)
    }

    @Test("A pattern matches what it matches by definition")
    func matching() throws {
        let names = ["a", "b", "", "$s", "fc"]
        for levels in PlainMatching.topics(of: names, depth: 3) {
            let topic = levels.joined(separator: "/")
            let utf8 = topic.utf8
            for sample in try Self.filters() {
                let pattern = sample.filter.filter.utf8
                let isMatched = FilledPattern.covers(pattern.span, utf8.span, callsApart: true)
                if isMatched != PlainMatching.rules(sample.levels, levels) {
                    Issue.record("\(sample.filter) matches \(topic): \(isMatched)")
                }
                let isPlain = FilledPattern.covers(pattern.span, utf8.span, callsApart: false)
                if isPlain != PlainMatching.subscribes(sample.levels, levels) {
                    Issue.record("without calls apart: \(sample.filter) matches \(topic): \(isPlain)")
                }
            }
        }
    }

    private static func filters() throws -> [(filter: TopicFilter, levels: [String])] {
        let texts = [
            "#", "+", "a", "a/#", "a/+", "a/+/#", "+/#", "+/+", "+/a", "/#", "/+", "/", "//", "a//#", "a/b/+", "+/b/#",
            "$s/#", "$s/+", "$s", "fc/#", "fc", "fc/+", "+/+/+", "ab", "a/bb", "//#", "fc/a/#",
        ]
        return try texts.map { (try TopicFilter($0), PlainMatching.levels($0)) }
    }

    @Test("Names that differ in bytes alone are different levels", arguments: ["\u{E9}", "e\u{301}"])
    func bytes(name: String) throws {
        var list = PatternList()
        list.append(FilledPattern(try TopicFilter("b"), callsApart: true))
        list.append(FilledPattern(try TopicFilter("a/\u{E9}/#"), callsApart: true))
        let utf8 = "a/\(name)/x".utf8
        #expect(list.matches(utf8.span) == name.utf8.elementsEqual("\u{E9}".utf8))
    }
}
