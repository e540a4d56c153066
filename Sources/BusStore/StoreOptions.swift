/// How a store is kept.
package struct StoreOptions: Sendable {
    /// Bytes of appended changes that may wait for a commit; above it `hasRoom` is false.
    package var backlogBytesMax = 64 << 20
    /// SQLite's page cache.
    package var cacheBytes = 16 << 20
    /// Pages in the log from which an idle moment is used to write them back.
    package var logPagesIdle = 1000
    /// Pages in the log from which they are written back whether the moment is idle or not.
    package var logPagesMax = 8000
    /// How long after a full disk the writer tries again.
    package var retryInterval = Duration.milliseconds(250)
    /// The name of the SQLite file system to use; nil for the system's own. Tests put a failing disk here.
    package var fileSystem: String?

    package init() {}
}
