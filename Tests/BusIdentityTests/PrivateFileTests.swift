import BusIdentity
import Foundation
import Testing

@Suite("Private files")
struct PrivateFileTests {
    private static func make(_ url: URL, _ text: String, mode: Int) throws {
        try text.write(to: url, atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: url.path)
    }

    private static func mode(_ url: URL) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: url.path)[.posixPermissions] as? Int
    }

    @Test("A file that others may write is refused (S11)", arguments: [0o602, 0o620, 0o666, 0o660, 0o622])
    func writable(mode: Int) throws {
        try withTemporaryFolder { folder in
            let url = folder.appending(path: "passwords")
            try Self.make(url, "", mode: mode)
            for content in [PrivateFile.Content.passwords, .secret, .readable] {
                let failure = failure { _ = try PrivateFile(url.path, content).read() }
                #expect(failure?.kind == .file)
                #expect(failure?.description.contains("others than its owner may write it") == true)
            }
        }
    }

    @Test("A password file that everybody may read is read with a warning, a secret is refused, a public key is fine")
    func readable() throws {
        try withTemporaryFolder { folder in
            let url = folder.appending(path: "file")
            try Self.make(url, "text", mode: 0o644)
            let passwords = try PrivateFile(url.path, .passwords).readText()
            #expect(passwords.text == "text")
            #expect(
                passwords.warnings == ["everybody may read \(url.path), so the broker will not use it; `chmod o-r` it"])
            #expect(try PrivateFile(url.path, .readable).read().warnings.isEmpty)
            #expect(failure { _ = try PrivateFile(url.path, .secret).read() }?.kind == .file)
        }
    }

    @Test("Owner and group are enough", arguments: [0o600, 0o640, 0o400, 0o440])
    func tight(mode: Int) throws {
        try withTemporaryFolder { folder in
            let url = folder.appending(path: "file")
            try Self.make(url, "text", mode: mode)
            for content in [PrivateFile.Content.passwords, .secret, .readable] {
                let reading = try PrivateFile(url.path, content).read()
                #expect(reading.bytes == utf8("text"))
                #expect(reading.warnings.isEmpty)
            }
        }
    }

    @Test("What is no readable text file is told by name and reason")
    func unreadable() throws {
        try withTemporaryFolder { folder in
            let missing = folder.appending(path: "missing").path
            #expect(
                failure { _ = try PrivateFile(missing, .passwords).read() }?.description
                    == "cannot read \(missing): there is no such file")
            #expect(
                failure { _ = try PrivateFile(folder.path, .passwords).read() }?.description
                    == "cannot read \(folder.path): it is no file")
            let pipe = folder.appending(path: "pipe").path
            #expect(mkfifo(pipe, 0o600) == 0)
            #expect(failure { _ = try PrivateFile(pipe, .passwords).read() }?.kind == .file)
            let bytes = folder.appending(path: "bytes")
            try Data([0x61, 0xFF]).write(to: bytes)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: bytes.path)
            #expect(
                failure { _ = try PrivateFile(bytes.path, .passwords).readText() }?.description
                    == "cannot read \(bytes.path): it is not UTF-8 text")
            #expect(try PrivateFile(bytes.path, .passwords).read().bytes == [0x61, 0xFF])
        }
    }

    @Test("A new file is its owner's alone, whatever the umask (S11)")
    func creation() throws {
        try withTemporaryFolder { folder in
            let url = folder.appending(path: "passwords")
            try PrivateFile(url.path, .passwords).update { old in
                #expect(old == nil)
                return "one\n"
            }
            #expect(try Self.mode(url) == 0o600)
            #expect(try PrivateFile(url.path, .passwords).readText().text == "one\n")
        }
    }

    @Test(
        "A change keeps the permissions, and leaves nothing beside the file", arguments: [0o600, 0o640, 0o644, 0o400])
    func update(mode: Int) throws {
        try withTemporaryFolder { folder in
            let url = folder.appending(path: "passwords")
            try Self.make(url, "one\n", mode: mode)
            try PrivateFile(url.path, .passwords).update { ($0 ?? "") + "two\n" }
            #expect(try String(contentsOf: url, encoding: .utf8) == "one\ntwo\n")
            #expect(try Self.mode(url) == mode)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["passwords"])
        }
    }

    @Test("A change that fails leaves the file as it was and nothing beside it")
    func failedUpdate() throws {
        try withTemporaryFolder { folder in
            let url = folder.appending(path: "passwords")
            try Self.make(url, "one\n", mode: 0o600)
            let refusal = IdentityFailure(.userName, "no")
            #expect(
                failure { try PrivateFile(url.path, .passwords).update { _ throws(IdentityFailure) in throw refusal } }
                    == refusal)
            #expect(try String(contentsOf: url, encoding: .utf8) == "one\n")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["passwords"])
        }
    }

    @Test("A change through a symbolic link changes the file and keeps the link")
    func link() throws {
        try withTemporaryFolder { folder in
            let url = folder.appending(path: "real")
            let link = folder.appending(path: "link")
            try Self.make(url, "one\n", mode: 0o600)
            try FileManager.default.createSymbolicLink(at: link, withDestinationURL: url)
            try PrivateFile(link.path, .passwords).update { _ in "two\n" }
            #expect(try String(contentsOf: url, encoding: .utf8) == "two\n")
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link.path) == url.path)
        }
    }

    @Test("Changes at the same time are all there afterwards")
    func turns() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "identity-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        let path = folder.appending(path: "passwords").path
        try await withThrowingTaskGroup { group in
            for number in 0..<20 {
                group.addTask { try PrivateFile(path, .passwords).update { ($0 ?? "") + "\(number)\n" } }
            }
            try await group.waitForAll()
        }
        let lines = try PrivateFile(path, .passwords).readText().text.split(separator: "\n").compactMap { Int($0) }
        #expect(lines.sorted() == Array(0..<20))
        try FileManager.default.removeItem(at: folder)
    }

    @Test("A folder that is not there is told by the file's name")
    func noFolder() {
        let path = "/nonexistent-folder/passwords"
        #expect(
            failure { try PrivateFile(path, .passwords).update { _ in "" } }?.description
                == "cannot open the folder of \(path): No such file or directory")
    }
}
