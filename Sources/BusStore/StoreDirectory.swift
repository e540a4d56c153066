import Glibc

/// The directory of one store, held against other processes while it is open.
///
/// `store.lock` carries the lock and one line that says who holds it or that the last holder closed. Once that line is
/// there, a database without content is a loss and not a beginning.
final class StoreDirectory: Sendable {
    enum Standing {
        /// No store was ever made here.
        case new
        case closed
        /// The last holder did not get to close: its commits may still be in the log.
        case unclean
    }

    /// What a directory is opened for.
    enum Purpose {
        /// Makes the directory and the files where there were none.
        case use
        case check
        /// Takes a store without its log as well.
        case repair
    }

    let path: String
    let standing: Standing
    private let lock: Int32

    var databasePath: String { self.path + "/store.db" }
    var logPath: String { self.path + "/store.db-wal" }

    private init(path: String, standing: Standing, lock: Int32) {
        self.path = path
        self.standing = standing
        self.lock = lock
    }

    /// Locks the directory; what it makes first can be read by its owner only.
    static func open(_ path: String, for purpose: Purpose) throws(StoreFailure) -> StoreDirectory {
        let creating = purpose == .use
        if creating, unsafe mkdir(path, 0o700) == 0 {
            try Self.sync(path + "/..")
        } else if creating, errno != EEXIST {
            throw .system("cannot make the directory", path)
        }
        try Self.checkRights(of: path)
        let isMade = ["/store.db", "/store.lock"].contains { unsafe access(path + $0, F_OK) == 0 }
        guard creating || isMade else {
            throw StoreFailure(.notAccessible, "there is no store in \(path): check the path")
        }
        // A copy of the database alone is a store as well, so that the lock may have to be made even for a check.
        let lock = try Self.openFile(path + "/store.lock", creating: true)
        do throws(StoreFailure) {
            try Self.take(lock, of: path)
            let standing = try Self.examine(path, marker: Self.marker(in: lock), purpose)
            if creating { try Self.sync(path) }
            return StoreDirectory(path: path, standing: standing, lock: lock)
        } catch {
            Self.release(lock)
            throw error
        }
    }

    /// From here on a missing file is a loss. Called once the database and its log are there.
    func markRunning() throws(StoreFailure) {
        try Self.sync(self.path)
        try self.mark("running \(getpid())")
    }

    /// Called when nothing is left in the log.
    func markClosed() throws(StoreFailure) {
        try self.mark("closed")
    }

    /// Lets other processes in.
    func close() {
        Self.release(self.lock)
    }

    // MARK: Repair

    /// Makes an empty file, in place of one that an earlier repair did not finish.
    func makeFile(at path: String) throws(StoreFailure) {
        for leftover in [path, path + "-wal", path + "-journal"] { unsafe unlink(leftover) }
        Glibc.close(try Self.openFile(path, creating: true))
    }

    /// Moves the database and its log aside and a new database in their place; tells where the old one is.
    ///
    /// The log goes first and the new database comes last: wherever this stops, what is left is refused and not taken
    /// for an empty store.
    func replaceDatabase(by newFile: String) throws(StoreFailure) -> String {
        var number = 1
        while unsafe access("\(self.databasePath).damaged-\(number)", F_OK) == 0 { number += 1 }
        let aside = "\(self.databasePath).damaged-\(number)"
        try self.mark("running 0")
        try Self.move(self.logPath, to: aside + "-wal", isOptional: true)
        try Self.move(self.databasePath, to: aside, isOptional: false)
        try Self.sync(self.path)
        try Self.move(newFile, to: self.databasePath, isOptional: false)
        try Self.sync(self.path)
        try self.markClosed()
        return aside
    }

    private static func move(_ old: String, to new: String, isOptional: Bool) throws(StoreFailure) {
        guard unsafe rename(old, new) != 0, !(isOptional && errno == ENOENT) else { return }
        throw .system("cannot rename", old)
    }

    // MARK: Marker

    /// One write of a fixed length, which a power cut leaves whole or not done on every file system in use.
    private func mark(_ text: String) throws(StoreFailure) {
        let line = text + String(repeating: " ", count: max(0, 31 - text.utf8.count)) + "\n"
        let written = unsafe pwrite(self.lock, line, line.utf8.count, 0)
        guard written == line.utf8.count, fdatasync(self.lock) == 0 else {
            throw .system("cannot write", self.path + "/store.lock")
        }
    }

