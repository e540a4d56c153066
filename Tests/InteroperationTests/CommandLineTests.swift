import Foundation
import Testing

/// The command line as a newcomer types it, and stock clients as callers and instances.
@Suite("Command line", .enabled(if: RunningBroker.isAvailable), .timeLimit(.minutes(3)))
struct CommandLineTests {
    static let functions = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Examples/functions").path

    private func fcbus(
        _ broker: RunningBroker, _ arguments: [String]
    ) async throws -> (code: Int32, lines: [String], errors: String) {
        let binary = try #require(RunningBroker.binary)
        return try await run(binary, arguments + ["--broker", "mqtt://127.0.0.1:\(broker.port)"])
    }

    private func withExamples(_ body: (RunningBroker) async throws -> Void) async throws {
        try await RunningBroker.with(["up", "--functions", Self.functions, "--port", "0"], body)
    }

    @Test("The seed's functions answer, call each other, and a missing one is told at once")
    func firstFiveMinutes() async throws {
        try await self.withExamples { broker in
            let hello = try await self.fcbus(broker, ["call", "EdgeFC/helloworld", "hi"])
            #expect(hello.lines == ["hello world"])
            #expect(hello.code == 0)
            #expect(try await self.fcbus(broker, ["call", "EdgeFC/invoker", ""]).lines == ["OK"])
            let greeting = try await self.fcbus(broker, ["call", "EdgeFC/greeter", "Ada"])
            #expect(greeting.lines.first?.contains("hello world") == true)
            let missing = try await self.fcbus(broker, ["call", "EdgeFC/nothere", "hi"])
            #expect(missing.code == 69)
            #expect(missing.errors.contains("no function EdgeFC/nothere"))
            let list = try await self.fcbus(broker, ["functions"])
            #expect(list.lines.contains { $0.hasPrefix("EdgeFC/helloworld") })
            let task = try await self.fcbus(broker, ["send", "EdgeFC/helloworld", "hi"])
            #expect(task.lines.first?.hasPrefix("t-") == true)
        }
    }

    @Test("A device event makes the thermostat call the fan and tell the room")
    func thermostat() async throws {
        try await self.withExamples { broker in
            let watcher = try RunningCommand(
                "stdbuf",
                ["-oL", "mosquitto_sub", "-d", "-p", "\(broker.port)", "-t", "rooms/+/cooling", "-F", "got %t %p"])
            _ = try await watcher.line(timeout: 10) { $0.contains("Subscribed (mid") }
            let device = try await run(
                "mosquitto_pub", ["-p", "\(broker.port)", "-t", "devices/d1/temperature", "-m", "35", "-q", "1"])
            #expect(device.code == 0)
            let event = try await watcher.line(timeout: 20) { $0.hasPrefix("got rooms/d1/cooling") }
            #expect(event.count > "got rooms/d1/cooling ".count)
            watcher.terminate()
        }
    }

    @Test("mosquitto_rr calls a function in MQTT 5 and in the topic form of 3.1.1")
    func stockCaller() async throws {
        try await self.withExamples { broker in
            let modern = try await run(
                "mosquitto_rr",
                [
                    "-p", "\(broker.port)", "-V", "5", "-q", "1", "-t", "fc/EdgeFC/helloworld/req", "-e",
                    "fc/_reply/me1", "-i", "me1", "-m", "hi", "-W", "10",
                ])
            #expect(modern.lines == ["hello world"])
            let old = try await run(
                "mosquitto_rr",
                [
                    "-p", "\(broker.port)", "-V", "mqttv311", "-t", "fc/EdgeFC/helloworld/req/me2/42", "-e",
                    "fc/_reply/me2/42", "-i", "me2", "-m", "hi", "-W", "10",
                ])
            #expect(old.lines == ["hello world"])
        }
    }

    @Test("A shell command serves a function, and its failure has an exit code")
    func serve() async throws {
        try await RunningBroker.with { broker in
            let binary = try #require(RunningBroker.binary)
            let url = "mqtt://127.0.0.1:\(broker.port)"
            let server = try RunningCommand(binary, ["serve", "demo/upper", "--broker", url, "--", "tr", "a-z", "A-Z"])
            _ = try await server.line(timeout: 20) { $0 == "ready demo/upper" }
            let answer = try await self.fcbus(broker, ["call", "demo/upper", "shout"])
            #expect(answer.lines == ["SHOUT"])
            let failing = try RunningCommand(binary, ["serve", "demo/fail", "--broker", url, "--", "false"])
            _ = try await failing.line(timeout: 20) { $0 == "ready demo/fail" }
            #expect(try await self.fcbus(broker, ["call", "demo/fail", "x"]).code == 1)
            server.terminate()
            #expect(try await server.exitCode(timeout: 10) == 0)
            #expect(try await self.fcbus(broker, ["call", "demo/upper", "gone"]).code == 69)
            failing.terminate()
            _ = try await failing.exitCode(timeout: 10)
        }
    }

