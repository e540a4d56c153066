/// The retained value of each topic, found by topic or by filter.
///
/// The topics are a `TopicTrie`, which numbers them; the values lie in an array by these numbers, so that only this
/// thin part is generic. Matches come in an order that depends on the changes made alone: a topic before those below
/// it, and otherwise in the order in which they came.
package struct RetainedTree<Value: Sendable>: Sendable {
    private var topics: TopicTrie
    private var values: ContiguousArray<Value?> = []
    package private(set) var count = 0

    /// - Parameter seed: a number that outsiders don't know; it seeds the hash of level names.
    package init(seed: UInt64 = 0) {
        self.topics = TopicTrie(seed: seed)
    }

    var nodeCount: Int { self.topics.nodeCount }

    package func value(at topic: TopicName) -> Value? {
        self.topics.find(topic).flatMap { self.values[Int($0)] }
    }

    /// Returns the value that was there.
    package mutating func set(_ value: Value, at topic: TopicName) -> Value? {
        let place = Int(self.topics.insert(topic))
        while self.values.count <= place { self.values.append(nil) }
        let old = self.values[place]
        self.values[place] = value
        if old == nil { self.count += 1 }
        return old
    }

    /// Returns the value that was there.
    package mutating func remove(at topic: TopicName) -> Value? {
        guard let number = self.topics.find(topic) else { return nil }
        let old = self.values[Int(number)]
        self.values[Int(number)] = nil
        self.topics.remove(number)
        self.count -= 1
        return old
    }

    /// Visits the topics that a filter matches; one that begins with a wildcard does not match a topic that begins with
    /// `$` ([MQTT-4.7.2-1]).
    package func forEachMatch(_ filter: TopicFilter, _ body: (String, Value) -> Void) {
        self.topics.forEachMatch(filter) { number in
            if let value = self.values[Int(number)] { body(self.topics.text(of: number), value) }
        }
    }

    package func matches(_ filter: TopicFilter) -> [Value] {
        var found: [Value] = []
        self.topics.forEachMatch(filter) { number in
            if let value = self.values[Int(number)] { found.append(value) }
        }
        return found
    }

    /// Visits everything, topics that begin with `$` included.
    package func forEach(_ body: (String, Value) -> Void) {
        self.topics.forEach { number in
            if let value = self.values[Int(number)] { body(self.topics.text(of: number), value) }
        }
    }
}
