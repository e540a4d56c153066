import Foundation

/// A real file system of a few hundred kilobytes; only the superuser can make one.
final class SmallDisk {
    let path: String

    /// Nil where mounting is not allowed.
    init?(kilobytes: Int) {
        self.path = FileManager.default.temporaryDirectory.appending(path: "disk-\(UUID().uuidString)").path
        guard mkdir(self.path, 0o700) == 0 else { return nil }
        guard mount("tmpfs", self.path, "tmpfs", 0, "size=\(kilobytes)k,mode=700") == 0 else {
            rmdir(self.path)
            return nil
        }
    }

    static var isAllowed: Bool { SmallDisk(kilobytes: 64) != nil }

    deinit {
        umount(self.path)
        rmdir(self.path)
    }
}
