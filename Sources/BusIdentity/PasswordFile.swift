/// Users and their password hashes, one `user:hash` to a line, with comments and empty lines as the owner wrote them.
///
/// The format is mosquitto's. One line that cannot be read refuses the whole file: a broker that skipped it would run
/// with other users than its owner believes. User names are compared byte by byte, as MQTT compares them.
package struct PasswordFile: Sendable {
    private struct Entry {
        var line: Int
        var hash: PasswordHash
    }

    private var lines: [String] = []
    private var entries: [[UInt8]: Entry] = [:]

    package init() {}

    /// - Parameters:
    ///   - text: the content of the file.
    ///   - name: the file's name, as messages say it.
    /// - Throws: `.passwordHash` or `.userName`, with file and line and nothing of the line's content.
    package init(_ text: String, name: String) throws(IdentityFailure) {
        // Bytes, because a Swift character would swallow CR LF as one.
        for line in text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false) {
            let line = line.last == 0x0D ? line.dropLast() : line
            self.lines.append(String(Substring(line)))
            do throws(IdentityFailure) {
                try self.read(line)
            } catch {
                throw IdentityFailure(error.kind, "\(name):\(self.lines.count): \(error.description)")
            }
        }
        if self.lines.last?.isEmpty == true { self.lines.removeLast() }
    }

    private mutating func read(_ line: Substring.UTF8View.SubSequence) throws(IdentityFailure) {
        guard !line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }), line.first != UInt8(ascii: "#") else { return }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
            throw IdentityFailure(.passwordHash, "expected `user:hash`")
        }
        let user = [UInt8](line[..<colon])
        try Self.check(user)
        if let earlier = self.entries[user] {
            throw IdentityFailure(.userName, "the same user as in line \(earlier.line + 1)")
        }
        let hash = try PasswordHash(parsing: Substring(line[line.index(after: colon)...]))
        self.entries[user] = Entry(line: self.lines.count - 1, hash: hash)
    }

    /// Finds out whether a file could hold this user.
    ///
    /// - Throws: `.userName`.
    package static func check(_ user: String) throws(IdentityFailure) {
        try self.check([UInt8](user.utf8))
    }

    /// What the file format can hold, and what a person can tell apart on a screen.
    private static func check(_ user: [UInt8]) throws(IdentityFailure) {
        guard let first = user.first, let last = user.last, user.count <= 65_535 else {
            throw IdentityFailure(.userName, "a user name has 1 to 65535 bytes")
        }
        guard !user.contains(where: { $0 < 0x20 || $0 == 0x7F || $0 == UInt8(ascii: ":") }) else {
            throw IdentityFailure(.userName, "a user name holds no colon and no control character")
        }
        guard first != UInt8(ascii: "#"), first != 0x20, last != 0x20, !user.starts(with: [0xEF, 0xBB, 0xBF]) else {
            throw IdentityFailure(
                .userName, "a user name does not begin with # or a byte order mark, nor begin or end with a space")
        }
    }

    /// Everybody in the file, in its order.
    package var users: [String] {
        self.entries.sorted { $0.value.line < $1.value.line }.map { String(decoding: $0.key, as: UTF8.self) }
    }

    /// Every hash, in the file's order.
    package var hashes: [PasswordHash] {
        self.entries.values.sorted { $0.line < $1.line }.map(\.hash)
    }

    package func hash(of user: String) -> PasswordHash? {
        self.entries[[UInt8](user.utf8)]?.hash
    }

    /// Gives a user, new or not, this hash; a known user's line keeps its place.
    ///
    /// - Throws: `.userName` for a name that the file cannot hold.
    package mutating func set(_ user: String, _ hash: PasswordHash) throws(IdentityFailure) {
        let bytes = [UInt8](user.utf8)
        try Self.check(bytes)
        let line = self.entries[bytes]?.line ?? self.lines.count
        if line == self.lines.count { self.lines.append("") }
        self.lines[line] = "\(user):\(hash.text)"
        self.entries[bytes] = Entry(line: line, hash: hash)
    }

    /// Removes a user's line; returns whether there was one.
    package mutating func remove(_ user: String) -> Bool {
        guard let entry = self.entries.removeValue(forKey: [UInt8](user.utf8)) else { return false }
        self.lines.remove(at: entry.line)
        for (user, other) in self.entries where other.line > entry.line { self.entries[user]?.line -= 1 }
        return true
    }

    /// The file's content.
    package var text: String {
        self.lines.map { $0 + "\n" }.joined()
    }
}

extension PasswordFile: CustomStringConvertible, CustomDebugStringConvertible {
    /// No names and no hashes, for logs.
    package var description: String { "\(self.entries.count) users" }

    package var debugDescription: String { self.description }
}
