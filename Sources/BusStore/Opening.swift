/// From a locked directory to tables that can be read and written.
enum Opening {
    static func open(_ directory: StoreDirectory, options: StoreOptions) throws(StoreFailure) -> sending Tables {
        let file = directory.databasePath
        let database = try StoreFailure.wrapping("cannot open", file) { () throws(SQLiteFailure) in
            try Database(path: file, fileSystem: options.fileSystem)
        }
        do throws(StoreFailure) {
            let version = try Self.version(of: database, in: directory, cacheBytes: options.cacheBytes)
            if version == 0 {
                try StoreFailure.wrapping("cannot make", file) { () throws(SQLiteFailure) in
                    try Schema.raise(database, from: 0)
                    // From here on the file itself says what it is, with or without its log.
                    try database.checkpoint(.truncate)
                }
            } else {
                try Self.check(database, of: directory)
                try StoreFailure.wrapping("cannot bring up to date", file) { () throws(SQLiteFailure) in
                    try Schema.raise(database, from: version)
                }
            }
            return try StoreFailure.wrapping("cannot open", file) { () throws(SQLiteFailure) in
                guard try Schema.isAsWritten(in: database, version: Schema.version) else {
                    throw .wrongContent("the schema")
                }
                return try Tables(database)
            }
        } catch {
            database.close(keepingLog: true)
            throw error
        }
    }

    /// For a check or a repair: nothing is made, lifted or written. Every version so far has the same rows, in tables of
    /// another order.
    static func openForReading(_ directory: StoreDirectory) throws(StoreFailure) -> Database {
        let file = directory.databasePath
        let database = try StoreFailure.wrapping("cannot open", file) { () throws(SQLiteFailure) in
            try Database(path: file, fileSystem: nil)
        }
        do throws(StoreFailure) {
            let version = try Self.version(of: database, in: directory, cacheBytes: StoreOptions().cacheBytes)
            guard version > 0 else { throw .damaged(file, "it has no tables") }
            try StoreFailure.wrapping("cannot open", file) { () throws(SQLiteFailure) in
                try database.execute("PRAGMA query_only = ON")
            }
            return database
        } catch {
            database.close(keepingLog: true)
            throw error
        }
    }

    /// Sets the connection up and finds out what the file is; 0 is a file without content.
    private static func version(
        of database: Database, in directory: StoreDirectory, cacheBytes: Int
    ) throws(StoreFailure) -> Int {
        let file = directory.databasePath
        let standing = try StoreFailure.wrapping("cannot open", file) { () throws(SQLiteFailure) in
            // One process at a time: the index of the log lives in its memory, and no commit locks or unlocks a file.
            try database.execute("PRAGMA locking_mode = EXCLUSIVE")
            return try Schema.standing(of: database)
        }
        switch standing {
        case .foreign:
            throw StoreFailure(.foreign, "\(file) belongs to another program: name another directory")
        case .version(let version) where version > Schema.version:
            throw StoreFailure(
                .tooNew,
                "\(file) has version \(version), this program knows versions up to \(Schema.version): use the program that"
                    + " wrote it, or a later one")
        case .version(let version) where version < 1: throw .damaged(file, "it has version \(version)")
        case .empty where directory.standing != .new && directory.standing != .unclean:
            throw .damaged(file, "it has no tables")
        case .empty, .version: break
        }
        try StoreFailure.wrapping("cannot open", file) { () throws(SQLiteFailure) in
            try Self.setUp(database, cacheBytes: cacheBytes)
        }
        if case .version(let version) = standing { return version }
        return 0
    }

    private static func setUp(_ database: Database, cacheBytes: Int) throws(SQLiteFailure) {
        guard try database.texts("PRAGMA journal_mode = WAL") == ["wal"] else {
            throw SQLiteFailure(code: SQLiteFailure.cannotOpen, systemError: 0, message: "it cannot keep a log")
        }
        // Every commit is on the disk before it is reported; memory is not mapped, since a file that ends early would
        // then end the process; deleted content is overwritten where that costs no further page.
        for setting in [
            "synchronous = FULL", "mmap_size = 0", "temp_store = MEMORY", "secure_delete = FAST",
            "cell_size_check = ON",
            "trusted_schema = OFF", "cache_size = \(-cacheBytes / 1024)",
        ] {
            try database.execute("PRAGMA \(setting)")
        }
    }

    /// After a crash, or where nothing tells how the last user ended, the whole file is looked at once.
    private static func check(_ database: Database, of directory: StoreDirectory) throws(StoreFailure) {
        guard directory.standing == .unclean else { return }
        let file = directory.databasePath
        let complaint = try StoreFailure.wrapping("cannot check", file) { () throws(SQLiteFailure) in
            try database.texts("PRAGMA quick_check(1)").first
        }
        guard complaint == "ok" else { throw .damaged(file, complaint ?? "its check says nothing") }
        // What the last user left in the log goes where it belongs, so that the log begins empty.
        try StoreFailure.wrapping("cannot write", file) { () throws(SQLiteFailure) in
            do throws(SQLiteFailure) {
                try database.checkpoint(.truncate)
            } catch {
                // On a full disk it stays in the log, which is as good a place.
                guard error.reason == .full else { throw error }
            }
        }
    }
}

extension StoreFailure {
    /// Runs `body` and says, when SQLite fails in it, what was attempted with which file.
    static func wrapping<Result>(
        _ attempt: String, _ file: String, _ body: () throws(SQLiteFailure) -> Result
    ) throws(StoreFailure) -> Result {
        do throws(SQLiteFailure) {
            return try body()
        } catch {
            throw .from(error, attempt, file: file)
        }
    }
}
