/// Matching by its definition, level by level on arrays of strings: what the rooms' walks over bytes are held against.
enum PlainMatching {
    static func levels(_ text: String) -> [String] {
        text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    }

    static func matches(_ filter: [String], _ topic: [String]) -> Bool {
        guard let wanted = filter.first else { return topic.isEmpty }
        if wanted == "#" { return true }
        guard let name = topic.first, wanted == "+" || wanted == name else { return false }
        return self.matches(Array(filter.dropFirst()), Array(topic.dropFirst()))
    }

    /// As a subscription: a wildcard at the front matches no `$`.
    static func subscribes(_ filter: [String], _ topic: [String]) -> Bool {
        let isOpen = filter[0] == "#" || filter[0] == "+"
        return !(isOpen && topic[0].hasPrefix("$")) && self.matches(filter, topic)
    }

    /// As a rule: nor does it match topics of calls.
    static func rules(_ pattern: [String], _ topic: [String]) -> Bool {
        let isOpen = pattern[0] == "#" || pattern[0] == "+"
        return !(isOpen && self.isApart(topic)) && self.subscribes(pattern, topic)
    }

    static func isApart(_ topic: [String]) -> Bool {
        topic[0].hasPrefix("$") || (topic[0] == "fc" && topic.count > 1)
    }

    /// All topics of up to `depth` levels out of some names.
    static func topics(of names: [String], depth: Int) -> [[String]] {
        var all: [[String]] = []
        var last: [[String]] = [[]]
        for _ in 0..<depth {
            last = last.flatMap { start in names.map { start + [$0] } }
            all += last
        }
        return all.filter { $0 != [""] }
    }
}

/// A set of small numbers.
struct BitSet: Equatable {
    private var words: [UInt64] = []

    init(_ members: some Sequence<Int>) {
        for member in members {
            while self.words.count <= member / 64 { self.words.append(0) }
            self.words[member / 64] |= 1 << UInt64(member % 64)
        }
    }

    func isSubset(of other: BitSet) -> Bool {
        for (index, word) in self.words.enumerated() {
            let theirs = index < other.words.count ? other.words[index] : 0
            if word & ~theirs != 0 { return false }
        }
        return true
    }

    var isEmpty: Bool { self.words.allSatisfy { $0 == 0 } }
}
