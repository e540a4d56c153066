import BusCore
import Glibc
import Synchronization

/// The one thread that writes: it commits all that was appended while the last commit ran, reports, and goes on.
///
/// | state   | an append            | leaves by                                              |
/// |---------|----------------------|--------------------------------------------------------|
/// | writing | is in the next commit| a full disk → full; another failure → failed           |
/// | full    | waits in memory      | a retry that succeeds → writing                        |
/// | failed  | is dropped           | nothing: what a failed fsync left behind is not known  |
@safe final class StoreWriter: Sendable {
    private enum Outcome {
        case committed
        case full
        case failed(String)
    }

    private struct Turn {
        var isOpen: Bool
    }

    let mailbox = Mailbox()
    private let options: StoreOptions
    private let directory: StoreDirectory
    private let onCommit: @Sendable (CommitResult) -> Void
    private let counted = Mutex(StoreFigures())
    // Touched only by whoever holds `turn`: the opener while it loads, then the writer.
    private nonisolated(unsafe) let tables: Tables
    private let turn = Mutex(Turn(isOpen: true))

    init(
        _ tables: sending Tables, in directory: StoreDirectory, options: StoreOptions,
        onCommit: @escaping @Sendable (CommitResult) -> Void
    ) {
        unsafe self.tables = tables
        self.directory = directory
        self.options = options
        self.onCommit = onCommit
    }

    var figures: StoreFigures { self.counted.withLock { $0 } }

    func load(_ visit: (StoredRecord) -> Void) throws(StoreFailure) {
        let file = self.directory.databasePath
        try self.turn.withLock { turn throws(StoreFailure) in
            guard turn.isOpen else { throw StoreFailure(.notAccessible, "cannot read \(file): the store is closed") }
            try StoreFailure.wrapping("cannot read", file) { () throws(SQLiteFailure) in
                try unsafe self.tables.database.readRecords(visit)
            }
        }
    }

    // MARK: The thread

    func start() -> pthread_t {
        let box = unsafe Unmanaged.passRetained(self)
        var thread = pthread_t()
        let result = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                unsafe Unmanaged<StoreWriter>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, box.toOpaque())
        precondition(result == 0, "the process cannot start another thread")
        return thread
    }

    private func run() {
        var batch = ChangeBatch()
        var isFull = false
        while true {
            if isFull {
                for mail in self.mailbox.takeAll(after: self.options.retryInterval) { batch.add(mail) }
            } else if let mail = self.mailbox.take() {
                batch.add(mail)
            } else {
                return self.finish(isFull: false)
            }
            switch self.commit(batch) {
            case .committed:
                isFull = false
                self.mailbox.settled(bytes: batch.bytes)
                self.onCommit(.committed(upTo: batch.lastNumber))
                batch = ChangeBatch()
            case .full:
                if !isFull { self.onCommit(.full(upTo: batch.lastNumber)) }
                isFull = true
            case .failed(let message): return self.fail(message)
            }
            if case .failed(let message) = self.writeBackIfDue(isFull: isFull) { return self.fail(message) }
            if isFull, self.mailbox.isClosing { return self.finish(isFull: true) }
        }
    }

    private func commit(_ batch: borrowing ChangeBatch) -> Outcome {
        let start = ContinuousClock.now
        if batch.live > 0 {
            do throws(SQLiteFailure) {
                try self.turn.withLock { _ throws(SQLiteFailure) in try unsafe self.tables.commit(batch) }
            } catch {
                return self.outcome(of: error)
            }
        }
        let time = ContinuousClock.now - start
        self.counted.withLock { $0.committed(batch, in: time) }
        return .committed
    }

    private func outcome(of failure: SQLiteFailure) -> Outcome {
        let file = self.directory.databasePath
        guard failure.reason != .full else {
            self.counted.withLock { $0.isFull = true }
            return .full
        }
        let reason = failure.systemError == 0 ? "" : " (\(unsafe String(cString: strerror(failure.systemError))))"
        return .failed(
            "cannot write \(file): \(failure.message)\(reason); nothing more is stored. Check the disk, then start again:"
                + " everything that was acknowledged before is there")
    }

    // MARK: The log

    /// Writing the log back takes longer than a commit, so it waits for a moment in which nobody does; but not for ever.
    private func writeBackIfDue(isFull: Bool) -> Outcome {
        let pages = self.turn.withLock { _ in unsafe self.tables.database.logPages }
        // With the disk full the log is emptied into the file where it can be: that may be the room that is missing.
        let isDue = isFull || pages >= self.options.logPagesMax
        guard isDue || (pages >= self.options.logPagesIdle && self.mailbox.isQuiet) else { return .committed }
        let start = ContinuousClock.now
        do throws(SQLiteFailure) {
            try self.turn.withLock { _ throws(SQLiteFailure) in
                try unsafe self.tables.database.checkpoint(isFull ? .truncate : .restart)
            }
        } catch {
            // What the log holds is safe there. A log that cannot shrink ends in a full disk, which is reported then.
            return error.reason == .full ? .full : self.outcome(of: error)
        }
        let time = ContinuousClock.now - start
        self.counted.withLock { $0.wroteBack(in: time) }
        return .committed
    }

    // MARK: The end

    private func fail(_ message: String) {
        self.counted.withLock { $0.failure = message }
        self.mailbox.shut()
        self.close(keepingLog: true)
        self.onCommit(.failed(message: message))
    }

    private func finish(isFull: Bool) {
        if isFull {
            self.onCommit(
                .failed(
                    message: "\(self.directory.path) was closed while the disk was full: what was not committed is lost"
                ))
        }
        do {
            try self.turn.withLock { _ throws(SQLiteFailure) in try unsafe self.tables.database.checkpoint(.truncate) }
            // Marked before the log goes: a log that is missing otherwise counts as a loss.
            try self.directory.markClosed()
            self.close(keepingLog: false)
        } catch {
            // The log stays, the marker says so, and the next start reads it.
            self.close(keepingLog: true)
        }
    }

    private func close(keepingLog: Bool) {
        self.turn.withLock { turn in
            turn.isOpen = false
            unsafe self.tables.database.close(keepingLog: keepingLog)
        }
        self.directory.close()
    }
}
