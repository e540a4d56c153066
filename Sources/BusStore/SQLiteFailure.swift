import CSQLite
import Glibc

/// A call of SQLite that did not succeed.
struct SQLiteFailure: Error {
    enum Reason {
        case full
        case damaged
        case other
    }

    static let cannotOpen = SQLITE_CANTOPEN

    /// Extended result code.
    let code: Int32
    /// `errno` of the system call behind it, or 0.
    let systemError: Int32
    let message: String

    /// A row that SQLite read without complaint but that is not what was written.
    static func wrongContent(_ table: String) -> SQLiteFailure {
        SQLiteFailure(
            code: SQLITE_CORRUPT, systemError: 0, message: "a row of \(table) is not what was written")
    }

    var reason: Reason {
        switch self.code & 0xFF {
        case SQLITE_FULL: return .full
        case SQLITE_CORRUPT, SQLITE_NOTADB: return .damaged
        case SQLITE_IOERR:
            // SQLite knows only ENOSPC as full; a quota and a file size limit come as plain write errors.
            let isWrite = self.code == SQLITE_IOERR | 3 << 8
            if isWrite, [ENOSPC, EDQUOT, EFBIG].contains(self.systemError) { return .full }
            // The file ends where its own header says that it goes on.
            return self.code == SQLITE_IOERR | 2 << 8 ? .damaged : .other
        default: return .other
        }
    }
}
