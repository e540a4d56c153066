import BusCore

extension Tables {
    /// Hands over every record in the order of `StoredRecord`'s cases, each as it is read: nothing is gathered here.
    func read(_ visit: (StoredRecord) -> Void) throws(SQLiteFailure) {
        try self.readSessions(visit)
        try self.readSubscriptions(visit)
        try self.readMessages(visit)
        try self.readDeliveries(visit)
        try self.readReceived(visit)
        try self.readRetained(visit)
        try self.readTasks(visit)
    }

    private func readSessions(_ visit: (StoredRecord) -> Void) throws(SQLiteFailure) {
        try self.database.forEachRow(of: "SELECT * FROM sessions ORDER BY number") { row throws(SQLiteFailure) in
            let number = row.integer()
            let client = try row.text()
            let expiry = row.integer()
            let disconnected = row.optionalInteger()
            let user = try row.optionalText()
            try row.checkSeal(of: "sessions")
            visit(
                .session(
                    StoredSession(
                        number: number, clientIdentifier: client, expirySeconds: UInt32(truncatingIfNeeded: expiry),
                        disconnectedAt: disconnected, user: user)))
        }
    }

    private func readSubscriptions(_ visit: (StoredRecord) -> Void) throws(SQLiteFailure) {
        try self.database.forEachRow(of: "SELECT * FROM subscriptions ORDER BY session, filter") {
            row throws(SQLiteFailure) in
            let session = row.integer()
            let filter = try row.text()
            let options = UInt8(truncatingIfNeeded: row.integer())
            let identifier = UInt32(truncatingIfNeeded: row.integer())
            try row.checkSeal(of: "subscriptions")
            let subscription = StoredSubscription(filter: filter, options: options, identifier: identifier)
            visit(.subscription(session: session, subscription))
        }
    }

    private func readMessages(_ visit: (StoredRecord) -> Void) throws(SQLiteFailure) {
        try self.database.forEachRow(of: "SELECT * FROM messages ORDER BY number") { row throws(SQLiteFailure) in
            let number = row.integer()
            let message = StoredMessage(packet: row.bytes(), expiresAt: row.optionalInteger())
            try row.checkSeal(of: "messages")
            visit(.message(number: number, message))
        }
    }

    private func readDeliveries(_ visit: (StoredRecord) -> Void) throws(SQLiteFailure) {
        try self.database.forEachRow(of: "SELECT * FROM deliveries ORDER BY session, position") {
            row throws(SQLiteFailure) in
            let session = row.integer()
            let order = row.integer()
            let message = row.integer()
            let flags = row.integer()
            let identifiers = StoredDelivery.identifiers(from: row.bytes())
            try row.checkSeal(of: "deliveries")
            let state = DeliveryState(sealed: row.integer(), session: session, order: order)
            guard let identifiers, let state else { throw .wrongContent("deliveries") }
            let delivery = StoredDelivery(
                order: order, message: message, qos: UInt8(flags & 3), isRetained: flags & 4 != 0,
                identifiers: identifiers, packetIdentifier: state.packetIdentifier, phase: state.phase)
            visit(.delivery(session: session, delivery))
        }
    }

    private func readReceived(_ visit: (StoredRecord) -> Void) throws(SQLiteFailure) {
        try self.database.forEachRow(of: "SELECT * FROM received ORDER BY session, packet") {
            row throws(SQLiteFailure) in
            let session = row.integer()
            let identifier = UInt16(truncatingIfNeeded: row.integer())
            try row.checkSeal(of: "received")
            visit(.received(session: session, packetIdentifier: identifier))
        }
    }

    private func readRetained(_ visit: (StoredRecord) -> Void) throws(SQLiteFailure) {
        // In the order of writing, which is the order on disk; the order of topics would jump about.
        try self.database.forEachRow(of: "SELECT * FROM retained ORDER BY rowid") { row throws(SQLiteFailure) in
            let topic = try row.text()
            let message = StoredMessage(packet: row.bytes(), expiresAt: row.optionalInteger())
            let publisher = try row.text()
            try row.checkSeal(of: "retained")
            visit(.retained(topic: topic, message, publisher: publisher))
        }
    }

    private func readTasks(_ visit: (StoredRecord) -> Void) throws(SQLiteFailure) {
        try self.database.forEachRow(of: "SELECT * FROM tasks ORDER BY rowid") { row throws(SQLiteFailure) in
            let id = try row.text()
            let record = row.bytes()
            let state = UInt8(truncatingIfNeeded: row.integer())
            let due = row.optionalInteger()
            let isDead = row.integer() != 0
            try row.checkSeal(of: "tasks")
            visit(.task(StoredTask(id: id, record: record, state: state, dueAt: due, isDead: isDead)))
        }
    }
}
