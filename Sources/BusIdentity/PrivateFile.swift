import FoundationEssentials
import Glibc

/// A file that decides who comes in: read only while nobody but its owner may write it, replaced as a whole or not at
/// all.
package struct PrivateFile: Sendable {
    package enum Content: Sendable {
        /// Others should not read it, since that invites guessing at leisure. A warning here, so that the file can be mended.
        case passwords
        /// Others must not read it: who knows the secret makes tokens.
        case secret
        /// Everybody may read it, such as a public key or the access rules.
        case readable
    }

    /// What was read, and what its owner should know.
    package struct Reading: Sendable {
        package var bytes: [UInt8]
        package var warnings: [String]
    }

    private static let bytesMax = 16 << 20
    private static let groupOrOthersWrite: mode_t = 0o022
    private static let othersRead: mode_t = 0o004
    private static let permissions: mode_t = 0o7777

    package let path: String
    private let content: Content

    package init(_ path: String, _ content: Content) {
        self.path = path
        self.content = content
    }

    /// - Throws: `.file` when it cannot be read, when others may write it, and for a secret that others may read.
    package func read() throws(IdentityFailure) -> Reading {
        guard let (reading, _) = try self.readIfThere(self.path) else {
            throw IdentityFailure(.file, "cannot read \(self.path): there is no such file")
        }
        return reading
    }

    /// The same for text.
    package func readText() throws(IdentityFailure) -> (text: String, warnings: [String]) {
        let reading = try self.read()
        return (try self.text(of: reading.bytes), reading.warnings)
    }

    /// Replaces the content in one step: whoever reads meanwhile, or after a power cut, sees the old or the new.
    ///
    /// A new file can be used by its owner only; an existing one keeps owner, group and permissions. Changes by several
    /// processes take turns.
    ///
    /// - Parameter change: gets the present text, `nil` where there is no file, and returns the new one.
    package func update(_ change: (String?) throws(IdentityFailure) -> String) throws(IdentityFailure) {
        let url = URL(filePath: self.path).resolvingSymlinksInPath()
        let folder = try self.opened(url.deletingLastPathComponent().path, O_RDONLY | O_DIRECTORY)
        // Closing the folder ends the lock as well.
        defer { close(folder) }
        guard flock(folder, LOCK_EX) == 0 else { throw self.failure("lock the folder of") }
        let old = try self.readIfThere(url.path)
        var oldText: String?
        if let old { oldText = try self.text(of: old.reading.bytes) }
        let text = try change(oldText)
        let draft = ".\(url.lastPathComponent).\(String(UInt64.random(in: 0...(.max)), radix: 36))"
        do throws(IdentityFailure) {
            try self.write(text, to: draft, in: folder, like: old?.status)
            guard unsafe renameat(folder, draft, folder, url.lastPathComponent) == 0 else {
                throw self.failure("replace")
            }
        } catch {
            unsafe unlinkat(folder, draft, 0)
            throw error
        }
        guard fsync(folder) == 0 else { throw self.failure("make sure of the new") }
    }

    // MARK: Steps

    private func readIfThere(_ path: String) throws(IdentityFailure) -> (reading: Reading, status: stat)? {
        // Without O_NONBLOCK a pipe at this place would hold the broker up for ever.
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        if descriptor < 0, errno == ENOENT { return nil }
        guard descriptor >= 0 else { throw self.failure("read") }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw self.failure("read") }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw IdentityFailure(.file, "cannot read \(self.path): it is no file")
        }
        let warnings = try self.check(status)
        guard status.st_size <= Self.bytesMax else {
            throw IdentityFailure(.file, "cannot read \(self.path): it is larger than \(Self.bytesMax >> 20) MiB")
        }
        return (Reading(bytes: try self.bytes(of: descriptor), warnings: warnings), status)
    }

    private func check(_ status: stat) throws(IdentityFailure) -> [String] {
        guard status.st_mode & Self.groupOrOthersWrite == 0 else {
            throw IdentityFailure(
                .file, "will not use \(self.path): others than its owner may write it; `chmod go-w` it first")
        }
        guard status.st_mode & Self.othersRead != 0 else { return [] }
        switch self.content {
        case .readable: return []
        case .passwords: return ["everybody may read \(self.path), so the broker will not use it; `chmod o-r` it"]
        case .secret:
            throw IdentityFailure(.file, "will not use \(self.path): everybody may read it; `chmod o-r` it first")
        }
    }

    private func bytes(of descriptor: Int32) throws(IdentityFailure) -> [UInt8] {
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65_536)
        while bytes.count <= Self.bytesMax {
            let count = unsafe part.withUnsafeMutableBytes { space in
                unsafe Glibc.read(descriptor, space.baseAddress, space.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw self.failure("read") }
            if count == 0 { break }
            bytes += part.prefix(count)
        }
        return bytes
    }

    private func text(of bytes: [UInt8]) throws(IdentityFailure) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw IdentityFailure(.file, "cannot read \(self.path): it is not UTF-8 text")
        }
        return text
    }

    private func write(_ text: String, to draft: String, in folder: Int32, like old: stat?) throws(IdentityFailure) {
        let descriptor = unsafe openat(folder, draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw self.failure("write") }
        defer { close(descriptor) }
        if let old {
            // A broker under a user of its own must still be able to read what root has changed.
            guard fchown(descriptor, old.st_uid, old.st_gid) == 0 else { throw self.failure("keep the owner of") }
        }
        // Asked for again, because the umask may have taken from it.
        let mode = old.map { $0.st_mode & Self.permissions } ?? 0o600
        guard fchmod(descriptor, mode) == 0 else { throw self.failure("keep the permissions of") }
        var rest = [UInt8](text.utf8)[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { bytes in
                unsafe Glibc.write(descriptor, bytes.baseAddress, bytes.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw self.failure("write") }
            rest = rest.dropFirst(count)
        }
        guard fsync(descriptor) == 0 else { throw self.failure("write") }
    }

    private func opened(_ path: String, _ flags: Int32) throws(IdentityFailure) -> Int32 {
        let descriptor = unsafe Glibc.open(path, flags | O_CLOEXEC)
        guard descriptor >= 0 else { throw self.failure("open the folder of") }
        return descriptor
    }

    private func failure(_ attempt: String) -> IdentityFailure {
        let reason = unsafe String(cString: strerror(errno))
        return IdentityFailure(.file, "cannot \(attempt) \(self.path): \(reason)")
    }
}
