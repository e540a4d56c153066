/// What a filter matches, by its plain definition; the faster structures are tested against it.
extension TopicFilter {
    package func matches(_ topic: TopicName) -> Bool { self.matches(topic.string) }

    /// Whether a message on `topic`, which is known to be a topic name, matches.
    package func matches(_ topic: String) -> Bool {
        let names = topic.topicLevels
        let levels = self.filter.topicLevels
        if Self.isHidden(names[0], from: levels[0]) { return false }
        for (index, level) in levels.enumerated() {
            if level.isOnly("#") { return true }
            guard index < names.count, level.isOnly("+") || level.elementsEqual(names[index]) else { return false }
        }
        return levels.count == names.count
    }

    /// Whether every topic that `other` matches is matched by this filter too; share names don't count.
    package func covers(_ other: TopicFilter) -> Bool {
        let own = Self.levelsToCompare(self.filter)
        let theirs = Self.levelsToCompare(other.filter)
        if Self.isHidden(theirs[0], from: own[0]) { return false }
        for (index, level) in own.enumerated() {
            if level.isOnly("#") { return true }
            guard index < theirs.count, !theirs[index].isOnly("#") else { return false }
            guard level.isOnly("+") || level.elementsEqual(theirs[index]) else { return false }
        }
        return own.count == theirs.count
    }

    /// A wildcard at the front does not match a level that begins with `$` ([MQTT-4.7.2-1]).
    private static func isHidden(_ name: Substring.UTF8View, from level: Substring.UTF8View) -> Bool {
        name.first == UInt8(ascii: "$") && (level.isOnly("+") || level.isOnly("#"))
    }

    /// No topic is empty, so `#` matches what `+/#` does, and `/#` what `/+/#` does; the longer form is compared.
    private static func levelsToCompare(_ filter: String) -> [Substring.UTF8View] {
        let levels = filter.topicLevels
        guard let last = levels.last, last.isOnly("#"), levels.dropLast().allSatisfy(\.isEmpty), levels.count < 3
        else { return levels }
        return levels.dropLast() + "+/#".topicLevels
    }
}
