import Foundation
import Testing

/// Users, tokens and rights as an administrator sets them up, and stock clients that have them or not.
@Suite("Users and rights", .enabled(if: RunningBroker.isAvailable), .timeLimit(.minutes(3)))
struct UserTests {
    /// A folder with a configuration that names files beside it.
    private func withFolder(_ body: (URL) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "fcbus-users-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await body(folder)
    }

    private func withBroker(_ file: URL, _ body: (RunningBroker) async throws -> Void) async throws {
        try await RunningBroker.with(["broker", "--config", file.path], body)
    }

    private func write(_ text: String, to file: URL, mode: Int = 0o600) throws {
        try text.write(to: file, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file.path)
    }

    private func publish(_ broker: RunningBroker, _ topic: String, _ more: [String]) async throws -> Int32 {
        try await run(
            "mosquitto_pub", ["-p", "\(broker.port)", "-V", "5", "-q", "1", "-t", topic, "-m", "hi"] + more
        ).code
    }

    private func setPassword(_ file: URL, _ user: String, _ password: String) async throws {
        let binary = try #require(RunningBroker.binary)
        let result = try await run(
            "sh", ["-c", "printf '%s\\n' '\(password)' | \(binary) passwd \(file.path) \(user) --stdin"])
        try #require(result.code == 0, "\(result.errors)")
    }

    @Test("`fcbus passwd` makes users, private to their owner; who is not one of them stays outside (S11, S12)")
    func passwords() async throws {
        try await self.withFolder { folder in
            let passwords = folder.appending(path: "passwords")
            try await self.setPassword(passwords, "ana", "a secret of ana")
            let mode = try FileManager.default.attributesOfItem(atPath: passwords.path)[.posixPermissions]
            #expect((mode as? NSNumber)?.intValue == 0o600)
            let file = folder.appending(path: "fcbus.yaml")
            try self.write("listeners: [{ port: 0 }]\npasswordFile: \(passwords.path)\n", to: file)
            try await self.withBroker(file) { broker async throws in
                #expect(try await self.publish(broker, "t", ["-u", "ana", "-P", "a secret of ana"]) == 0)
                #expect(try await self.publish(broker, "t", ["-u", "ana", "-P", "wrong"]) != 0)
                #expect(try await self.publish(broker, "t", ["-u", "eve", "-P", "a secret of ana"]) != 0)
                #expect(try await self.publish(broker, "t", []) != 0)
                #expect(try await broker.logs("login failed"))
                #expect(!broker.errorText.contains("a secret of ana"))
            }
        }
    }

    @Test("The host of `fcbus up` needs no password, and stays when users are read again")
    func hostOfUp() async throws {
        try await self.withFolder { folder in
            let passwords = folder.appending(path: "passwords")
            try await self.setPassword(passwords, "ana", "a secret of ana")
            let file = folder.appending(path: "fcbus.yaml")
            try self.write("listeners: [{ port: 0 }]\npasswordFile: \(passwords.path)\n", to: file)
            let functions = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent().appending(path: "Examples/functions").path
            let binary = try #require(RunningBroker.binary)
            try await RunningBroker.with(["up", "--functions", functions, "--config", file.path]) {
                broker async throws in
                let call = [
                    "call", "EdgeFC/helloworld", "hi", "--broker", "mqtt://127.0.0.1:\(broker.port)", "-u", "ana",
                    "-P", "a secret of ana",
                ]
                #expect(try await run(binary, call).lines == ["hello world"])
                broker.reload()
                #expect(try await broker.logs("configuration reloaded"))
                #expect(try await run(binary, call).lines == ["hello world"])
                #expect(!broker.errorText.contains("client=fcbus-host reason"))
            }
        }
    }

    @Test("After five failures an address is banned, with the right password too (S09)")
    func bruteForce() async throws {
        try await self.withFolder { folder in
            let passwords = folder.appending(path: "passwords")
            for user in ["ana", "ben"] { try await self.setPassword(passwords, user, "right") }
            let file = folder.appending(path: "fcbus.yaml")
            try self.write("listeners: [{ port: 0 }]\npasswordFile: \(passwords.path)\n", to: file)
            try await self.withBroker(file) { broker async throws in
                // The first ban lasts a second: on a busy machine it may be over before the right password comes.
                var isKeptOut = false
                for _ in 0..<5 where !isKeptOut {
                    for number in 0..<8 { _ = try await self.publish(broker, "t", ["-u", "ana", "-P", "\(number)"]) }
                    isKeptOut = try await self.publish(broker, "t", ["-u", "ana", "-P", "right"]) != 0
                }
                #expect(isKeptOut)
                #expect(try await broker.logs("ban=1 s"))
                // All clients of this machine share the address.
                #expect(try await self.publish(broker, "t", ["-u", "ben", "-P", "right"]) == 0)
            }
        }
    }

    @Test("A client identifier that connects too often is kept out, others are not")
    func flapping() async throws {
        try await self.withFolder { folder in
            let file = folder.appending(path: "fcbus.yaml")
            try self.write("listeners: [{ port: 0 }]\nlimits: { connectsPerMinuteMax: 3 }\n", to: file)
            try await self.withBroker(file) { broker async throws in
                for isLetIn in [true, true, false, false] {
                    #expect(try await (self.publish(broker, "t", ["-i", "pump-1"]) == 0) == isLetIn)
                }
                #expect(try await self.publish(broker, "t", ["-i", "pump-2"]) == 0)
            }
        }
    }

