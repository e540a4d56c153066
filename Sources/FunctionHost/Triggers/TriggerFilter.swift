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

    /// Whether some topic matches both filters.
    static func overlap(_ left: String, _ right: String) -> Bool {
        let left = left.split(separator: "/", omittingEmptySubsequences: false)
        let right = right.split(separator: "/", omittingEmptySubsequences: false)
        for (leftLevel, rightLevel) in zip(left, right) {
            if leftLevel == "#" || rightLevel == "#" { return true }
            guard leftLevel == rightLevel || leftLevel == "+" || rightLevel == "+" else { return false }
        }
        if left.count == right.count { return true }
        // "a/#" matches "a" as well [MQTT-4.7.1-2].
        let longer = left.count > right.count ? left : right
        return longer.count == min(left.count, right.count) + 1 && longer.last == "#"
    }
}
