import Foundation
import Logging
import Testing

@testable import FunctionHost

@Suite("Functions that are executables", .timeLimit(.minutes(5)))
struct ExecutableFunctionTests {
    private static func manifest(_ runtime: String, _ handler: String, _ more: String = "") -> String {
        "service: T\nfunction: f\nruntime: \(runtime)\nhandler: \(handler)\n\(more)\n"
    }

    @Test("exec: the payload is stdin, stdout is the reply, binary and large alike")
    func cat() async throws {
        let folder = try FunctionFolder()
        try folder.write(Self.manifest("exec", "cat"), to: "function.yaml")
        try await TestHost.with(folder) { host in
            let payload = (0..<1 << 20).map { UInt8(truncatingIfNeeded: $0) }
            let reply = try await host.bus.invoke("T/f", payload).get()
            #expect(reply.payload == payload)
            let empty = try await host.bus.invoke("T/f").get()
            #expect(empty.status == 204)
        }
    }

    @Test("exec: a file of the folder is run there, with the call in its variables")
    func script() async throws {
        let folder = try FunctionFolder()
        try folder.write(Self.manifest("exec", "[run.sh, hello]"), to: "function.yaml")
        try folder.write(
            "#!/bin/sh\necho \"$1 $FCBUS_REQUEST_ID $FCBUS_CONTEXT $FUNCTION_ID $(echo *)\"\necho chatter >&2",
            to: "run.sh", executable: true)
        try await TestHost.with(folder) { host in
            try await host.expect("T/f", context: "{}", answers: "hello r1 {} T/f function.yaml run.sh\n")
            #expect(await host.log.wait(for: "chatter call=r1 function=T/f"))
        }
    }

    @Test("exec: an exit code other than 0 is the function's failure, with the end of stderr as message")
    func exitCode() async throws {
        let folder = try FunctionFolder()
        try folder.write(Self.manifest("exec", "[sh, -c, \"seq 8 >&2; exit 3\"]"), to: "function.yaml")
        try await TestHost.with(folder) { host in
            let failure = try await host.failure("T/f")
            #expect(failure.status == 500)
            #expect(failure.code == "HANDLER_ERROR")
            #expect(failure.message == "4\n5\n6\n7\n8")
            #expect(failure.stackTrace == ["it exited with code 3"])
        }
    }