    @Test("Two lines take over mosquitto's own password and acl files; SIGHUP takes a right away at once (S03)")
    func mosquittoFiles() async throws {
        try await self.withFolder { folder in
            let passwords = folder.appending(path: "mosquitto-passwords")
            try self.write("", to: passwords)
            for user in ["ana", "ben"] {
                _ = try await run("mosquitto_passwd", ["-b", passwords.path, user, "secret of \(user)"])
            }
            let rules = folder.appending(path: "acl.conf")
            try self.write("user ana\ntopic readwrite sensors/#\nuser ben\ntopic read sensors/#\n", to: rules)
            let file = folder.appending(path: "fcbus.yaml")
            try self.write(
                "passwordFile: \(passwords.path)\naccessFile: \(rules.path)\nlisteners: [{ port: 0 }]\n", to: file)
            try await self.withBroker(file) { broker async throws in
                let ana = ["-u", "ana", "-P", "secret of ana"]
                let watcher = try RunningCommand(
                    "stdbuf",
                    [
                        "-oL", "mosquitto_sub", "-d", "-p", "\(broker.port)", "-u", "ben", "-P", "secret of ben", "-t",
                        "sensors/#", "-F", "got %p",
                    ])
                _ = try await watcher.line(timeout: 20) { $0.contains("Subscribed (mid") }
                #expect(try await self.publish(broker, "sensors/a", ana) == 0)
                _ = try await watcher.line(timeout: 20) { $0 == "got hi" }
                // mosquitto_pub ends well: it only warns of PUBACK 0x87.
                _ = try await self.publish(broker, "other", ana)
                #expect(try await broker.logs("topic=other"))

                try self.write("user ana\ntopic readwrite sensors/#\n", to: rules)
                broker.reload()
                #expect(try await broker.logs("configuration reloaded"))
                #expect(try await self.publish(broker, "sensors/a", ana) == 0)
                #expect(try await self.publish(broker, "sensors/a", ana) == 0)
                #expect(watcher.lines.count { $0 == "got hi" } == 1)
                watcher.terminate()
            }
        }
    }

    @Test("A token in the password field is a login; its user and groups have their rights")
    func tokens() async throws {
        try await self.withFolder { folder in
            let secret = String(repeating: "0123456789", count: 4)
            try self.write(secret, to: folder.appending(path: "secret"))
            try self.write(
                "rules: [{ groups: [devices], allow: { publish: [\"up/{user}\"], subscribe: [\"up/#\"] } }]\n",
                to: folder.appending(path: "acl.yaml"))
            let file = folder.appending(path: "fcbus.yaml")
            try self.write(
                """
                listeners: [{ port: 0 }]
                tokens: { secret: \(folder.path)/secret, issuer: here }
                accessFile: \(folder.path)/acl.yaml
                """, to: file)
            let script = """
                import base64, hashlib, hmac, json, time
                pack = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
                claims = {"sub": "d7", "iss": "here", "groups": ["devices"], "exp": int(time.time()) + 600}
                text = pack(b'{"alg":"HS256","typ":"JWT"}') + b"." + pack(json.dumps(claims).encode())
                print((text + b"." + pack(hmac.new(b"\(secret)", text, hashlib.sha256).digest())).decode())
                """
            let token = try #require(try await run("python3", ["-c", script]).lines.first)
            try await self.withBroker(file) { broker async throws in
                #expect(try await self.publish(broker, "up/d7", ["-u", "d7", "-P", token, "-r"]) == 0)
                #expect(try await self.publish(broker, "up/d7", ["-u", "d8", "-P", token]) != 0)
                #expect(try await self.publish(broker, "up/d7", ["-u", "d7", "-P", token + "x"]) != 0)
                let reader = try await run(
                    "mosquitto_sub",
                    ["-p", "\(broker.port)", "-u", "d7", "-P", token, "-t", "up/#", "-C", "1", "-W", "10"])
                #expect(reader.lines == ["hi"])
            }
        }
    }

    @Test(
        "What is wrong with the files of users keeps the broker from starting, with the place (S10, S11)",
        arguments: [
            ("passwordFile: F/nothere", "cannot read"), ("passwordFile: F/loose", "everybody may read"),
            ("passwordFile: F/bad", "bad:1: no password hash"),
            ("accessFile: F/writable.yaml", "others than its owner may write"),
            ("accessFile: F/bad.yaml", "bad.yaml:1"),
            ("listeners: [{ port: 0, tls: { certificate: F/bad, key: F/bad } }]", "cannot read tls.certificate"),
            ("listeners: [{ host: 0.0.0.0, port: 0 }]", "clients need no password there"),
            ("listeners: [{ host: 0.0.0.0, port: 0 }]\npasswordFile: F/good", "in the clear, without tls"),
        ])
    func traps(_ text: String, _ message: String) async throws {
        try await self.withFolder { folder in
            try self.write("", to: folder.appending(path: "loose"), mode: 0o644)
            try self.write("", to: folder.appending(path: "good"))
            try self.write("ana:secret\n", to: folder.appending(path: "bad"))
            try self.write("rules: []\n", to: folder.appending(path: "writable.yaml"), mode: 0o666)
            try self.write("ruls: []\n", to: folder.appending(path: "bad.yaml"))
            let file = folder.appending(path: "fcbus.yaml")
            try self.write(text.replacing("F/", with: folder.path + "/") + "\n", to: file)
            let binary = try #require(RunningBroker.binary)
            for command in [["check", file.path], ["broker", "--config", file.path]] {
                let result = try await run(binary, command)
                #expect(result.code == 78)
                #expect(result.errors.contains(message))
                #expect(!result.errors.contains("secret"))
            }
        }
    }
}
