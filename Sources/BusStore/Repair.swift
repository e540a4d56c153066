import BusCore
import Glibc

/// What a repair saved from a damaged store.
package struct RepairReport: Sendable, Equatable {
    /// The store as it is now.
    package var kept: StoreReport
    /// Rows that could be read but were not what was written, and parts of tables that could not be read at all.
    package var unreadable: Int
    /// The damaged database, kept beside the new one.
    package var damagedFile: String
}

extension BusStore {
    /// Copies every row that is what was written into a new store, puts it in the place of the damaged one and keeps
    /// that beside it. Records that belong to a lost session or message go with it.
    package static func repair(directory path: String) throws(StoreFailure) -> RepairReport {
        let directory = try StoreDirectory.open(path, for: .repair)
        var repair = Repair(directory: directory)
        let damagedFile: String
        do throws(StoreFailure) {
            try repair.salvage()
            damagedFile = try directory.replaceDatabase(by: repair.newFile)
        } catch {
            directory.close()
            throw error
        }
        directory.close()
        let kept = try Self.verify(directory: path)
        return RepairReport(kept: kept, unreadable: repair.unreadable, damagedFile: damagedFile)
    }
}

/// The copying of what can be read from one database into another.
private struct Repair {
    let directory: StoreDirectory
    let newFile: String
    private(set) var unreadable = 0

    init(directory: StoreDirectory) {
        self.directory = directory
        self.newFile = directory.databasePath + ".repaired"
    }

    mutating func salvage() throws(StoreFailure) {
        let old = try Opening.openForReading(self.directory)
        defer { old.close(keepingLog: true) }
        try self.directory.makeFile(at: self.newFile)
        let new = try StoreFailure.wrapping("cannot make", self.newFile) { () throws(SQLiteFailure) in
            try Database(path: self.newFile, fileSystem: nil)
        }
        defer { new.close(keepingLog: false) }
        do throws(SQLiteFailure) {
            try Schema.raise(new, from: 0)
            let target = try Tables(new)
            for table in StoredTable.allCases { try self.copy(table, from: old, to: target) }
            try Self.removeOrphans(from: new)
        } catch {
            throw .from(error, "cannot write", file: self.newFile)
        }
    }

    /// Reads a table from its beginning and, when that ends early, from its end: what lies around the damage is saved.
    private mutating func copy(
        _ table: StoredTable, from old: Database, to new: Tables
    ) throws(SQLiteFailure) {
        for query in [table.query, table.backwardQuery] {
            var batch = ChangeBatch()
            var unreadable = 0
            var failure: SQLiteFailure?
            var isDamaged = false
            do throws(SQLiteFailure) {
                try old.forEachRow(of: query) { row throws(SQLiteFailure) in
                    do throws(SQLiteFailure) {
                        batch.add(StoreChange(try table.record(row)))
                    } catch {
                        unreadable += 1
                    }
                    guard batch.live == 1000 else { return }
                    do throws(SQLiteFailure) {
                        try new.commit(batch)
                    } catch {
                        failure = error
                        throw error
                    }
                    batch = ChangeBatch()
                }
            } catch {
                isDamaged = true
            }
            if let failure { throw failure }
            try new.commit(batch)
            self.unreadable += unreadable + (isDamaged ? 1 : 0)
            if !isDamaged { return }
        }
    }

    private static func removeOrphans(from database: Database) throws(SQLiteFailure) {
        for table in ["subscriptions", "deliveries", "received"] {
            try database.execute("DELETE FROM \(table) WHERE session NOT IN (SELECT number FROM sessions)")
        }
        try database.execute("DELETE FROM deliveries WHERE message NOT IN (SELECT number FROM messages)")
        try database.execute("DELETE FROM messages WHERE number NOT IN (SELECT message FROM deliveries)")
    }
}
