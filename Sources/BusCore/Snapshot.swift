package import BusSession
import BusTopics

/// The broker at one instant, in numbers: what `$SYS`, metrics and the dashboard show.
package struct Snapshot: Sendable, Equatable {
    package var statistics = Statistics()
    package var connections = 0
    package var sessions = 0
    package var subscriptions = 0
    package var sharedSubscriptions = 0
    package var retainedMessages = 0
    package var retainedBytes = 0
    package var queuedMessages = 0
    package var openCalls = 0
    package var tasks = 0
    /// Seconds since the broker began.
    package var uptimeSeconds: UInt64 = 0
    /// Resident memory in bytes as last measured, 0 where it is not.
    package var memoryBytes = 0
}

extension Broker {
    /// Walks all sessions: for every few seconds, not for every message.
    package func snapshot(now: Timestamp) -> Snapshot {
        var snapshot = Snapshot()
        snapshot.statistics = self.statistics
        snapshot.connections = self.connectionCount
        snapshot.sessions = self.sessionCount
        snapshot.subscriptions = self.subscriptions.count
        snapshot.sharedSubscriptions = self.subscriptions.sharedCount
        snapshot.retainedMessages = self.retained.count
        snapshot.retainedBytes = self.retained.byteCount
        snapshot.queuedMessages = self.sessions.indices.reduce(0) { $0 + self.sessions[$1].queue.count }
        snapshot.openCalls = self.openCallCount
        snapshot.tasks = self.taskCount
        snapshot.uptimeSeconds = now.nanoseconds(since: self.startedAt) / 1_000_000_000
        snapshot.memoryBytes = self.memoryBytes
        return snapshot
    }
}
