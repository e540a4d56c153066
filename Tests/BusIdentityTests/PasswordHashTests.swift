import BusIdentity
import Foundation
import Testing

@Suite("Password hashes")
struct PasswordHashTests {
    static let cheap = ScryptCost(roundsLog2: 4, blockSize: 8, parallelism: 1)

    struct Vector: Sendable, CustomTestStringConvertible {
        var password: String
        var salt: String
        var cost: [Int]
        var digest: String

        var testDescription: String { "scrypt(\(self.password), \(self.salt), \(self.cost))" }
    }

    static let vectors = [
        Vector(
            password: "", salt: "", cost: [4, 1, 1],
            digest: "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
                + "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"),
        Vector(
            password: "password", salt: "NaCl", cost: [10, 8, 16],
            digest: "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
                + "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"),
        Vector(
            password: "pleaseletmein", salt: "SodiumChloride", cost: [14, 8, 1],
            digest: "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
                + "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"),
    ]

    @Test("scrypt gives the results of RFC 7914 section 12", arguments: Self.vectors)
    func scryptVectors(_ vector: Vector) throws {
        let cost = try #require(
            ScryptCost(roundsLog2: vector.cost[0], blockSize: vector.cost[1], parallelism: vector.cost[2]))
        var digest = try bytes(hex: vector.digest)
        #expect(PasswordHash.scrypt(cost, salt: Array(vector.salt.utf8), digest: digest).verify(utf8(vector.password)))
        digest[63] ^= 1
        #expect(!PasswordHash.scrypt(cost, salt: Array(vector.salt.utf8), digest: digest).verify(utf8(vector.password)))
    }

    @Test("A new hash knows its password and no other, and each has a salt of its own")
    func make() throws {
        let cost = try #require(Self.cheap)
        let first = try PasswordHash.make(password: utf8("correct horse"), cost: cost)
        let second = try PasswordHash.make(password: utf8("correct horse"), cost: cost)
        #expect(first.verify(utf8("correct horse")))
        #expect(!first.verify(utf8("correct horsf")))
        #expect(!first.verify(utf8("correct hors")))
        #expect(!first.verify([]))
        #expect(first != second)
    }

    @Test("Without a word on the cost a hash is scrypt with ln=15, r=8, p=1, and reads back from its text")
    func standard() throws {
        let hash = try PasswordHash.make(password: utf8("correct horse"))
        #expect(hash.text.hasPrefix("$scrypt$ln=15,r=8,p=1$"))
        #expect(hash.text.split(separator: "$").map(\.count) == [6, 13, 22, 43])
        let read = try PasswordHash(parsing: hash.text)
        #expect(read == hash)
        #expect(read.verify(utf8("correct horse")))
    }

    @Test(
        "Hashes that mosquitto_passwd 2.0.11 wrote verify",
        arguments: [
            (
                "secret-ann",
                "$6$FWX3S5NZKsEu/JLw$JZIDYvUa/qHu8jCnNyXj5Mi65H3yDgH++yrrBX8poSt5NTY/JML7RD6NO6YFyaOMtSXBN4Cg4cO3L"
                    + "S+xNqOpAQ=="
            ),
            (
                "secret-ann",
                "$7$101$bkAdBMlE86KezwPM$mofNeGASX6n0GC44ZE40N3TeZWT1hkrVhapP25lBRWfsze6yGo9Tazsml2HhEpBI1nK+SqOED1v"
                    + "RjwzFYfoAHQ=="
            ),
            (
                "",
                "$7$101$nxyxmGYu4iIronwS$p6JyPrW8HCB+K6kQkSBRP/PjuNMRHMHaFWHsjRkuZo1QzGBxYvBvEE0YI+uux5U6ld1BSkG6WH"
                    + "k7y3I615b6cA=="
            ),
        ])
    func mosquitto(password: String, text: String) throws {
        let hash = try PasswordHash(parsing: text)
        #expect(hash.verify(utf8(password)))
        #expect(!hash.verify(utf8(password + "x")))
        #expect(hash.text == text)
    }

    @Test("What is damaged, unknown or too costly is refused (S10)", arguments: Self.bad)
    func refused(_ text: String) {
        #expect(throws: IdentityFailure.self) { try PasswordHash(parsing: text) }
    }

    private static let salt22 = "c2FsdHNhbHRzYWx0c2FsdA"
    private static let digest43 = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"
    private static let digest88 = String(repeating: "A", count: 86) + "=="

    static let bad = [
        "", "$", "$$", "secret", "plain:text", "$1$abc$def", "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
        "x$6$AAAAAAAAAAAAAAAA$\(digest88)", "$scrypt$", "$scrypt$ln=15,r=8,p=1$\(salt22)",
        "$scrypt$ln=15,r=8,p=1$\(salt22)$\(digest43)$", "$scrypt$ln=15,r=8$\(salt22)$\(digest43)",
        "$scrypt$r=8,ln=15,p=1$\(salt22)$\(digest43)", "$scrypt$ln=15,r=8,p=1,x=1$\(salt22)$\(digest43)",
        "$scrypt$ln=+15,r=8,p=1$\(salt22)$\(digest43)", "$scrypt$ln=015,r=8,p=1$\(salt22)$\(digest43)",
        "$scrypt$ln=,r=8,p=1$\(salt22)$\(digest43)", "$scrypt$ln=0,r=8,p=1$\(salt22)$\(digest43)",
        "$scrypt$ln=99999999999999999999,r=8,p=1$\(salt22)$\(digest43)",
        // 1 GiB of memory; 64 times the work.
        "$scrypt$ln=20,r=8,p=1$\(salt22)$\(digest43)", "$scrypt$ln=17,r=8,p=16$\(salt22)$\(digest43)",
        // N must be less than 2^(16 r).
        "$scrypt$ln=16,r=1,p=1$\(salt22)$\(digest43)", "$scrypt$ln=10,r=17,p=1$\(salt22)$\(digest43)",
        "$scrypt$ln=15,r=8,p=1$c2FsdA$\(digest43)", "$scrypt$ln=15,r=8,p=1$$\(digest43)",
        "$scrypt$ln=15,r=8,p=1$\(salt22)==$\(digest43)", "$scrypt$ln=15,r=8,p=1$\(salt22)$",
        // Stray bits in the last letter would be a second spelling of the same bytes.
        "$scrypt$ln=15,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdB$\(digest43)",
        "$scrypt$ln=15,r=8,p=1$c2FsdHNhbHRz WX0$\(digest43)",
        "$scrypt$ln=15,r=8,p=1$\(salt22)$\(digest43.dropLast(3))", "$scrypt$ln=15,r=8,p=1$\(salt22)$\(digest43)!",
        "$7$0$AAAAAAAAAAAAAAAA$\(digest88)",
        "$7$-1$AAAAAAAAAAAAAAAA$\(digest88)", "$7$1000001$AAAAAAAAAAAAAAAA$\(digest88)",
        "$7$AAAAAAAAAAAAAAAA$\(digest88)", "$7$101$AAAA$\(digest88)", "$7$101$AAAAAAAAAAAAAAAA$\(digest43)=",
        "$7$101$AAAAAAAAAAAAAAAA$\(digest88.dropLast(2))", "$6$AAAAAAAAAAAAAAAA$\(digest88)$",
        "$6$AAAAAAAAAAAAAAAA$\(digest88.dropLast())", "$6$$\(digest88)", "$6$AAAAAAAAAAAAAAAA\(digest88)",
    ]

    @Test("No letter of a hash can be changed without the password being refused")
    func corruption() throws {
        let text = try PasswordHash.cheap("correct horse").text
        #expect(try PasswordHash(parsing: text).verify(utf8("correct horse")))
        for index in text.indices {
            for letter in ["2", "B", "$", "=", "\u{E9}", ""] where letter != String(text[index]) {
                let changed = text.replacingCharacters(in: index...index, with: letter)
                guard let hash = try? PasswordHash(parsing: changed) else { continue }
                #expect(!hash.verify(utf8("correct horse")), "\(changed)")
            }
        }
    }

    @Test("A hash in a log line shows its kind and cost, not its salt and digest (S16)")
    func description() throws {
        let hash = try PasswordHash.make(password: utf8("correct horse"), cost: try #require(Self.cheap))
        let secrets = hash.text.split(separator: "$").suffix(2)
        for text in ["\(hash)", String(reflecting: hash), "\([hash])", "\(Optional(hash) as Any)"] {
            #expect(text.contains("scrypt ln=4,r=8,p=1"))
            for secret in secrets { #expect(!text.contains(secret)) }
        }
    }

    static let mosquittoPasswd = "/usr/bin/mosquitto_passwd"

    @Test(
        "A file that the installed mosquitto_passwd writes moves over as it is",
        .enabled(if: FileManager.default.isExecutableFile(atPath: mosquittoPasswd)),
        arguments: ["sha512", "sha512-pbkdf2"])
    func installedMosquitto(kind: String) throws {
        try withTemporaryFolder { folder in
            let path = folder.appending(path: "passwords").path
            for (index, user) in ["ann", "bob"].enumerated() {
                let process = Process()
                process.executableURL = URL(filePath: Self.mosquittoPasswd)
                process.arguments =
                    ["-H", kind] + (index == 0 ? ["-c"] : []) + ["-b", path, user, "pä$$word of \(user)"]
                try process.run()
                process.waitUntilExit()
                #expect(process.terminationStatus == 0)
            }
            let file = try PasswordFile(String(contentsOfFile: path, encoding: .utf8), name: "passwords")
            #expect(file.users == ["ann", "bob"])
            for user in file.users {
                #expect(file.hash(of: user)?.verify(utf8("pä$$word of \(user)")) == true)
                #expect(file.hash(of: user)?.verify(utf8("password of \(user)")) == false)
            }
        }
    }
}
