import Glibc

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Where one worker runs, and as whom.
struct WorkerPlace: Sendable {
    /// An account of the machine.
    struct Account: Sendable, Equatable {
        var user: uid_t
        var group: gid_t
        var home: String
    }

    /// A place that cannot be had; the message goes to the callers.
    struct Failure: Error, Equatable {
        var message: String
    }

    let folder: String
    let account: Account?
    /// Made for this worker alone.
    let isFresh: Bool

    init(_ manifest: FunctionManifest) throws(Failure) {
        let account = try manifest.user.map { name throws(Failure) in try Self.account(name) }
        self.account = account
        self.isFresh = manifest.directory == .fresh
        self.folder = self.isFresh ? try Self.makeFolder(for: account) : manifest.folder
    }

    /// Takes away what was made for the worker, with all that it left there.
    func remove() {
        // What cannot be removed is the business of whoever cleans the temporary folder.
        if self.isFresh { try? FileManager.default.removeItem(atPath: self.folder) }
    }

    private static func makeFolder(for account: Account?) throws(Failure) -> String {
        let parent = FileManager.default.temporaryDirectory.path
        var template = Array("\(parent)/fcbus-worker-XXXXXX".utf8CString)
        // Readable by its owner only, as the system makes it.
        guard let made = unsafe mkdtemp(&template) else {
            throw Failure(message: "no directory could be made for it in \(parent) (error \(errno))")
        }
        let path = unsafe String(cString: made)
        if let account, unsafe chown(path, account.user, account.group) != 0 {
            throw Failure(message: "its directory \(path) could not be given to its user")
        }
        return path
    }

    static func account(_ name: String) throws(Failure) -> Account {
        var entry = unsafe passwd()
        var found: UnsafeMutablePointer<passwd>?
        var text = [CChar](repeating: 0, count: 16_384)
        let code = unsafe getpwnam_r(name, &entry, &text, text.count, &found)
        guard code == 0, unsafe found != nil else { throw Failure(message: "there is no account \(name) here") }
        let home = unsafe entry.pw_dir.map { unsafe String(cString: $0) }
        return unsafe Account(user: entry.pw_uid, group: entry.pw_gid, home: home ?? "/")
    }
}
