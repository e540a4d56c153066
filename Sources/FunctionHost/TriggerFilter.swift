/// Checks the topic filter of a trigger, so that a slip is reported with its line and not by the broker later.
enum TriggerFilter {
    /// A sentence, or `nil` when the filter is fine [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1].
    static func problem(with filter: String) -> String? {
        if filter.isEmpty { return "topic must not be empty" }
        if filter.utf8.count > 4_096 { return "topic is longer than 4096 bytes" }
        if filter.utf8.contains(0) { return "topic must not hold a null character" }
        let levels = filter.split(separator: "/", omittingEmptySubsequences: false)
        for (index, level) in levels.enumerated() {
            if level.contains("#"), level != "#" || index != levels.count - 1 {
                return "topic \"\(filter)\": # must be the whole last level"
            }
            if level.contains("+"), level != "+" {
                return "topic \"\(filter)\": + must be a whole level"
            }
        }
        return nil
    }

    /// Whether a topic name matches the filter; names that begin with `$` match no leading wildcard [MQTT-4.7.2-1].
    static func matches(_ filter: String, _ topic: String) -> Bool {
        let filterLevels = filter.split(separator: "/", omittingEmptySubsequences: false)
        let topicLevels = topic.split(separator: "/", omittingEmptySubsequences: false)
        if topic.hasPrefix("$"), filterLevels.first == "+" || filterLevels.first == "#" { return false }
        for (index, level) in filterLevels.enumerated() {
            if level == "#" { return true }
            guard index < topicLevels.count, level == "+" || level == topicLevels[index] else { return false }
        }
        return filterLevels.count == topicLevels.count
    }
}
