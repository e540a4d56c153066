import Foundation
import Testing

/// `fcbus passwd`, with stdin, with a terminal, and beside mosquitto's tool.
@Suite("fcbus passwd", .enabled(if: RunningBroker.isAvailable), .timeLimit(.minutes(2)))
struct PasswdCommandTests {
    private typealias Outcome = (code: Int32, lines: [String], errors: String)

    /// Types each answer when its question has come; prints what the terminal showed.
    private static let typist = """
        import os, pty, sys
        questions = ["Password for", "Again:"]
        child, terminal = pty.fork()
        if child == 0:
            os.execv(sys.argv[1], sys.argv[1:5])
        shown = ""
        answers = [bytes(answer, "utf-8").decode("unicode_escape").encode() for answer in sys.argv[5:]]
        while True:
            try:
                part = os.read(terminal, 1024)
            except OSError:
                break
            shown += part.decode()
            if questions and answers and questions[0] in shown:
                questions.pop(0)
                os.write(terminal, answers.pop(0))
        print(shown)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """

    private func withFile(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "passwd-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        do {
            try await body(folder.appending(path: "passwords").path)
        } catch {
            try FileManager.default.removeItem(at: folder)
            throw error
        }
        try FileManager.default.removeItem(at: folder)
    }

    private func passwd(_ arguments: [String], stdin: String = "") async throws -> Outcome {
        let binary = try #require(RunningBroker.binary)
        let script = #"printf '%b' "$INPUT" | "$0" passwd "$@""#
        return try await run("/bin/sh", ["-c", script, binary] + arguments, environment: ["INPUT": stdin])
    }

    private func type(_ answers: [String], file: String) async throws -> Outcome {
        let binary = try #require(RunningBroker.binary)
        return try await run("/usr/bin/python3", ["-c", Self.typist, binary, "passwd", file, "ann"] + answers)
    }

    private func content(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    private func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    @Test("A first user makes the file, for its owner alone; more users, a change and a removal keep the rest (S11)")
    func lifeOfAFile() async throws {
        try await self.withFile { path in
            #expect(try await self.passwd([path, "ann", "--stdin"], stdin: #"correct horse\nignored\n"#).code == 0)
            #expect(try self.mode(path) == 0o600)
            let first = try self.content(path)
            #expect(first.hasPrefix("ann:$scrypt$ln=15,r=8,p=1$"))
            #expect(try await self.passwd([path, "bob", "--stdin"], stdin: "battery staple").code == 0)
            #expect(try self.content(path).hasPrefix(first + "bob:$scrypt$"))
            #expect(try await self.passwd([path, "ann", "--stdin"], stdin: "another horse").code == 0)
            #expect(!(try self.content(path).contains(first)))
            let list = try await self.passwd([path, "--list"])
            #expect(list.lines == ["USER  HASH", "ann   scrypt ln=15,r=8,p=1", "bob   scrypt ln=15,r=8,p=1"])
            #expect(try await self.passwd([path, "ann", "--delete"]).code == 0)
            let json = try await self.passwd([path, "--list", "--json"])
            #expect(json.lines == [#"{"hash":"scrypt ln=15,r=8,p=1","user":"bob"}"#])
            let again = try await self.passwd([path, "ann", "--delete"])
            #expect(again.code == 65)
            #expect(again.errors.contains("has no user ann"))
        }
    }

    @Test("On a terminal the password is asked for twice and not shown")
    func terminal() async throws {
        try await self.withFile { path in
            let outcome = try await self.type([#"correct horse\n"#, #"correct horse\n"#], file: path)
            #expect(outcome.code == 0)
            #expect(outcome.lines.joined().contains("Password for ann: "))
            #expect(outcome.lines.joined().contains("Again: "))
            #expect(!outcome.lines.joined().contains("horse"))
            #expect(try self.content(path).hasPrefix("ann:$scrypt$"))
        }
    }

    @Test(
        "Two different answers, an empty one and Ctrl-C change nothing",
        arguments: [[#"correct horse\n"#, #"correct hose\n"#], [#"\n"#, #"\n"#], [#"corr\x03"#], [#"\x04"#]])
    func givenUp(answers: [String]) async throws {
        try await self.withFile { path in
            let outcome = try await self.type(answers, file: path)
            #expect(outcome.code == 65)
            #expect(outcome.lines.joined().contains("nothing was changed"))
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }

    @Test("mosquitto's users stay beside ours, and a file that others may write is refused")
    func mosquitto() async throws {
        try await self.withFile { path in
            let tool = try await run("mosquitto_passwd", ["-c", "-b", path, "old", "password of old"])
            #expect(tool.code == 0)
            let before = try self.content(path)
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
            let set = try await self.passwd([path, "ann", "--stdin"], stdin: "correct horse")
            #expect(set.code == 0)
            #expect(set.errors.contains("everybody may read"))
            #expect(try self.content(path).hasPrefix(before + "ann:$scrypt$"))
            #expect(try await self.passwd([path, "--list"]).lines.contains("old   PBKDF2 with 101 iterations"))
            try FileManager.default.setAttributes([.posixPermissions: 0o666], ofItemAtPath: path)
            let refused = try await self.passwd([path, "eve", "--stdin"], stdin: "correct horse")
            #expect(refused.code == 78)
            #expect(refused.errors.contains("others than its owner may write it"))
        }
    }

    @Test("Nothing is made or changed where the input is wrong, and no password is repeated in a message (S10, S16)")
    func refused() async throws {
        try await self.withFile { path in
            for (arguments, input, code) in [
                ([path, "ann", "--stdin"], "", 65), ([path, "ann", "--stdin"], #"\n"#, 65),
                ([path, "a:b", "--stdin"], "horse", 65), ([path, "ann", "--stdin", "--delete"], "horse", 64),
                ([path], "horse", 64), ([path, "ann", "horse"], "", 64), ([path, "ann", "--list"], "", 64),
                ([path, "ann", "--json"], "", 64), ([path, "ann", "--delete"], "", 78), ([path, "--list"], "", 78),
            ] as [([String], String, Int32)] {
                let outcome = try await self.passwd(arguments, stdin: input)
                #expect(outcome.code == code, "\(arguments): \(outcome.errors)")
                #expect(!FileManager.default.fileExists(atPath: path))
            }
            try "ann:horse\n".write(toFile: path, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
            let damaged = try await self.passwd([path, "bob", "--stdin"], stdin: "battery staple")
            #expect(damaged.code == 78)
            #expect(damaged.errors.contains("passwords:1: "))
            #expect(!damaged.errors.contains("horse") && !damaged.errors.contains("staple"))
            #expect(try self.content(path) == "ann:horse\n")
        }
    }
}
