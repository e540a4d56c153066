import Glibc

/// What tells one content of a file from another without reading it.
package struct FileStamp: Sendable, Hashable {
    var seconds: Int
    var nanoseconds: Int
    var size: Int
    var node: UInt64
}

/// A name in a folder.
struct FileEntry: Sendable, Hashable {
    var path: String
    var isFolder: Bool
    var stamp: FileStamp

    /// `nil` for what is not there, or may not be looked at.
    init?(_ path: String) {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        self.path = path
        self.isFolder = status.st_mode & S_IFMT == S_IFDIR
        self.stamp = FileStamp(
            seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec, size: Int(status.st_size),
            node: UInt64(status.st_ino))
    }
}
