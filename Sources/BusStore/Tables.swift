import BusCore

/// The prepared statements of one open store. What it writes in one transaction is decided above.
final class Tables {
    let database: Database
    private let begin: Statement
    private let commit: Statement
    private let saveSession: Statement
    private let removals: [Removal: Statement]
    private let saveSubscription: Statement
    private let saveMessage: Statement
    private let saveDelivery: Statement
    private let setDelivery: Statement
    private let saveReceived: Statement
    private let saveRetained: Statement
    private let saveTask: Statement

    /// Statements that take away by their keys.
    private enum Removal: String, CaseIterable {
        case session = "DELETE FROM sessions WHERE number = ?"
        case subscriptionsOfSession = "DELETE FROM subscriptions WHERE session = ?"
        case receivedOfSession = "DELETE FROM received WHERE session = ?"
        case subscription = "DELETE FROM subscriptions WHERE session = ? AND filter = ?"
        case message = "DELETE FROM messages WHERE number = ?"
        case delivery = "DELETE FROM deliveries WHERE message = ? AND session = ? AND position = ?"
        case received = "DELETE FROM received WHERE session = ? AND packet = ?"
        case retained = "DELETE FROM retained WHERE topic = ?"
        case task = "DELETE FROM tasks WHERE id = ?"
    }

    init(_ database: Database) throws(SQLiteFailure) {
        self.database = database
        self.begin = try database.prepare("BEGIN IMMEDIATE")
        self.commit = try database.prepare("COMMIT")
        self.saveSession = try database.prepare("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?)")
        self.saveSubscription = try database.prepare("INSERT OR REPLACE INTO subscriptions VALUES (?, ?, ?, ?, ?)")
        self.saveMessage = try database.prepare("INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?)")
        self.saveDelivery = try database.prepare("INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?)")
        self.setDelivery = try database.prepare(
            "UPDATE deliveries SET state = ?4 WHERE message = ?1 AND session = ?2 AND position = ?3")
        self.saveReceived = try database.prepare("INSERT OR REPLACE INTO received VALUES (?, ?, ?)")
        // An update keeps the row and its place in the index; a replacement would move both.
        self.saveRetained = try database.prepare(
            """
            INSERT INTO retained VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (topic)
            DO UPDATE SET packet = ?2, expires = ?3, publisher = ?4, seal = ?5
            """)
        self.saveTask = try database.prepare(
            """
            INSERT INTO tasks VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id)
            DO UPDATE SET record = ?2, state = ?3, due = ?4, dead = ?5, seal = ?6
            """)
        var removals: [Removal: Statement] = [:]
        for removal in Removal.allCases { removals[removal] = try database.prepare(removal.rawValue) }
        self.removals = removals
    }

    /// Writes the changes in one transaction; when it throws, none of them is stored.
    func commit(_ batch: borrowing ChangeBatch) throws(SQLiteFailure) {
        do throws(SQLiteFailure) {
            try self.begin.run()
            for change in batch.changes {
                if let change { try self.write(change) }
            }
            try self.commit.run()
        } catch {
            try self.database.rollBack()
            throw error
        }
    }

    private func write(_ change: StoreChange) throws(SQLiteFailure) {
        switch change {
        case .saveSession(let session): try self.write(session)
        case .removeSession(let number):
            try self.remove(.session, number)
            try self.remove(.subscriptionsOfSession, number)
            try self.remove(.receivedOfSession, number)
        case .saveSubscription(let session, let subscription): try self.write(subscription, of: session)
        case .removeSubscription(let session, let filter): try self.remove(.subscription, session, filter)
        case .saveMessage(let number, let message): try self.write(message, number: number)
        case .removeMessage(let number): try self.remove(.message, number)
        case .saveDelivery(let session, let delivery): try self.write(delivery, of: session)
        case .setDelivery(let session, let order, let message, let packetIdentifier, let phase):
            self.setDelivery.bind(message)
            self.setDelivery.bind(session)
            self.setDelivery.bind(order)
            let state = DeliveryState(packetIdentifier: packetIdentifier, phase: phase)
            self.setDelivery.bind(state.sealed(session: session, order: order))
            try self.setDelivery.run()
        case .removeDelivery(let session, let order, let message):
            try self.remove(.delivery, message, session, order)
        case .saveReceived(let session, let packetIdentifier):
            self.saveReceived.bind(session)
            self.saveReceived.bind(UInt64(packetIdentifier))
            self.saveReceived.bindSeal()
            try self.saveReceived.run()
        case .removeReceived(let session, let identifier): try self.remove(.received, session, UInt64(identifier))
        case .saveRetained(let topic, let message, let publisher):
            try self.write(message, retainedOn: topic, publisher: publisher)
        case .removeRetained(let topic): try self.remove(.retained, text: topic)
        case .saveTask(let task): try self.write(task)
        case .removeTask(let id): try self.remove(.task, text: id)
        }
    }

