/// How a store is kept.
package struct StoreOptions: Sendable {
    /// Bytes of appended changes that may wait for a commit; above it `hasRoom` is false.
    package var backlogBytesMax = 64 << 20
    /// SQLite's page cache.
    package var cacheBytes = 16 << 20
    /// Pages in the log from which an idle moment is used to write them back: 1 MB takes 2 to 5 ms, so that a commit that
    /// comes in between waits no longer than that. Four times as many take four times as long and save nothing.
    package var logPagesIdle = 250
    /// Pages in the log from which they are written back whether the moment is idle or not.
    package var logPagesMax = 4000
    /// How long after a full disk the writer tries again.
    package var retryInterval = Duration.milliseconds(250)
    /// The name of the SQLite file system to use; nil for the system's own. Tests put a failing disk here.
    package var fileSystem: String?

    package init() {}
}
