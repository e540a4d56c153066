/// An access list as mosquitto's `acl_file` is written.
///
/// ```
/// # lines before the first user are for anonymous clients
/// topic [read|write|readwrite|deny] FILTER
/// user NAME
/// topic [read|write|readwrite|deny] FILTER
/// # for all clients, wherever it stands; %c is the client identifier, %u the user
/// pattern [read|write|readwrite|deny] FILTER
/// ```
package struct MosquittoAccessList: Sendable {
    enum Access: String, CaseIterable, Sendable {
        case read
        case write
        case readWrite = "readwrite"
        case deny
    }

    struct Line: Sendable {
        var access: Access
        var pattern: TopicPattern
    }

    private var anonymous: [Line] = []
    private var users: [ExactName: [Line]] = [:]
    private(set) var patterns: [Line] = []

    /// - Throws: the first line that mosquitto would not read either, and two that it reads as nobody means them: a word
    ///   for the access without a topic, and a tab for a space.
    package init(_ text: String) throws(AccessFailure) {
        var user: ExactName?
        var number = 0
        for bytes in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            let line = Self.trimmed(bytes)
            guard let first = line.utf8.first, first != UInt8(ascii: "#") else { continue }
            let (keyword, rest) = Self.firstWord(of: line)
            do throws(AccessFailure) {
                switch keyword {
                case "user":
                    guard !rest.isEmpty else { throw AccessFailure("a name is missing behind `user`") }
                    user = ExactName(rest)
                case "topic":
                    let entry = try Self.line(rest, keyword, notation: .plain)
                    if let user { self.users[user, default: []].append(entry) } else { self.anonymous.append(entry) }
                case "pattern": self.patterns.append(try Self.line(rest, keyword, notation: .percent))
                default: throw AccessFailure("'\(keyword)' is none of `user`, `topic` and `pattern`")
                }
            } catch {
                throw AccessFailure(error.message, line: number)
            }
        }
    }

    /// The lines for a user, or for anonymous clients.
    func lines(of user: String?) -> [Line] {
        guard let user else { return self.anonymous }
        return self.users[ExactName(user)] ?? []
    }

    // MARK: Lines

    private static func line(
        _ text: String, _ keyword: String, notation: TopicPattern.Notation
    ) throws(AccessFailure) -> Line {
        guard !text.isEmpty else { throw AccessFailure("a topic is missing behind `\(keyword)`") }
        guard !text.utf8.contains(UInt8(ascii: "\t")) else {
            throw AccessFailure("a tab in '\(text)': words are separated by spaces")
        }
        let (word, rest) = self.firstWord(of: text)
        let access = Access(rawValue: word)
        if rest.isEmpty {
            // Without an access the topic is for both; it cannot contain a space then.
            guard access == nil else { throw AccessFailure("a topic is missing behind `\(keyword) \(word)`") }
            return Line(access: .readWrite, pattern: try TopicPattern(word, notation: notation, callsApart: false))
        }
        guard let access else {
            throw AccessFailure("'\(word)' is none of `read`, `write`, `readwrite` and `deny`")
        }
        return Line(access: access, pattern: try TopicPattern(rest, notation: notation, callsApart: false))
    }

    /// Without spaces and returns around it.
    private static func trimmed(_ bytes: Substring.UTF8View) -> String {
        let blanks: Set<UInt8> = [UInt8(ascii: " "), UInt8(ascii: "\r")]
        var rest = bytes.drop { blanks.contains($0) }
        while let last = rest.last, blanks.contains(last) { rest.removeLast() }
        return String(Substring(rest))
    }

    private static func firstWord(of text: String) -> (word: String, rest: String) {
        let space = UInt8(ascii: " ")
        let word = text.utf8.prefix { $0 != space }
        let rest = text.utf8[word.endIndex...].drop { $0 == space }
        return (String(Substring(word)), String(Substring(rest)))
    }
}