    // MARK: Rows

    private func write(_ session: StoredSession) throws(SQLiteFailure) {
        let statement = self.saveSession
        statement.bind(session.number)
        statement.bind(session.clientIdentifier)
        statement.bind(UInt64(session.expirySeconds))
        statement.bind(session.disconnectedAt)
        statement.bind(session.user)
        statement.bindSeal()
        try statement.run()
    }

    private func write(_ subscription: StoredSubscription, of session: UInt64) throws(SQLiteFailure) {
        let statement = self.saveSubscription
        statement.bind(session)
        statement.bind(subscription.filter)
        statement.bind(UInt64(subscription.options))
        statement.bind(UInt64(subscription.identifier))
        statement.bindSeal()
        try statement.run()
    }

    private func write(_ message: StoredMessage, number: UInt64) throws(SQLiteFailure) {
        let statement = self.saveMessage
        statement.bind(number)
        statement.bind(message.packet)
        statement.bind(message.expiresAt)
        statement.bindSeal()
        try statement.run()
    }

    private func write(_ delivery: StoredDelivery, of session: UInt64) throws(SQLiteFailure) {
        let statement = self.saveDelivery
        statement.bind(session)
        statement.bind(delivery.order)
        statement.bind(delivery.message)
        statement.bind(UInt64(delivery.qos) | (delivery.isRetained ? 4 : 0))
        statement.bind(delivery.identifierBytes)
        statement.bindSeal()
        let state = DeliveryState(packetIdentifier: delivery.packetIdentifier, phase: delivery.phase)
        statement.bind(state.sealed(session: session, order: delivery.order))
        try statement.run()
    }

    private func write(
        _ message: StoredMessage, retainedOn topic: String, publisher: String
    ) throws(SQLiteFailure) {
        let statement = self.saveRetained
        statement.bind(topic)
        statement.bind(message.packet)
        statement.bind(message.expiresAt)
        statement.bind(publisher)
        statement.bindSeal()
        try statement.run()
    }

    private func write(_ task: StoredTask) throws(SQLiteFailure) {
        let statement = self.saveTask
        statement.bind(task.id)
        statement.bind(task.record)
        statement.bind(UInt64(task.state))
        statement.bind(task.dueAt)
        statement.bind(task.isDead ? 1 : 0)
        statement.bindSeal()
        try statement.run()
    }

    // MARK: Removals

    private func statement(for removal: Removal) -> Statement {
        guard let statement = self.removals[removal] else {
            preconditionFailure("every removal was prepared when the store was opened")
        }
        return statement
    }

    private func remove(_ removal: Removal, _ keys: UInt64...) throws(SQLiteFailure) {
        let statement = self.statement(for: removal)
        for key in keys { statement.bind(key) }
        try statement.run()
    }

    private func remove(_ removal: Removal, _ session: UInt64, _ text: String) throws(SQLiteFailure) {
        let statement = self.statement(for: removal)
        statement.bind(session)
        statement.bind(text)
        try statement.run()
    }

    private func remove(_ removal: Removal, text: String) throws(SQLiteFailure) {
        let statement = self.statement(for: removal)
        statement.bind(text)
        try statement.run()
    }
}
