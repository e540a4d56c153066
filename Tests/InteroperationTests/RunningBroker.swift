import Foundation
import Testing

/// The built `fcbus` as a process of its own, on a free loopback port, ended with the test.
final class RunningBroker: Sendable {
    static let binary = ProcessInfo.processInfo.environment["FCBUS_BINARY"]
    /// Integration tests need the binary that `make test` builds and names.
    static var isAvailable: Bool { Self.binary.map(FileManager.default.isExecutableFile(atPath:)) ?? false }

    let port: Int
    let processIdentifier: Int32
    private let running: RunningCommand

    private init(port: Int, running: RunningCommand) {
        self.port = port
        self.running = running
        self.processIdentifier = running.processIdentifier
    }

    /// Starts `fcbus broker` and waits for its ready line.
    static func start(_ arguments: [String] = ["broker", "--port", "0"]) async throws -> RunningBroker {
        let binary = try #require(Self.binary)
        let running = try RunningCommand(binary, arguments)
        let ready = try await running.line(timeout: 20) { $0.hasPrefix("ready mqtt://") }
        let port = try #require(ready.split(separator: ":").last.flatMap { Int($0) }, "no port in \(ready)")
        return RunningBroker(port: port, running: running)
    }

    /// Debian's mosquitto on a free port.
    ///
    /// - Parameter settings: more lines of its configuration.
    static func startMosquitto(port chosen: Int? = nil, settings: String = "") async throws -> RunningBroker {
        let port = try chosen ?? TestSocket.freePort()
        let file = FileManager.default.temporaryDirectory.appending(path: "mosquitto-\(UUID().uuidString).conf")
        try "listener \(port) 127.0.0.1\nallow_anonymous true\n\(settings)".write(
            to: file, atomically: true, encoding: .utf8)
        let running = try RunningCommand("/usr/sbin/mosquitto", ["-c", file.path])
        for _ in 0..<500 {
            if (try? TestSocket(port: port)) != nil { return RunningBroker(port: port, running: running) }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw RunningCommand.TimedOut(description: "mosquitto does not listen: \(running.errorText)")
    }

    /// Runs `body` with a broker and stops it afterwards, whatever happens.
    static func with<Result>(
        _ arguments: [String] = ["broker", "--port", "0"], _ body: (RunningBroker) async throws -> Result
    ) async throws -> Result {
        let broker = try await Self.start(arguments)
        do {
            let result = try await body(broker)
            try await broker.stop()
            return result
        } catch {
            try await broker.stop()
            throw error
        }
    }

    func stop() async throws {
        self.running.terminate()
        _ = try await self.running.exitCode(timeout: 10)
    }

    /// The ports of its first listeners, as the ready lines tell them.
    func ports(count: Int) async throws -> [Int] {
        try await self.running.lines(count: count, timeout: 20).prefix(count).map { line in
            let digits = line.split(separator: ":").last?.prefix { $0.isNumber } ?? ""
            return try #require(Int(digits), "no port in \(line)")
        }
    }

    /// What it has logged.
    var errorText: String { self.running.errorText }

    /// Waits until it has logged a text: log lines are written when other things are done.
    func logs(_ text: String) async throws -> Bool {
        for _ in 0..<1000 where !self.errorText.contains(text) { try await Task.sleep(for: .milliseconds(10)) }
        return self.errorText.contains(text)
    }

    /// Asks it to read its configuration again.
    func reload() {
        kill(self.processIdentifier, SIGHUP)
    }

    /// Resident memory in KiB.
    func residentMemory() throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(self.processIdentifier)/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
        return try #require(line.split(separator: " ").compactMap { Int($0) }.first)
    }
}