    private static func marker(in lock: Int32) -> [Substring] {
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = unsafe pread(lock, &bytes, bytes.count, 0)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split { $0.isWhitespace }
    }

    // MARK: Checks

    private static func checkRights(of path: String) throws(StoreFailure) {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { throw .system("cannot open the directory", path) }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw StoreFailure(.notAccessible, "\(path) is not a directory: name one, or a path that is free")
        }
        guard status.st_mode & 0o002 == 0 else {
            throw StoreFailure(
                .notAccessible, "\(path) can be written by everybody: `chmod o-w \(path)`, or name another directory")
        }
    }

    private static func take(_ lock: Int32, of path: String) throws(StoreFailure) {
        guard flock(lock, LOCK_EX | LOCK_NB) != 0 else { return }
        guard errno == EWOULDBLOCK else { throw .system("cannot lock", path + "/store.lock") }
        let marker = Self.marker(in: lock)
        let holder = marker.first == "running" && marker.count > 1 ? "process \(marker[1])" : "another process"
        throw StoreFailure(.inUse, "\(path) is in use by \(holder): stop it first, or name another directory")
    }

    /// Closing alone would not do while a process that we start, between fork and exec, has the descriptor too.
    private static func release(_ lock: Int32) {
        _ = flock(lock, LOCK_UN)
        Glibc.close(lock)
    }

    private static func examine(
        _ path: String, marker: [Substring], _ purpose: Purpose
    ) throws(StoreFailure) -> Standing {
        let file = path + "/store.db"
        let isKnown = !marker.isEmpty
        // Not made anew where there was one: that would hide its loss.
        let descriptor = try Self.openFile(file, creating: purpose == .use && !isKnown)
        var status = stat()
        let isEmpty = unsafe fstat(descriptor, &status) == 0 && status.st_size == 0
        Glibc.close(descriptor)
        var log = stat()
        let hasLog = unsafe stat(file + "-wal", &log) == 0
        if hasLog, log.st_mode & 0o077 != 0 { unsafe chmod(file + "-wal", 0o600) }
        guard !(isEmpty && (isKnown || hasLog)) else { throw .damaged(file, "it is empty") }
        switch marker.first {
        case nil: return isEmpty ? .new : .unclean
        case "closed": return .closed
        case "running" where !hasLog && purpose != .repair:
            throw .damaged(file, "its log \(file)-wal is missing, and with it what was stored last")
        default: return .unclean
        }
    }

    /// A regular file of ours that only we can read; made if need be.
    private static func openFile(_ path: String, creating: Bool) throws(StoreFailure) -> Int32 {
        let flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | (creating ? O_CREAT : 0)
        let descriptor = unsafe Glibc.open(path, flags, 0o600)
        guard descriptor >= 0 else { throw .system("cannot open", path) }
        var status = stat()
        let isOurs = unsafe fstat(descriptor, &status) == 0 && [geteuid(), 0].contains(status.st_uid)
        guard isOurs, status.st_mode & S_IFMT == S_IFREG else {
            Glibc.close(descriptor)
            throw StoreFailure(.foreign, "\(path) is not a file of this user: name another directory")
        }
        // Messages are nobody else's to read, whatever made the file so.
        if status.st_mode & 0o077 != 0 { fchmod(descriptor, 0o600) }
        return descriptor
    }

    /// Makes the names in a directory last.
    private static func sync(_ path: String) throws(StoreFailure) {
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("cannot open", path) }
        defer { Glibc.close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .system("cannot sync", path) }
    }
}

extension StoreFailure {
    /// What the system said to the latest call.
    static func system(_ attempt: String, _ path: String) -> StoreFailure {
        let code = errno
        let reason = unsafe String(cString: strerror(code))
        let advice: String
        switch code {
        case ENOENT: advice = "make the directory that it is to lie in first, or check the path"
        case EACCES, EPERM, EROFS: advice = "give this user the right to write there, or name another directory"
        case ELOOP: advice = "it must not be a symbolic link"
        case ENOSPC, EDQUOT: advice = "make room and start again"
        default: advice = "check the disk"
        }
        return StoreFailure(.notAccessible, "\(attempt) \(path): \(reason); \(advice)")
    }
}
