import Foundation
import Testing

@testable import FunctionHost
@testable import FunctionWorker

/// Figures, not verdicts: run by `Tests/FunctionHostTests/measure.sh`, never with the tests.
@Suite(
    "Measurements", .serialized,
    .enabled(if: ProcessInfo.processInfo.environment["FCBUS_MEASURE"] != nil, "measured by measure.sh only"))
struct Measurements {
    private static let calls = 3_000

    private static func text(_ durations: [Duration]) -> String {
        let sorted = durations.sorted()
        func at(_ part: Double) -> String {
            let (seconds, attoseconds) = sorted[Int(Double(sorted.count - 1) * part)].components
            return String(format: "%.3f ms", Double(seconds) * 1e3 + Double(attoseconds) / 1e15)
        }
        return "p50 \(at(0.5))   p90 \(at(0.9))   p99 \(at(0.99))   max \(at(1))   (n = \(sorted.count))"
    }

    private static func time(_ body: () async throws -> Void) async rethrows -> Duration {
        let start = ContinuousClock.now
        try await body()
        return ContinuousClock.now - start
    }

    /// The same Python, frames and bytes with nothing in between: one write and two reads that block.
    private static func pipeEcho() throws -> [Duration] {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            TestHost.python.interpreter, "-c",
            """
            import os, struct
            while True:
                lengths = os.read(0, 8)
                if len(lengths) < 8: break
                body = os.read(0, struct.unpack(">II", lengths)[0] - 4)
                os.write(1, lengths + body)
            """,
        ]
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        defer { process.terminate() }
        let frame = FrameDecoder.encode(header: [UInt8](repeating: 0x20, count: 90), payload: Array("hi".utf8))
        let (writer, reader) = (input.fileHandleForWriting.fileDescriptor, output.fileHandleForReading.fileDescriptor)
        var buffer = [UInt8](repeating: 0, count: 4_096)
        return (0..<self.calls + 200).map { _ in
            let start = ContinuousClock.now
            _ = write(writer, frame, frame.count)
            var left = frame.count
            while left > 0 { left -= read(reader, &buffer, buffer.count) }
            return ContinuousClock.now - start
        }.suffix(self.calls)
    }

    /// From the start of the same interpreter to the first byte that `code` writes.
    ///
    /// By `posix_spawn`: Foundation closes every descriptor that there could be, which takes longer than Python.
    private static func interpreterStart(_ code: String) throws -> Duration {
        let words = [TestHost.python.interpreter, "-c", code + "\nimport os; os.write(1, b'.')"]
        // The variables that a worker gets, and its own store of byte code.
        let inherited = ProcessInfo.processInfo.environment.filter { WorkerLaunch.inherited.contains($0.key) }
        let variables = inherited.merging(
            ["PYTHONPATH": TestHost.python.folder, "PYTHONUTF8": "1", "PYTHONPYCACHEPREFIX": Self.byteCode]
        ) { $1 }
        var (arguments, environment) = (
            words.map { strdup($0) } + [nil], variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        )
        defer { for text in arguments + environment { free(text) } }
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        for end in ends { posix_spawn_file_actions_addclose(&actions, end) }
        var process: pid_t = 0
        let start = ContinuousClock.now
        try #require(posix_spawnp(&process, words[0], &actions, nil, &arguments, &environment) == 0)
        close(ends[1])
        var byte: UInt8 = 0
        let count = read(ends[0], &byte, 1)
        let elapsed = ContinuousClock.now - start
        close(ends[0])
        waitpid(process, nil, 0)
        try #require(count == 1)
        return elapsed
    }

    private static let byteCode = FileManager.default.temporaryDirectory.appending(path: "fcbus-measured-python").path

    /// What the bootstrap loads before it looks at the function.
    private static let bootstrapImports = """
        import resource, time
        import importlib._bootstrap_external
        import lecoresdk
        from fcbus_worker.serving import Worker
        """

    private static func milliseconds(_ durations: [Duration]) -> Double {
        let (seconds, attoseconds) = durations.sorted()[durations.count / 2].components
        return Double(seconds) * 1e3 + Double(attoseconds) / 1e15
    }

    @Test("A cold start beside the start of its interpreter, without and with what the bootstrap imports, in turns")
    func coldStart() async throws {
        let folder = try FunctionFolder()
        try folder.python("brief", "def handler(event, context): return event", "workers: { idle: 1ms }")
        defer { try? FileManager.default.removeItem(atPath: Self.byteCode) }
        try await TestHost.with(folder) { host in
            var (bare, imports, cold): ([Duration], [Duration], [Duration]) = ([], [], [])
            for round in 0..<42 {
                let (first, second) = (
                    try Self.interpreterStart(""), try Self.interpreterStart(Self.bootstrapImports)
                )
                let third = try await Self.time { _ = try await host.bus.invoke("T/brief", [1]).get() }
                while host.host.workers.alive > 0 { try await Task.sleep(for: .milliseconds(5)) }
                // Byte code is written by the first rounds and read by the others.
                guard round >= 2 else { continue }
                bare.append(first)
                imports.append(second)
                cold.append(third)
            }
            let (own, loaded, whole) = (
                Self.milliseconds(bare), Self.milliseconds(imports), Self.milliseconds(cold)
            )
            print("interpreter   \(Self.text(bare))")
            print("with imports  \(Self.text(imports))")
            print("cold start    \(Self.text(cold))")
            let shares = [own, loaded - own, whole - loaded].map { String(format: "%.0f %%", $0 / whole * 100) }
            print("cold start is \(shares[0]) the interpreter's own, \(shares[1]) imports, \(shares[2]) the host's")
        }
    }

    @Test("A warm Python call beside a bare echo through two pipes")
    func python() async throws {
        let folder = try FunctionFolder()
        try folder.python("echo", "def handler(event, context): return event")
        let echo = try Self.pipeEcho()
        try await TestHost.with(folder) { host in
            let request = HostedCall(payload: Array("hi".utf8), requestIdentifier: "r1", remaining: .seconds(20))
            let address = try #require(FunctionAddress("T/echo"))
            var warm: [Duration] = []
            for number in 0..<Self.calls + 200 {
                let elapsed = try await Self.time { _ = try await host.bus.run(request, at: address).get() }
                if number >= 200 { warm.append(elapsed) }
            }
            let overhead = warm.sorted()[warm.count / 2] - echo.sorted()[echo.count / 2]
            print("pipe echo     \(Self.text(echo))")
            print("warm call     \(Self.text(warm))")
            print("overhead      p50 \(overhead)   (at most 0.5 ms is the aim)")
        }
    }

    @Test("Messages per second that a topic trigger hands on")
    func triggers() async throws {
        let bus = FakeBus(runsAsync: false)
        let folder = try FunctionFolder()
        try folder.write(
            "service: T\nfunction: f\nruntime: exec\nhandler: cat\ntriggers: [{ topic: x, queue: 100000 }]",
            to: "f/function.yaml")
        try await TestHost.with(folder, bus: bus) { _ in
            let elapsed = try await Self.time {
                for _ in 0..<50_000 { await bus.deliver(IncomingMessage(topic: "x", payload: [1])) }
                while bus.sent.count < 50_000 { try await Task.sleep(for: .milliseconds(1)) }
            }
            print("trigger       \(Int(50_000 / (Double(elapsed.milliseconds) / 1_000))) messages/s")
        }
    }

    @Test("A look through a folder of a thousand functions")
    func tree() async throws {
        let folder = try FunctionFolder()
        for number in 0..<1_000 { try folder.python("f\(number)", "def handler(event, context): return event") }
        var tree = FunctionTree(folder.path)
        let first = await Self.time { _ = tree.look() }
        var looks: [Duration] = []
        for _ in 0..<20 { looks.append(await Self.time { _ = tree.look() }) }
        print("first look    \(first)")
        print("further looks \(Self.text(looks))")
    }
}
