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
            "python3", "-c",
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

    @Test("A warm Python call beside a bare echo through two pipes, and a cold start apart")
    func python() async throws {
        let folder = try FunctionFolder()
        try folder.python("echo", "def handler(event, context): return event")
        try folder.python("brief", "def handler(event, context): return event", "workers: { idle: 1ms }")
        let echo = try Self.pipeEcho()
        try await TestHost.with(folder) { host in
            let request = HostedCall(payload: Array("hi".utf8), requestIdentifier: "r1", remaining: .seconds(20))
            let address = try #require(FunctionAddress("T/echo"))
            var warm: [Duration] = []
            for number in 0..<Self.calls + 200 {
                let elapsed = try await Self.time { _ = try await host.bus.run(request, at: address).get() }
                if number >= 200 { warm.append(elapsed) }
            }
            var cold: [Duration] = []
            for _ in 0..<20 {
                cold.append(try await Self.time { _ = try await host.bus.invoke("T/brief", [1]).get() })
                while host.host.workers.alive > 1 { try await Task.sleep(for: .milliseconds(5)) }
            }
            let overhead = warm.sorted()[warm.count / 2] - echo.sorted()[echo.count / 2]
            print("pipe echo     \(Self.text(echo))")
            print("warm call     \(Self.text(warm))")
            print("overhead      p50 \(overhead)   (at most 0.5 ms is the aim)")
            print("cold start    \(Self.text(cold))")
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
