import BusCore
import BusSession

extension ConfigurationFile {
    enum Unit {
        case count, bytes, seconds
    }

    /// A key below `limits:` and the limit that it sets.
    struct LimitKey: Sendable {
        var name: String
        var unit: Unit
        var range: ClosedRange<Int>
        var set: @Sendable (inout BrokerLimits, Int) -> Void
    }

    static let limitKeys: [LimitKey] = [
        LimitKey(name: "connectionsMax", unit: .count, range: 1...10_000_000) { $0.connectionsMax = $1 },
        LimitKey(name: "connectionsPerAddressMax", unit: .count, range: 1...10_000_000) {
            $0.connectionsPerAddressMax = $1
        },
        LimitKey(name: "connectTimeout", unit: .seconds, range: 1...3600) { $0.connectTimeoutSeconds = UInt64($1) },
        LimitKey(name: "keepAliveMax", unit: .seconds, range: 0...65_535) {
            $0.session.keepAliveSecondsMax = UInt16($1)
        },
        LimitKey(name: "packetMax", unit: .bytes, range: 1024...268_435_455) { $0.session.packetBytesMax = $1 },
        LimitKey(name: "firstPacketMax", unit: .bytes, range: 256...1_048_576) {
            $0.session.firstPacketBytesMax = $1
        },
        LimitKey(name: "clientIdentifierMax", unit: .bytes, range: 23...65_535) {
            $0.session.clientIdentifierBytesMax = $1
        },
        LimitKey(name: "receiveMaximumIn", unit: .count, range: 1...65_535) { $0.session.receiveMaximumIn = $1 },
        LimitKey(name: "receiveMaximumOut", unit: .count, range: 1...65_535) { $0.session.receiveMaximumOut = $1 },
        LimitKey(name: "topicAliasMax", unit: .count, range: 0...65_535) {
            $0.session.topicAliasMaximumIn = UInt16($1)
        },
        LimitKey(name: "queuedMessagesMax", unit: .count, range: 0...10_000_000) {
            $0.session.queue.messagesMax = $1
        },
        LimitKey(name: "queuedBytesMax", unit: .bytes, range: 0...1 << 40) { $0.session.queue.bytesMax = $1 },
        LimitKey(name: "outboundMax", unit: .bytes, range: 4096...1 << 30) { $0.session.outboundBytesMax = $1 },
        LimitKey(name: "sessionExpiryMax", unit: .seconds, range: 0...Int(UInt32.max)) {
            $0.session.sessionExpirySecondsMax = UInt32($1)
        },
        LimitKey(name: "subscriptionsPerClientMax", unit: .count, range: 1...10_000_000) {
            $0.session.subscriptionsMax = $1
        },
        LimitKey(name: "subscriptionsMax", unit: .count, range: 1...100_000_000) { $0.subscriptionsMax = $1 },
        LimitKey(name: "retainedMessagesMax", unit: .count, range: 0...100_000_000) { $0.retainedMessagesMax = $1 },
        LimitKey(name: "retainedBytesMax", unit: .bytes, range: 0...1 << 40) { $0.retainedBytesMax = $1 },
    ]
}