    @Test("The functions, their figures, where the time of a call went, and what became of one-way calls")
    func operators() async throws {
        try await RunningBroker.with { broker in
            let binary = try #require(RunningBroker.binary)
            let url = "mqtt://127.0.0.1:\(broker.port)"
            let server = try RunningCommand(binary, ["serve", "demo/upper", "--broker", url, "--", "tr", "a-z", "A-Z"])
            _ = try await server.line(timeout: 20) { $0 == "ready demo/upper" }
            let traced = try await self.fcbus(broker, ["call", "demo/upper", "shout", "--trace"])
            #expect(traced.lines == ["SHOUT"])
            #expect(traced.errors.contains(/total .+: queue .+, function .+, transport .+/))
            let list = try await self.fcbus(broker, ["functions", "demo/upper"])
            #expect(list.lines.contains { $0.contains(#/demo/upper +1 +0/\d+ +0 +1 +0 /#) })
            #expect(list.lines.contains { $0.contains(" online ") })
            let top = try await self.fcbus(broker, ["top", "--once", "--interval", "100ms"])
            #expect(top.lines.first?.hasPrefix("fcbus, up ") == true)
            #expect(top.lines.contains { $0.hasPrefix("demo/upper ") })

            let failing = try RunningCommand(binary, ["serve", "demo/fail", "--broker", url, "--", "false"])
            _ = try await failing.line(timeout: 20) { $0 == "ready demo/fail" }
            let request = ["mosquitto_pub", "-p", "\(broker.port)", "-V", "5", "-q", "1", "-t", "fc/demo/fail/async"]
            let attempts = ["-m", "x", "-D", "publish", "user-property", "fc-max-attempts", "1"]
            #expect(try await run(request[0], Array(request.dropFirst()) + attempts).code == 0)
            var letters: [String] = []
            for _ in 0..<100 where letters.count < 2 {
                letters = try await self.fcbus(broker, ["dead", "list", "demo/fail"]).lines
            }
            let task = try #require(letters.dropFirst().first?.split(separator: " ").first)
            #expect(letters[1].contains("500 HANDLER_ERROR"))
            #expect(
                try await self.fcbus(broker, ["task", "\(task)"]).lines.first?.contains("\"state\":\"dead\"") == true)
            #expect(try await self.fcbus(broker, ["dead", "purge", "--task", "\(task)"]).lines == ["{\"purged\":1}"])
            #expect(try await self.fcbus(broker, ["task", "\(task)"]).code == 69)
            for command in [server, failing] {
                command.terminate()
                _ = try await command.exitCode(timeout: 10)
            }
        }
    }

    @Test("Publish and subscribe speak with each other")
    func publishSubscribe() async throws {
        try await RunningBroker.with { broker in
            #expect(try await self.fcbus(broker, ["publish", "state", "on", "-r", "-q", "1"]).code == 0)
            let seen = try await self.fcbus(broker, ["subscribe", "-C", "1", "state"])
            #expect(seen.lines == ["state on"])
            #expect(try await self.fcbus(broker, ["publish", "a/+", "x"]).code == 64)
        }
    }

    @Test("A wrong configuration is refused with file, line and key")
    func wrongConfiguration() async throws {
        let binary = try #require(RunningBroker.binary)
        let file = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).yaml")
        try "limits:\n  packetMx: 1MB\n".write(to: file, atomically: true, encoding: .utf8)
        let result = try await run(binary, ["check", file.path])
        #expect(result.code == 78)
        #expect(result.errors.contains(":2: limits.packetMx"))
        #expect(result.errors.contains("packetMax"))
        let sample = URL(filePath: Self.functions).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "broker-config/fcbus.yaml").path
        #expect(try await run(binary, ["check", sample]).code == 0)
    }

    @Test("A broker that cannot start ends the whole process")
    func wrongConfigurationOfBoth() async throws {
        let binary = try #require(RunningBroker.binary)
        let file = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).yaml")
        try "listeners: [{ port: 0 }]\npasswordFile: /nothing/there\n".write(
            to: file, atomically: true, encoding: .utf8)
        let result = try await run(binary, ["up", "--functions", Self.functions, "--config", file.path], timeout: 30)
        #expect(result.code == 78)
        #expect(result.errors.contains("/nothing/there"))
    }

    @Test("No broker is exit 69 with a sentence")
    func noBroker() async throws {
        let binary = try #require(RunningBroker.binary)
        // A port of the system, where nobody listens.
        let result = try await run(binary, ["call", "a/b", "x", "--broker", "mqtt://127.0.0.1:1"], timeout: 30)
        #expect(result.code == 69)
        #expect(result.errors.contains("no connection to the broker"))
    }

    @Test("Log lines are text, or JSON where that is wished")
    func jsonLog() async throws {
        try await RunningBroker.with(["broker", "--port", "0", "--log-format", "json"]) { broker in
            _ = try await run(
                "mosquitto_pub", ["-p", "\(broker.port)", "-i", "a \"quoted\" name", "-t", "t", "-m", "x"])
            #expect(try await broker.logs("client disconnected"))
            let lines = broker.errorText.split(separator: "\n")
            let objects = try lines.map { line in
                try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String])
            }
            #expect(objects.contains { $0["message"] == "client connected" && $0["client"] == "a \"quoted\" name" })
            #expect(objects.allSatisfy { $0["level"] != nil && $0["time"] != nil })
        }
    }

    @Test("SIGTERM ends the broker with exit 0 and a goodbye (D11)")
    func gracefulEnd() async throws {
        let binary = try #require(RunningBroker.binary)
        let broker = try RunningCommand(binary, ["broker", "--port", "0"])
        let ready = try await broker.line(timeout: 20) { $0.hasPrefix("ready ") }
        let port = try #require(ready.split(separator: ":").last.flatMap { Int($0) })
        let socket = try TestSocket(port: port)
        try socket.send(BadInputTests.connect5)
        _ = try socket.receive(count: 2, timeout: 5)
        broker.terminate()
        let rest = try socket.receiveToEnd(timeout: 6)
        #expect(rest.suffix(3).first == 0xE0 || rest.contains(0x8B))
        #expect(try await broker.exitCode(timeout: 10) == 0)
    }
}
