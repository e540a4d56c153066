package import BusCore
import Glibc
import Synchronization

/// What was acknowledged is on disk: SQLite behind one thread that commits in groups.
///
/// Changes are appended from the broker's lock and committed together, as many as came in while the last commit ran:
/// one client waits for one fdatasync, a thousand wait for two. Nothing here blocks whoever appends.
package final class BusStore: Sendable {
    /// What was found wrong on opening although the store could be opened, for the log.
    package let notices: [String]
    private let writer: StoreWriter
    private let options: StoreOptions
    private let thread: Mutex<pthread_t?>

    private init(_ writer: StoreWriter, options: StoreOptions, notices: [String]) {
        self.notices = notices
        self.writer = writer
        self.options = options
        self.thread = Mutex(writer.start())
    }

    /// Opens the store in a directory, or makes both, and holds them against other processes.
    ///
    /// After a crash the file is checked first. `onCommit` is called on the writer's thread and must return soon; it
    /// must not call `close`.
    package static func open(
        directory path: String, options: StoreOptions = StoreOptions(),
        onCommit: @escaping @Sendable (CommitResult) -> Void
    ) throws(StoreFailure) -> BusStore {
        let directory = try StoreDirectory.open(path, for: .use)
        do throws(StoreFailure) {
            let log = LogInspection(path: directory.logPath)
            let notices = [log?.notice(of: directory.logPath)].compactMap { $0 }
            let tables = try Opening.open(directory, options: options)
            do throws(StoreFailure) {
                try directory.markRunning()
            } catch {
                tables.database.close(keepingLog: true)
                throw error
            }
            let writer = StoreWriter(tables, in: directory, options: options, onCommit: onCommit)
            return BusStore(writer, options: options, notices: notices)
        } catch {
            directory.close()
            throw error
        }
    }

    /// Hands over everything that is stored, record by record. Called before the first `append`.
    package func load(_ visit: (StoredRecord) -> Void) throws(StoreFailure) {
        try self.writer.load(visit)
    }

    /// Appends to what the next commit takes; returns at once. `number` rises with every call.
    package func append(_ changes: [StoreChange], number: UInt64) {
        self.writer.mailbox.put(changes, number: number)
    }

    /// Bytes of changes that are not yet committed.
    package var backlogBytes: Int { self.writer.mailbox.backlogBytes }

    /// While false, the caller accepts nothing new that must be stored. What it appends nevertheless (removals, and what
    /// was accepted already) is kept.
    package var hasRoom: Bool { self.backlogBytes < self.options.backlogBytesMax }

    package var figures: StoreFigures { self.writer.figures }

    /// Commits what was appended, writes the log back, closes the files and lets the directory go. Safe to call twice.
    package func close() {
        let thread: pthread_t? = self.thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        guard let thread else { return }
        self.writer.mailbox.close()
        pthread_join(thread, nil)
    }
}
