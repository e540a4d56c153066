import CSQLite

/// One connection to one SQLite file, used by one thread at a time.
@safe final class Database {
    private let handle: OpaquePointer
    private var statements: [Statement] = []
    // SQLite writes here, from within a commit, how many pages the log holds.
    private let logPagesCount: UnsafeMutablePointer<Int32>

    /// Opens a file that exists, or makes it.
    init(path: String, fileSystem: String?) throws(SQLiteFailure) {
        var handle: OpaquePointer?
        // One thread at a time has the database, so that SQLite's own lock around every column would be for nothing.
        let flags =
            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE
            | SQLITE_OPEN_NOMUTEX
        let code = unsafe sqlite3_open_v2(path, &handle, flags, fileSystem)
        guard let handle = unsafe handle else {
            throw SQLiteFailure(code: code, systemError: 0, message: "SQLite has no memory for another connection")
        }
        guard code == SQLITE_OK else {
            let failure = unsafe SQLiteFailure.latest(of: handle)
            unsafe sqlite3_close(handle)
            throw failure
        }
        unsafe self.handle = handle
        unsafe self.logPagesCount = .allocate(capacity: 1)
        unsafe self.logPagesCount.initialize(to: 0)
        unsafe csqlite_be_defensive(handle)
        unsafe sqlite3_wal_hook(
            handle,
            { context, _, _, pages in
                unsafe context?.assumingMemoryBound(to: Int32.self).pointee = pages
                return SQLITE_OK
            }, self.logPagesCount)
    }

    /// Writes the log back unless told to keep it, and closes the file. Must be called once.
    func close(keepingLog: Bool) {
        for statement in self.statements { statement.finalize() }
        self.statements = []
        if keepingLog { unsafe csqlite_keep_log_on_close(self.handle) }
        let code = unsafe sqlite3_close(self.handle)
        precondition(code != SQLITE_BUSY, "a statement outlives its database")
        unsafe self.logPagesCount.deallocate()
    }

    /// Pages in the log after the latest commit.
    var logPages: Int { Int(unsafe self.logPagesCount.pointee) }

    /// A statement that lives as long as the connection.
    func prepare(_ sql: String) throws(SQLiteFailure) -> Statement {
        var pointer: OpaquePointer?
        let code = unsafe sqlite3_prepare_v3(self.handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &pointer, nil)
        guard code == SQLITE_OK, let pointer = unsafe pointer else {
            throw unsafe SQLiteFailure.latest(of: self.handle)
        }
        let statement = unsafe Statement(pointer, of: self.handle)
        self.statements.append(statement)
        return statement
    }

    /// Runs statements whose rows are of no interest.
    func execute(_ sql: String) throws(SQLiteFailure) {
        guard unsafe sqlite3_exec(self.handle, sql, nil, nil, nil) == SQLITE_OK else {
            throw unsafe SQLiteFailure.latest(of: self.handle)
        }
    }

    /// Runs a query once and hands over each row.
    func forEachRow(
        of sql: String, _ body: (Statement) throws(SQLiteFailure) -> Void
    ) throws(SQLiteFailure) {
        let statement = try self.prepare(sql)
        defer {
            self.statements.removeLast()
            statement.finalize()
        }
        try statement.forEachRow(body)
    }

    /// The rows of a query of one column of text.
    func texts(_ sql: String) throws(SQLiteFailure) -> [String] {
        var rows: [String] = []
        try self.forEachRow(of: sql) { row throws(SQLiteFailure) in rows.append(try row.text()) }
        return rows
    }

    func integer(_ sql: String) throws(SQLiteFailure) -> Int {
        Int(try self.texts(sql).first ?? "") ?? 0
    }

    /// Gives up the transaction under way, if SQLite has not done so by itself.
    func rollBack() throws(SQLiteFailure) {
        if unsafe sqlite3_get_autocommit(self.handle) == 0 { try self.execute("ROLLBACK") }
    }

    enum Checkpoint {
        /// Writes back what it can; the log starts again at its beginning with the next commit.
        case restart
        /// The same, and gives the log's room back to the disk.
        case truncate
    }

    /// Writes the log back into the file.
    func checkpoint(_ kind: Checkpoint) throws(SQLiteFailure) {
        let mode = kind == .restart ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_TRUNCATE
        let code = unsafe sqlite3_wal_checkpoint_v2(self.handle, nil, mode, nil, nil)
        guard code == SQLITE_OK else { throw unsafe SQLiteFailure.latest(of: self.handle) }
        unsafe self.logPagesCount.pointee = 0
    }
}

extension SQLiteFailure {
    /// What the connection's latest call said.
    static func latest(of database: OpaquePointer) -> SQLiteFailure {
        let text = unsafe sqlite3_errmsg(database).map { unsafe String(cString: $0) }
        return SQLiteFailure(
            code: unsafe sqlite3_extended_errcode(database), systemError: unsafe sqlite3_system_errno(database),
            message: text ?? "an unknown failure of SQLite")
    }
}