    @Test("exec: commands count among all workers; a call that finds no place waits, at most until its deadline")
    func places() async throws {
        let folder = try FunctionFolder()
        try folder.write("workersMax: 2\n", to: "host.yaml")
        try folder.write(
            Self.manifest("exec", "[sh, -c, \"cat; sleep 0.3\"]", "workers: { max: 8 }"), to: "f/function.yaml")
        try await TestHost.with(folder) { host in
            let start = ContinuousClock.now
            let answers = await withTaskGroup(of: [UInt8]?.self) { group in
                for number in UInt8(0)..<6 {
                    group.addTask { try? await host.bus.invoke("T/f", [number]).get().payload }
                }
                return await group.reduce(into: Set<[UInt8]?>()) { $0.insert($1) }
            }
            #expect(answers == Set((UInt8(0)..<6).map { [$0] }))
            // Two at a time.
            #expect(ContinuousClock.now - start >= .milliseconds(850))
            #expect(host.host.workers.alive == 0)
            async let long = host.bus.invoke("T/f", [1])
            async let other = host.bus.invoke("T/f", [2])
            while host.host.workers.alive < 2 { try await Task.sleep(for: .milliseconds(2)) }
            let late = HostedCall(payload: [3], requestIdentifier: "late", remaining: .milliseconds(50))
            let failure = await host.bus.run(late, at: try #require(FunctionAddress("T/f")))
            guard case .failure(let reason) = failure else {
                Issue.record("it ran although there was no place")
                return
            }
            #expect(reason.status == 408)
            #expect(reason.executed == .none)
            _ = await (long, other)
        }
    }

    @Test("exec: the exit code counts, also of a command that closes its outputs before it ends")
    func closesOutputs() async throws {
        let folder = try FunctionFolder()
        try folder.write(
            Self.manifest("exec", "[sh, -c, \"exec >&- 2>&-; sleep 0.2; exit 3\"]"), to: "function.yaml")
        try await TestHost.with(folder) { host in
            let failure = try await host.failure("T/f")
            #expect(failure.stackTrace == ["it exited with code 3"])
        }
    }

    @Test("exec: a command that does not exist is told as such")
    func missing() async throws {
        let folder = try FunctionFolder()
        try folder.write(Self.manifest("exec", "no-such-command"), to: "function.yaml")
        try await TestHost.with(folder) { host in
            let failure = try await host.failure("T/f")
            #expect(failure.code == "INTERNAL")
            #expect(failure.executed == .none)
            #expect(failure.message.contains("the executable no-such-command was not found"))
        }
    }

    @Test("exec: a command that hangs is ended at its timeout with its children")
    func hang() async throws {
        let folder = try FunctionFolder()
        try folder.write(
            Self.manifest("exec", "[sh, -c, \"sleep 1000 & echo $! > child; wait\"]", "timeout: 300ms"),
            to: "function.yaml")
        try await TestHost.with(folder) { host in
            let failure = try await host.failure("T/f")
            #expect(failure.status == 408)
            #expect(failure.message.contains("its timeout of 300ms"))
        }
    }

    @Test("exec: a command that does not read its input is no failure")
    func ignoresInput() async throws {
        let folder = try FunctionFolder()
        try folder.write(Self.manifest("exec", "[echo, hi]"), to: "function.yaml")
        try await TestHost.with(folder) { host in
            let reply = try await host.bus.invoke("T/f", [UInt8](repeating: 1, count: 1 << 20)).get()
            #expect(reply.payload == Array("hi\n".utf8))
        }
    }

    @Test("exec: calls beyond the slots are refused as overloaded")
    func overload() async throws {
        let folder = try FunctionFolder()
        try folder.write(
            Self.manifest("exec", "[sh, -c, \"touch running; sleep 1; cat\"]", "workers: { max: 1 }"),
            to: "function.yaml")
        try await TestHost.with(folder) { host in
            let first = Task { await host.bus.invoke("T/f", [1]) }
            while !FileManager.default.fileExists(atPath: "\(folder.path)/running") {
                try? await Task.sleep(for: .milliseconds(5))
            }
            let failure = try await host.failure("T/f")
            #expect(failure.status == 429)
            let reply = try await first.value.get()
            #expect(reply.payload == [1])
        }
    }

    @Test("A single command is served without any manifest")
    func command() async throws {
        let bus = FakeBus()
        let address = try #require(FunctionAddress("T/upper"))
        let host = FunctionHost.command(
            address, ["tr", "a-z", "A-Z"], settings: CommandSettings(), client: bus, logger: Logger(label: "t"))
        let ready = AsyncStream.makeStream(of: Void.self)
        let running = Task { try await host.run(onReady: { ready.continuation.finish() }) }
        for await _ in ready.stream {}
        let reply = try await bus.invoke("T/upper", Array("abc".utf8)).get()
        #expect(reply.payload == Array("ABC".utf8))
        running.cancel()
        try await running.value
    }

    /// A worker written from the protocol's description alone, without the host's Python part.
    private static let foreignWorker = """
        #!/usr/bin/env python3
        import json, struct, sys
        stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
        def send(header, payload=b""):
            text = json.dumps(header).encode()
            stdout.write(struct.pack(">II", 4 + len(text) + len(payload), len(text)) + text + payload)
            stdout.flush()
        send({"kind": "ready", "language": "foreign"})
        while True:
            lengths = stdin.read(8)
            if len(lengths) < 8:
                break
            size, header_size = struct.unpack(">II", lengths)
            body = stdin.read(size - 4)
            header, payload = json.loads(body[:header_size]), body[header_size:]
            if header["kind"] == "shutdown":
                break
            if header["kind"] == "call" and payload == b"garbage":
                stdout.write(b"Hello, I am not a frame.")
                stdout.flush()
            elif header["kind"] == "call":
                send({"kind": "log", "level": "warning", "message": "at work", "call": header["call"]})
                send({"kind": "reply", "call": header["call"]}, payload.upper())
        """

    @Test("swift: any executable that speaks the protocol is a worker")
    func foreign() async throws {
        let folder = try FunctionFolder()
        try folder.write(Self.manifest("swift", "worker"), to: "function.yaml")
        try folder.write(Self.foreignWorker, to: "worker", executable: true)
        try await TestHost.with(folder) { host in
            try await host.expect("T/f", "abc", answers: "ABC")
            #expect(host.log.all.contains { $0.hasPrefix("warning: at work call=r1 function=T/f") })
        }
    }

    @Test("swift: the example calls another function, its prints are log lines, and its failures have a sentence")
    func example() async throws {
        let folder = try FunctionFolder()
        let products = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        let manifest = try String(contentsOfFile: "\(TestHost.examples)/../swift/shout/function.yaml", encoding: .utf8)
        let built = manifest.replacing(".build/release/shout", with: products.appending(path: "shout").path)
        try #require(built != manifest)
        try folder.write(built, to: "shout/function.yaml")
        try folder.write(
            "service: EdgeFC\nfunction: helloworld\nruntime: exec\nhandler: [printf, hello world]",
            to: "helloworld/function.yaml")
        try await TestHost.with(folder) { host in
            try await host.expect("Demo/shout", "Ada", answers: "HELLO WORLD: ADA!")
            try await host.expect("Demo/shout", "Bob", answers: "HELLO WORLD: BOB!")
            #expect(await host.log.wait(for: "call 2 of this worker"))
            let failure = try await host.failure("Demo/shout")
            #expect((failure.status, failure.message) == (500, "nothing to shout"))
            #expect(failure.errorType == "WorkerFailure")
        }
    }

    @Test("swift: the page shows the example as it is")
    func page() throws {
        let code = "\(TestHost.examples)/../swift/shout/Sources/shout/main.swift"
        let page = try String(contentsOfFile: "\(TestHost.examples)/../../Documentation/functions.md", encoding: .utf8)
        #expect(page.contains(try String(contentsOfFile: code, encoding: .utf8)))
    }

    @Test("swift: a worker that writes something else to stdout is replaced, and the log says why")
    func garbage() async throws {
        let folder = try FunctionFolder()
        try folder.write(Self.manifest("swift", "worker"), to: "function.yaml")
        try folder.write(Self.foreignWorker, to: "worker", executable: true)
        try await TestHost.with(folder) { host in
            let failure = try await host.failure("T/f", "garbage")
            #expect(failure.code == "INSTANCE_LOST")
            #expect(await host.log.wait(for: "is something else writing to stdout?"))
            try await host.expect("T/f", "abc", answers: "ABC")
        }
    }
}
