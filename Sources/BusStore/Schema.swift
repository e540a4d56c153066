/// The tables, and the ladder that lifts a store of an earlier version to this one.
///
/// Numbers of sessions and messages are row ids, so that what is written last lies last and is removed first: a queue
/// touches two pages however long it is. Deliveries lie by their messages, so that those of one commit lie on a page or
/// two, however many sessions they are for; by session, as in version 1, each would touch a page of its own. Retained
/// messages and tasks are rows with an index on their name, since rows without one are slow when they are large.
enum Schema {
    /// "fcbs", in the header of the file: another program's database is not ours to change.
    static let applicationIdentifier = 0x6663_6273

    /// Step n lifts version n to n + 1.
    static let steps = [
        """
        CREATE TABLE sessions (
            number INTEGER PRIMARY KEY, client TEXT NOT NULL, expiry INTEGER NOT NULL, disconnected INTEGER,
            user TEXT, seal INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE subscriptions (
            session INTEGER NOT NULL, filter TEXT NOT NULL, options INTEGER NOT NULL, identifier INTEGER NOT NULL,
            seal INTEGER NOT NULL, PRIMARY KEY (session, filter)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE messages (
            number INTEGER PRIMARY KEY, packet BLOB NOT NULL, expires INTEGER, seal INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE deliveries (
            session INTEGER NOT NULL, position INTEGER NOT NULL, message INTEGER NOT NULL, flags INTEGER NOT NULL,
            identifiers BLOB NOT NULL, seal INTEGER NOT NULL, state INTEGER NOT NULL,
            PRIMARY KEY (session, position)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE received (
            session INTEGER NOT NULL, packet INTEGER NOT NULL, seal INTEGER NOT NULL, PRIMARY KEY (session, packet)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE retained (
            topic TEXT NOT NULL UNIQUE, packet BLOB NOT NULL, expires INTEGER, publisher TEXT NOT NULL,
            seal INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE tasks (
            id TEXT NOT NULL UNIQUE, record BLOB NOT NULL, state INTEGER NOT NULL, due INTEGER, dead INTEGER NOT NULL,
            seal INTEGER NOT NULL
        ) STRICT;
        """,
        """
        ALTER TABLE deliveries RENAME TO deliveries_1;
        CREATE TABLE deliveries (
            session INTEGER NOT NULL, position INTEGER NOT NULL, message INTEGER NOT NULL, flags INTEGER NOT NULL,
            identifiers BLOB NOT NULL, seal INTEGER NOT NULL, state INTEGER NOT NULL,
            PRIMARY KEY (message, session, position)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO deliveries SELECT * FROM deliveries_1 ORDER BY message, session, position;
        DROP TABLE deliveries_1;
        """,
    ]

    static var version: Int { self.steps.count }

    enum Standing: Equatable {
        /// Nothing is in the file.
        case empty
        case version(Int)
        /// Another program's database.
        case foreign
    }

    static func standing(of database: Database) throws(SQLiteFailure) -> Standing {
        let identifier = try database.integer("PRAGMA application_id")
        if identifier == Self.applicationIdentifier { return .version(try database.integer("PRAGMA user_version")) }
        let tables = try database.integer("SELECT count(*) FROM sqlite_schema")
        return identifier == 0 && tables == 0 ? .empty : .foreign
    }

    /// Climbs the steps from `version`, all in one transaction.
    static func raise(
        _ database: Database, from version: Int, by steps: [String] = Self.steps
    ) throws(SQLiteFailure) {
        guard version < steps.count else { return }
        try database.execute("BEGIN IMMEDIATE")
        do throws(SQLiteFailure) {
            for step in steps[version...] { try database.execute(step) }
            try database.execute("PRAGMA application_id = \(Self.applicationIdentifier)")
            try database.execute("PRAGMA user_version = \(steps.count)")
            try database.execute("COMMIT")
        } catch {
            try database.rollBack()
            throw error
        }
    }

    /// Whether the tables are the ones that a version makes, to the letter.
    static func isAsWritten(in database: Database, version: Int) throws(SQLiteFailure) -> Bool {
        let sample = try Database(path: ":memory:", fileSystem: nil)
        defer { sample.close(keepingLog: true) }
        for step in Self.steps.prefix(version) { try sample.execute(step) }
        let listing = "SELECT type || name || coalesce(sql, '') FROM sqlite_schema ORDER BY 1"
        return try database.texts(listing) == sample.texts(listing)
    }
}
