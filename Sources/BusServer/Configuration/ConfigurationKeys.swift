import BusCore
import BusSession
import BusTopics

extension ConfigurationFile {
    enum Unit {
        /// A rate is a count or bytes per second: `1000/s`, `1MB/s`.
        case count, bytes, seconds, messageRate, byteRate
        /// Bytes, or a percentage of the machine's memory.
        case memory
    }

    /// A key below `limits:` and the limit that it sets.
    struct LimitKey: Sendable {
        var name: String
        var unit: Unit
        var range: ClosedRange<Int>
        var set: @Sendable (inout ServerConfiguration, Int) -> Void
    }

    static let limitKeys: [LimitKey] = [
        LimitKey(name: "connectionsMax", unit: .count, range: 1...10_000_000) { $0.limits.connectionsMax = $1 },
        LimitKey(name: "connectionsPerAddressMax", unit: .count, range: 1...10_000_000) {
            $0.limits.connectionsPerAddressMax = $1
        },
        LimitKey(name: "connectTimeout", unit: .seconds, range: 1...3600) {
            $0.limits.connectTimeoutSeconds = UInt64($1)
        },
        LimitKey(name: "connectsPerMinuteMax", unit: .count, range: 0...1_000_000) { $0.connectsPerMinuteMax = $1 },
        LimitKey(name: "keepAliveMax", unit: .seconds, range: 0...65_535) {
            $0.limits.session.keepAliveSecondsMax = UInt16($1)
        },
        LimitKey(name: "packetMax", unit: .bytes, range: 1024...268_435_455) { $0.limits.session.packetBytesMax = $1 },
        LimitKey(name: "firstPacketMax", unit: .bytes, range: 256...1_048_576) {
            $0.limits.session.firstPacketBytesMax = $1
        },
        LimitKey(name: "clientIdentifierMax", unit: .bytes, range: 23...65_535) {
            $0.limits.session.clientIdentifierBytesMax = $1
        },
        LimitKey(name: "receiveMaximumIn", unit: .count, range: 1...65_535) { $0.limits.session.receiveMaximumIn = $1 },
        LimitKey(name: "receiveMaximumOut", unit: .count, range: 1...65_535) {
            $0.limits.session.receiveMaximumOut = $1
        },
        LimitKey(name: "connectionsPerUserMax", unit: .count, range: 1...10_000_000) {
            $0.limits.connectionsPerUserMax = $1
        },
        LimitKey(name: "sessionsMax", unit: .count, range: 1...100_000_000) { $0.limits.sessionsMax = $1 },
        LimitKey(name: "memoryMax", unit: .memory, range: 0...1 << 50) { $0.limits.memoryBytesMax = $1 },
        LimitKey(name: "topicMax", unit: .bytes, range: 1...65_535) { $0.limits.topics.byteCountMax = $1 },
        LimitKey(name: "topicLevelsMax", unit: .count, range: 1...65_535) { $0.limits.topics.levelCountMax = $1 },
        LimitKey(name: "propertiesMax", unit: .bytes, range: 0...268_435_455) { $0.limits.propertyBytesMax = $1 },
        LimitKey(name: "messageRateMax", unit: .messageRate, range: 0...1 << 40) { $0.rates.messages = $1 },
        LimitKey(name: "byteRateMax", unit: .byteRate, range: 0...1 << 50) { $0.rates.bytes = $1 },
        LimitKey(name: "stallTimeout", unit: .seconds, range: 1...86_400) { $0.stallSeconds = $1 },
        LimitKey(name: "topicAliasOutMax", unit: .count, range: 0...65_535) {
            $0.limits.session.topicAliasMaximumOut = UInt16($1)
        },
        LimitKey(name: "topicAliasMax", unit: .count, range: 0...65_535) {
            $0.limits.session.topicAliasMaximumIn = UInt16($1)
        },
        LimitKey(name: "queuedMessagesMax", unit: .count, range: 0...10_000_000) {
            $0.limits.session.queue.messagesMax = $1
        },
        LimitKey(name: "queuedBytesMax", unit: .bytes, range: 0...1 << 40) { $0.limits.session.queue.bytesMax = $1 },
        LimitKey(name: "outboundMax", unit: .bytes, range: 4096...1 << 30) { $0.limits.session.outboundBytesMax = $1 },
        LimitKey(name: "sessionExpiryMax", unit: .seconds, range: 0...Int(UInt32.max)) {
            $0.limits.session.sessionExpirySecondsMax = UInt32($1)
        },
        LimitKey(name: "subscriptionsPerClientMax", unit: .count, range: 1...10_000_000) {
            $0.limits.session.subscriptionsMax = $1
        },
        LimitKey(name: "subscriptionsMax", unit: .count, range: 1...100_000_000) { $0.limits.subscriptionsMax = $1 },
        LimitKey(name: "retainedMessagesMax", unit: .count, range: 0...100_000_000) {
            $0.limits.retainedMessagesMax = $1
        },
        LimitKey(name: "retainedBytesMax", unit: .bytes, range: 0...1 << 40) { $0.limits.retainedBytesMax = $1 },
        LimitKey(name: "tasksMax", unit: .count, range: 0...100_000_000) { $0.limits.tasksMax = $1 },
        LimitKey(name: "taskBytesMax", unit: .bytes, range: 0...1 << 40) { $0.limits.taskBytesMax = $1 },
        LimitKey(name: "taskAge", unit: .seconds, range: 1...Int(UInt32.max)) {
            $0.limits.taskAgeSeconds = UInt64($1)
        },
    ]
}
