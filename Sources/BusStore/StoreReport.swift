import BusCore

/// What a check of a store found.
package struct StoreReport: Sendable, Equatable {
    package var version = 0
    package var sessions = 0
    package var subscriptions = 0
    package var messages = 0
    package var messageBytes = 0
    package var deliveries = 0
    package var received = 0
    package var retained = 0
    package var retainedBytes = 0
    package var tasks = 0
    package var deadTasks = 0
    package var databaseBytes = 0
    /// Bytes in the log; above 0 the last user did not close.
    package var logBytes = 0
    /// Bytes of the database that are free for what comes.
    package var freeBytes = 0
    /// Contents that no delivery needs: wasted room, not damage.
    package var unusedMessages = 0
    /// What is wrong, a sentence each.
    package var problems: [String] = []

    package var isSound: Bool { self.problems.isEmpty }

    mutating func count(_ record: StoredRecord) {
        switch record {
        case .session: self.sessions += 1
        case .subscription: self.subscriptions += 1
        case .message(_, let message):
            self.messages += 1
            self.messageBytes += message.packet.count
        case .delivery: self.deliveries += 1
        case .received: self.received += 1
        case .retained(_, let message, _):
            self.retained += 1
            self.retainedBytes += message.packet.count
        case .task(let task):
            self.tasks += 1
            if task.isDead { self.deadTasks += 1 }
        }
    }
}
