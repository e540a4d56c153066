import BusTopics

/// The topics and filters of the simulated world, and which filter matches which topic by the plain definition.
enum TopicPool {
    static let topics = ["a", "a/b", "a/c", "b", "b/c/d", "a/b/c", "$own/x", "ü/1"]
    static let filters = [
        "a", "a/b", "a/+", "a/#", "#", "+/b", "+/+/+", "b/#", "will/+", "$own/#", "a/b/c", "ü/+", "+",
    ]
    static let sharedFilters = ["$share/g/a/#", "$share/g/+/b", "$share/h/a/b", "$share/h/will/+"]

    static func willTopic(of client: String) -> String { "will/\(client)" }

    static func matches(_ filter: String, _ topic: String) -> Bool {
        self.table[topic.hasPrefix("will/") ? "will/any" : topic]?.contains(filter) ?? false
    }

    /// For each topic the filters that match it.
    private static let table: [String: Set<String>] = {
        var table: [String: Set<String>] = [:]
        for topic in Self.topics + ["will/any"] {
            table[topic] = Set(
                (Self.filters + Self.sharedFilters).filter { filter in
                    // The pool holds valid filters only; one that is not would match nothing and be seen as lost.
                    (try? TopicFilter(filter))?.matches(topic) ?? false
                })
        }
        return table
    }()
}
