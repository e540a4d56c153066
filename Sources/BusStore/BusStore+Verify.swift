import BusCore
import Glibc

extension BusStore {
    /// Looks at everything in a store that nobody has open, and changes nothing.
    ///
    /// - Throws: when it cannot be looked at; what is wrong inside is in the report's `problems`.
    package static func verify(directory path: String) throws(StoreFailure) -> StoreReport {
        let directory = try StoreDirectory.open(path, for: .check)
        defer { directory.close() }
        let notice = LogInspection(path: directory.logPath)?.notice(of: directory.logPath)
        let database = try Opening.openForReading(directory)
        defer { database.close(keepingLog: true) }
        var report = StoreReport()
        if let notice { report.problems.append(notice) }
        do throws(SQLiteFailure) {
            report.version = try database.integer("PRAGMA user_version")
            try report.measure(directory, database)
            if try !Schema.isAsWritten(in: database, version: report.version) {
                report.problems.append("the tables are not those of version \(report.version)")
            }
            for line in try database.texts("PRAGMA integrity_check(20)") where line != "ok" {
                report.problems.append(line)
            }
            try database.readRecords { report.count($0) }
            try report.findOrphans(database)
        } catch {
            report.problems.append(error.message)
        }
        return report
    }
}

extension StoreReport {
    fileprivate mutating func measure(_ directory: StoreDirectory, _ database: Database) throws(SQLiteFailure) {
        self.databaseBytes = Self.fileBytes(directory.databasePath)
        self.logBytes = Self.fileBytes(directory.logPath)
        let pageBytes = try database.integer("PRAGMA page_size")
        self.freeBytes = try database.integer("PRAGMA freelist_count") * pageBytes
    }

    /// What a foreign key would keep away, at no cost to the commits.
    fileprivate mutating func findOrphans(_ database: Database) throws(SQLiteFailure) {
        for table in ["subscriptions", "deliveries", "received"] {
            let count = try database.integer(
                "SELECT count(*) FROM \(table) WHERE session NOT IN (SELECT number FROM sessions)")
            if count > 0 { self.problems.append("\(count) \(table) belong to no session") }
        }
        let empty = try database.integer(
            "SELECT count(*) FROM deliveries WHERE message NOT IN (SELECT number FROM messages)")
        if empty > 0 { self.problems.append("\(empty) deliveries have no message") }
        self.unusedMessages = try database.integer(
            "SELECT count(*) FROM messages WHERE number NOT IN (SELECT message FROM deliveries)")
    }

    private static func fileBytes(_ path: String) -> Int {
        var status = stat()
        return unsafe stat(path, &status) == 0 ? Int(status.st_size) : 0
    }
}
