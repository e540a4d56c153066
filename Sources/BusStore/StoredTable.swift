import BusCore

/// How the rows of each table become records, in the order in which a restart reads the tables.
enum StoredTable: String, CaseIterable {
    case sessions
    case subscriptions
    case messages
    case deliveries
    case received
    case retained
    case tasks

    /// Every row, in the order of its key. Names of topics and tasks come in the order in which they lie on disk, which
    /// needs no index and does not jump about.
    var query: String { "SELECT * FROM \(self.rawValue) ORDER BY \(self.key.joined(separator: ", "))" }

    /// The same from the end.
    var backwardQuery: String {
        let order = self.key.map { $0 + " DESC" }
        return "SELECT * FROM \(self.rawValue) ORDER BY \(order.joined(separator: ", "))"
    }

    private var key: [String] {
        switch self {
        case .sessions, .messages: return ["number"]
        case .subscriptions: return ["session", "filter"]
        case .deliveries: return ["message", "session", "position"]
        case .received: return ["session", "packet"]
        case .retained, .tasks: return ["rowid"]
        }
    }

    /// The row under the statement; throws when it is not what was written.
    func record(_ row: Statement) throws(SQLiteFailure) -> StoredRecord {
        switch self {
        case .sessions: return .session(try Self.session(row))
        case .subscriptions:
            let session = row.integer()
            let filter = try row.text()
            let options = UInt8(truncatingIfNeeded: row.integer())
            let identifier = UInt32(truncatingIfNeeded: row.integer())
            try row.checkSeal(of: self)
            let subscription = StoredSubscription(filter: filter, options: options, identifier: identifier)
            return .subscription(session: session, subscription)
        case .messages:
            let number = row.integer()
            let message = StoredMessage(packet: row.bytes(), expiresAt: row.optionalInteger())
            try row.checkSeal(of: self)
            return .message(number: number, message)
        case .deliveries: return try Self.delivery(row)
        case .received:
            let session = row.integer()
            let identifier = UInt16(truncatingIfNeeded: row.integer())
            try row.checkSeal(of: self)
            return .received(session: session, packetIdentifier: identifier)
        case .retained:
            let topic = try row.text()
            let message = StoredMessage(packet: row.bytes(), expiresAt: row.optionalInteger())
            let publisher = try row.text()
            try row.checkSeal(of: self)
            return .retained(topic: topic, message, publisher: publisher)
        case .tasks: return .task(try Self.task(row))
        }
    }

    private static func session(_ row: Statement) throws(SQLiteFailure) -> StoredSession {
        let number = row.integer()
        let client = try row.text()
        let expiry = UInt32(truncatingIfNeeded: row.integer())
        let disconnected = row.optionalInteger()
        let user = try row.optionalText()
        try row.checkSeal(of: Self.sessions)
        return StoredSession(
            number: number, clientIdentifier: client, expirySeconds: expiry, disconnectedAt: disconnected, user: user)
    }

    private static func delivery(_ row: Statement) throws(SQLiteFailure) -> StoredRecord {
        let session = row.integer()
        let order = row.integer()
        let message = row.integer()
        let flags = row.integer()
        let identifiers = StoredDelivery.identifiers(from: row.bytes())
        try row.checkSeal(of: Self.deliveries)
        let state = DeliveryState(sealed: row.integer(), session: session, order: order)
        guard let identifiers, let state else { throw .wrongContent(Self.deliveries.rawValue) }
        let delivery = StoredDelivery(
            order: order, message: message, qos: UInt8(flags & 3), isRetained: flags & 4 != 0,
            identifiers: identifiers, packetIdentifier: state.packetIdentifier, phase: state.phase)
        return .delivery(session: session, delivery)
    }

    private static func task(_ row: Statement) throws(SQLiteFailure) -> StoredTask {
        let id = try row.text()
        let record = row.bytes()
        let state = UInt8(truncatingIfNeeded: row.integer())
        let due = row.optionalInteger()
        let isDead = row.integer() != 0
        try row.checkSeal(of: Self.tasks)
        return StoredTask(id: id, record: record, state: state, dueAt: due, isDead: isDead)
    }
}

extension Database {
    /// Hands over every record in the order of `StoredRecord`'s cases, each as it is read; only deliveries, 48 bytes
    /// each, are gathered first, since they lie in another order than the one in which they are wanted.
    func readRecords(_ visit: (StoredRecord) -> Void) throws(SQLiteFailure) {
        for table in StoredTable.allCases {
            var deliveries: [(session: UInt64, delivery: StoredDelivery)] = []
            try self.forEachRow(of: table.query) { row throws(SQLiteFailure) in
                switch try table.record(row) {
                case .delivery(let session, let delivery): deliveries.append((session, delivery))
                case let record: visit(record)
                }
            }
            deliveries.sort { ($0.session, $0.delivery.order) < ($1.session, $1.delivery.order) }
            for (session, delivery) in deliveries { visit(.delivery(session: session, delivery)) }
        }
    }
}
