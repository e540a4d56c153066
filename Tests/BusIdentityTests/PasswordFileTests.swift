import BusIdentity
import Testing

@Suite("Password file")
struct PasswordFileTests {
    static let hash = "$6$AAAAAAAAAAAAAAAA$" + String(repeating: "A", count: 86) + "=="
    static let other = "$7$101$AAAAAAAAAAAAAAAA$" + String(repeating: "A", count: 86) + "=="

    @Test("Users are found, comments and empty lines are passed over")
    func reading() throws {
        let text =
            "# devices\n\nann:\(Self.hash)\n  \t\nbob:\(Self.other)\r\n#eve:\(Self.hash)\nJürgen O'Neil:\(Self.hash)"
        let file = try PasswordFile(text, name: "passwords")
        #expect(file.users == ["ann", "bob", "Jürgen O'Neil"])
        #expect(file.hash(of: "ann")?.text == Self.hash)
        #expect(file.hash(of: "bob")?.text == Self.other)
        #expect(file.hash(of: "eve") == nil)
        #expect(file.hash(of: "#eve") == nil)
        #expect(file.hash(of: "Ann") == nil)
        #expect(file.hash(of: "") == nil)
        #expect(file.hashes.map(\.text) == [Self.hash, Self.other, Self.hash])
    }

    @Test("An empty file is a file without users", arguments: ["", "\n", "# nobody yet\n"])
    func empty(_ text: String) throws {
        let file = try PasswordFile(text, name: "passwords")
        #expect(file.users.isEmpty)
    }

    @Test("Two spellings of one letter are two users, as in MQTT")
    func spelling() throws {
        let file = try PasswordFile("\u{E9}:\(Self.hash)\ne\u{301}:\(Self.other)\n", name: "passwords")
        #expect(file.users.map { $0.unicodeScalars.count } == [1, 2])
        #expect(file.hash(of: "\u{E9}")?.text == Self.hash)
        #expect(file.hash(of: "e\u{301}")?.text == Self.other)
    }

    @Test(
        "One bad line refuses the whole file, with its number and none of its content (S10, S16)",
        arguments: [
            "tulip", "tulip:", "tulip:tulip", "tulip:$6$tulip$tulip", ":\(hash)", "ann:\(other)",
            "#ann:x\n tulip:\(hash)",
            "tulip :\(hash)", "tu\tlip:\(hash)", "tu\u{0}lip:\(hash)", "tulip:\(hash) ", "tulip:\(hash):",
            "tulip\(hash)",
            "\u{FEFF}tulip:\(hash)", "tulip: \(hash)",
        ])
    func badLine(_ line: String) throws {
        let number = line.contains("\n") ? 4 : 3
        let failure = try #require(
            failure { _ = try PasswordFile("ann:\(Self.hash)\n\n\(line)\nbob:\(Self.hash)\n", name: "passwords") })
        #expect(failure.description.hasPrefix("passwords:\(number): "))
        #expect(!failure.description.contains("tulip"))
        #expect(!failure.description.contains("AAAA"))
    }

    @Test("A user who stands there twice is told with both lines")
    func duplicate() throws {
        let failure = try #require(
            failure { _ = try PasswordFile("ann:\(Self.hash)\n#\nann:\(Self.hash)\n", name: "passwords") })
        #expect(failure.description == "passwords:3: the same user as in line 1")
        #expect(failure.kind == .userName)
    }

    @Test("Changes keep comments, order and the lines of everybody else")
    func changes() throws {
        var file = try PasswordFile("# top\nann:\(Self.hash)\n\nbob:\(Self.hash)\n# end", name: "passwords")
        let hash = try PasswordHash(parsing: Self.other)
        try file.set("ann", hash)
        try file.set("eve", hash)
        #expect(file.text == "# top\nann:\(Self.other)\n\nbob:\(Self.hash)\n# end\neve:\(Self.other)\n")
        let wasThere = file.remove("ann")
        #expect(wasThere)
        #expect(file.text == "# top\n\nbob:\(Self.hash)\n# end\neve:\(Self.other)\n")
        try file.set("eve", try PasswordHash(parsing: Self.hash))
        try file.set("bob", hash)
        #expect(file.text == "# top\n\nbob:\(Self.other)\n# end\neve:\(Self.hash)\n")
        #expect(file.users == ["bob", "eve"])
        #expect(file.hash(of: "ann") == nil)
        let isThere = file.remove("ann")
        #expect(!isThere)
        let again = try PasswordFile(file.text, name: "again")
        #expect(again.text == file.text)
    }

    @Test(
        "A name that would not read back is refused",
        arguments: ["", "#ann", "a:b", "a\nb", "a\r", " ann", "ann ", "\u{FEFF}ann", "a\u{7F}", "a\u{0}"])
    func badName(_ name: String) throws {
        var file = try PasswordFile("", name: "passwords")
        let hash = try PasswordHash(parsing: Self.hash)
        #expect(throws: IdentityFailure.self) { try file.set(name, hash) }
        #expect(file.text.isEmpty)
    }

    @Test("A file in a log line shows how many users it has, no names and no hashes (S16)")
    func description() throws {
        let file = try PasswordFile("ann:\(Self.hash)\n", name: "passwords")
        #expect("\(file) \(String(reflecting: file))" == "1 users 1 users")
    }
}
