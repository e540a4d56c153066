/// Users and their password hashes: one `user:hash` a line, as mosquitto's password file; `#` begins a comment line.
///
/// Comments and the order of lines are kept when the file is changed. One bad line refuses the whole file: a user whose
/// line was skipped would be locked out, or worse, be somebody else.
package struct PasswordFile: Sendable {
    private enum Line: Sendable {
        case user(String, PasswordHash)
        case other(String)
    }

    private var lines: [Line] = []
    private var hashes: [String: PasswordHash] = [:]

    package init() {}

    /// - Parameter name: the file's name, as messages say it.
    package init(_ text: String, name: String) throws(IdentityFailure) {
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = line.hasSuffix("\r") ? line.dropLast() : line
            if line.isEmpty || line.hasPrefix("#") {
                self.lines.append(.other(String(line)))
                continue
            }
            let place = "\(name):\(number + 1)"
            guard let colon = line.firstIndex(of: ":"), colon > line.startIndex else {
                throw IdentityFailure("\(place): a line must be user:hash; make it with `fcbus passwd`")
            }
            let user = String(line[..<colon])
            guard self.hashes[user] == nil else { throw IdentityFailure("\(place): the user \(user) is there twice") }
            let hash: PasswordHash
            do {
                hash = try PasswordHash(parsing: String(line[line.index(after: colon)...]))
            } catch {
                throw IdentityFailure("\(place): the password of \(user): \(error.description)")
            }
            self.lines.append(.user(user, hash))
            self.hashes[user] = hash
        }
        if case .other("")? = self.lines.last { self.lines.removeLast() }
    }

    package func hash(of user: String) -> PasswordHash? { self.hashes[user] }

    /// In the order of the file.
    package var users: [String] {
        self.lines.compactMap { line in
            if case .user(let user, _) = line { user } else { nil }
        }
    }

    /// Any hash of the file: unknown users are made to cost what known ones do.
    var sample: PasswordHash? {
        for line in self.lines {
            if case .user(_, let hash) = line { return hash }
        }
        return nil
    }

    /// - Throws: for a name that the file cannot hold.
    package mutating func set(_ user: String, _ hash: PasswordHash) throws(IdentityFailure) {
        guard !user.isEmpty, !user.hasPrefix("#"), !user.contains(where: { $0 == ":" || $0.isNewline }) else {
            throw IdentityFailure("a user name must not be empty, begin with #, or contain a colon or a line break")
        }
        let index = self.lines.firstIndex { line in
            if case .user(user, _) = line { true } else { false }
        }
        if let index { self.lines[index] = .user(user, hash) } else { self.lines.append(.user(user, hash)) }
        self.hashes[user] = hash
    }

    /// `false` when there is no such user.
    package mutating func remove(_ user: String) -> Bool {
        guard self.hashes.removeValue(forKey: user) != nil else { return false }
        self.lines.removeAll { line in
            if case .user(user, _) = line { true } else { false }
        }
        return true
    }

    package var text: String {
        self.lines.map { line in
            switch line {
            case .user(let user, let hash): "\(user):\(hash.text)\n"
            case .other(let text): "\(text)\n"
            }
        }.joined()
    }
}
