import BusIdentity
import Dispatch
import Foundation
import Synchronization
import Testing

@Suite("Passwords")
struct PasswordTests {
    private static let cheap = 10

    @Test("A password fits its own hash and no other")
    func roundTrip() throws {
        let hash = try PasswordHash.make(Array("correct horse".utf8), log2N: Self.cheap)
        let read = try PasswordHash(parsing: hash.text)
        #expect(read == hash)
        #expect(read.verify(Array("correct horse".utf8)))
        #expect(!read.verify(Array("correct horsf".utf8)))
        #expect(!read.verify([]))
    }

    @Test("Two hashes of one password differ: each has its own salt")
    func salted() throws {
        let first = try PasswordHash.make(Array("same".utf8), log2N: Self.cheap)
        #expect(try PasswordHash.make(Array("same".utf8), log2N: Self.cheap) != first)
    }

    @Test("RFC 7914's second vector: scrypt with N 1024, r 8, p 16")
    func vector() throws {
        let expected = bytes(
            hex: "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830da"
                + "c727afb94a83ee6d8360cbdfa2cc0640")
        let salt = Data("NaCl".utf8).base64EncodedString()
        let text = "$scrypt$ln=10,r=8,p=16$\(salt)$\(Data(expected).base64EncodedString())"
        #expect(try PasswordHash(parsing: text).verify(Array("password".utf8)))
    }

    @Test("What mosquitto_passwd writes is read", arguments: [["-b"], ["-b", "-H", "sha512"]])
    func mosquitto(_ options: [String]) throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "fcbus-passwd-\(UUID().uuidString)")
        try Data().write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/mosquitto_passwd")
        process.arguments = options + [file.path, "ana", "s3cret:with colon"]
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        let users = try PasswordFile(try String(contentsOf: file, encoding: .utf8), name: "passwords")
        let hash = try #require(users.hash(of: "ana"))
        #expect(hash.verify(Array("s3cret:with colon".utf8)))
        #expect(!hash.verify(Array("s3cret".utf8)))
    }

    private static let good = "$7$101$c2FsdHNhbHQ=$\(Data(repeating: 7, count: 64).base64EncodedString())"

    @Test(
        "A bad line refuses the whole file, with its place and without its secret (S10, S16)",
        arguments: [
            ("ana", "passwords:1: a line must be user:hash"), (":\(good)", "passwords:1: a line must be user:hash"),
            ("ana:plain-secret", "passwords:1: the password of ana: the hash must begin"),
            ("#c\nana:$7$0$aa$bb", "passwords:2: the password of ana: the number of iterations"),
            ("ana:$7$101$!!$!!", "passwords:1: the password of ana: salt and hash must be base64"),
            ("ana:$scrypt$ln=40,r=8,p=1$aa$bb", "passwords:1: the password of ana: scrypt needs ln"),
            ("ana:$6$c2FsdA==", "passwords:1: the password of ana: the hash must begin"),
            ("ana:\(good)\nana:\(good)", "passwords:2: the user ana is there twice"),
        ])
    func bad(_ text: String, _ message: String) {
        do throws(IdentityFailure) {
            _ = try PasswordFile(text, name: "passwords")
            Issue.record("accepted: \(text)")
        } catch {
            #expect(error.description.hasPrefix(message))
            #expect(!error.description.contains("secret"))
        }
    }

    @Test("Changing the file keeps comments and order")
    func editing() throws {
        var users = try PasswordFile("# ours\nana:\(Self.good)\n\nben:\(Self.good)\n", name: "passwords")
        try users.set("cem", try PasswordHash(parsing: Self.good))
        let removals = [users.remove("ana"), users.remove("ana")]
        #expect(removals == [true, false])
        #expect(users.text == "# ours\n\nben:\(Self.good)\ncem:\(Self.good)\n")
        #expect(throws: IdentityFailure.self) { try users.set("a:b", try PasswordHash(parsing: Self.good)) }
    }

    // MARK: The verifier

    private func verdicts(
        _ verifier: PasswordVerifier, _ logins: [(String, String)]
    ) -> [PasswordVerifier.Verdict] {
        let results = Mutex<[Int: PasswordVerifier.Verdict]>([:])
        let done = DispatchSemaphore(value: 0)
        for (number, (user, password)) in logins.enumerated() {
            verifier.verify(user: user, password: Array(password.utf8)) { verdict in
                results.withLock { $0[number] = verdict }
                done.signal()
            }
        }
        for _ in logins { done.wait() }
        return results.withLock { results in logins.indices.compactMap { results[$0] } }
    }

    private func verifier(_ waitingMax: Int = 64) throws -> PasswordVerifier {
        var users = PasswordFile()
        try users.set("ana", try PasswordHash.make(Array("right".utf8), log2N: Self.cheap))
        return PasswordVerifier(file: users, waitingMax: waitingMax)
    }

    @Test("Right, wrong and unknown are told apart, the second time too")
    func verdicts() throws {
        let verifier = try self.verifier()
        for _ in 0..<2 {
            let verdicts = self.verdicts(verifier, [("ana", "right"), ("ana", "wrong"), ("eve", "right")])
            #expect(verdicts == [.accepted, .rejected, .rejected])
        }
    }

    @Test("A success is remembered only as long as the file is the same")
    func replaced() throws {
        let verifier = try self.verifier()
        #expect(self.verdicts(verifier, [("ana", "right")]) == [.accepted])
        verifier.replace(file: PasswordFile())
        #expect(self.verdicts(verifier, [("ana", "right")]) == [.rejected])
        #expect(!verifier.knows("ana"))
    }

    @Test("When too many wait, the next is told so at once")
    func busy() throws {
        let verifier = try self.verifier(1)
        let verdicts = self.verdicts(verifier, (0..<50).map { ("ana", "wrong \($0)") })
        #expect(verdicts.contains(.busy))
        #expect(verdicts.contains(.rejected))
    }
}

/// The bytes that a text of hexadecimal digits spells.
private func bytes(hex: String) -> [UInt8] {
    let digits = Array(hex)
    return stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0...($0 + 1)]), radix: 16) }
}
