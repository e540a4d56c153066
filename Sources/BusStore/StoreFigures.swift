/// What the writer counts, for metrics.
package struct StoreFigures: Sendable, Equatable {
    package var commits = 0
    /// Changes that were appended and are committed.
    package var changes = 0
    /// How many of them were saved and removed within one commit and never written.
    package var cancelled = 0
    package var latestCommit = Duration.zero
    package var longestCommit = Duration.zero
    /// Times that the log was written back, and the longest.
    package var checkpoints = 0
    package var longestCheckpoint = Duration.zero
    /// Whether the disk has no room for what waits.
    package var isFull = false
    /// Why nothing is committed any more.
    package var failure: String?

    mutating func committed(_ batch: borrowing ChangeBatch, in time: Duration) {
        self.commits += 1
        self.changes += batch.added
        self.cancelled += batch.added - batch.live
        self.latestCommit = time
        self.longestCommit = max(self.longestCommit, time)
        self.isFull = false
    }

    mutating func wroteBack(in time: Duration) {
        self.checkpoints += 1
        self.longestCheckpoint = max(self.longestCheckpoint, time)
    }
}
