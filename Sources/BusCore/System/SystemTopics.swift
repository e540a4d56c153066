/// What the broker publishes about itself below `$SYS/broker`: the topics that mosquitto's users know, and those of
/// calls. A value is published when it has changed.
struct SystemTopics: Sendable {
    /// Moving averages per minute over one, five and fifteen minutes, as mosquitto computes them.
    private struct Load: Sendable {
        var last = 0
        var averages: [Double] = [0, 0, 0]
    }

    private static let minutes = [1, 5, 15]

    private var published: [String: String] = [:]
    private var loads: [String: Load] = [:]
    private var connectionsMaximum = 0

    /// The topics whose value has changed since the last time, with their values.
    ///
    /// - Parameter seconds: since the last time.
    mutating func changes(_ snapshot: Snapshot, seconds: Double) -> [(topic: String, value: String)] {
        self.connectionsMaximum = max(self.connectionsMaximum, snapshot.connections)
        var values = self.gauges(snapshot) + Self.totals(snapshot.statistics)
        for (name, total) in Self.loadTotals(snapshot.statistics) {
            values += self.advance(name, to: total, seconds: seconds)
        }
        return values.filter { name, value in
            guard self.published[name] != value else { return false }
            self.published[name] = value
            return true
        }.map { ("$SYS/broker/" + $0, $1) }
    }

    private func gauges(_ snapshot: Snapshot) -> [(String, String)] {
        let offline = snapshot.sessions - min(snapshot.connections, snapshot.sessions)
        return [
            ("version", "fcbus"), ("uptime", "\(snapshot.uptimeSeconds) seconds"),
            ("clients/connected", "\(snapshot.connections)"), ("clients/active", "\(snapshot.connections)"),
            ("clients/disconnected", "\(offline)"), ("clients/inactive", "\(offline)"),
            ("clients/total", "\(snapshot.sessions)"), ("clients/maximum", "\(self.connectionsMaximum)"),
            ("subscriptions/count", "\(snapshot.subscriptions)"),
            ("shared_subscriptions/count", "\(snapshot.sharedSubscriptions)"),
            ("retained messages/count", "\(snapshot.retainedMessages)"),
            ("store/messages/count", "\(snapshot.retainedMessages + snapshot.queuedMessages)"),
            ("store/messages/bytes", "\(snapshot.retainedBytes)"), ("heap/current", "\(snapshot.memoryBytes)"),
            ("calls/open", "\(snapshot.openCalls)"), ("tasks/open", "\(snapshot.tasks)"),
        ]
    }

    private static func totals(_ statistics: Statistics) -> [(String, String)] {
        [
            ("clients/expired", statistics.sessionsExpired), ("messages/received", statistics.packetsReceived),
            ("messages/sent", statistics.packetsSent), ("publish/messages/received", statistics.publishReceived),
            ("publish/messages/sent", statistics.publishSent), ("publish/messages/dropped", statistics.dropped),
            ("publish/bytes/received", statistics.publishBytesReceived), ("bytes/received", statistics.bytesReceived),
            ("bytes/sent", statistics.bytesSent), ("connections/opened", statistics.connectionsOpened),
            ("connections/refused", statistics.connectionsRefused), ("access/denied", statistics.denied),
            ("calls/answered", statistics.callsAnswered), ("calls/failed", statistics.callsFailed),
        ].map { ($0, String($1)) }
    }

    private static func loadTotals(_ statistics: Statistics) -> [(String, Int)] {
        [
            ("messages/received", statistics.packetsReceived), ("messages/sent", statistics.packetsSent),
            ("publish/received", statistics.publishReceived), ("publish/sent", statistics.publishSent),
            ("publish/dropped", statistics.dropped), ("bytes/received", statistics.bytesReceived),
            ("bytes/sent", statistics.bytesSent), ("sockets", statistics.connectionsOpened),
            ("connections", statistics.clientsConnected),
        ]
    }

    private mutating func advance(_ name: String, to total: Int, seconds: Double) -> [(String, String)] {
        var load = self.loads[name, default: Load()]
        let perMinute = Double(total - load.last) * 60 / seconds
        load.last = total
        var values: [(String, String)] = []
        for (index, minutes) in Self.minutes.enumerated() {
            let weight = Self.decay(seconds / Double(60 * minutes))
            load.averages[index] = perMinute + weight * (load.averages[index] - perMinute)
            values.append(("load/\(name)/\(minutes)min", Self.text(load.averages[index])))
        }
        self.loads[name] = load
        return values
    }

    /// e to the power of -x, for x >= 0: halved until the series converges at once, then squared back.
    static func decay(_ x: Double) -> Double {
        let halvings = 10
        let small = x / Double(1 << halvings)
        var result = 1 - small + small * small / 2 - small * small * small / 6
        for _ in 0..<halvings { result *= result }
        return result
    }

    /// Two digits behind the point.
    static func text(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        let fraction = hundredths % 100
        return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
    }
}
