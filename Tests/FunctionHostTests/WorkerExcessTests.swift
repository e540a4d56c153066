import Foundation
import Testing

@testable import FunctionHost

/// Every kind of misbehaviour costs the calls of its own function, with the status that says what happened, and the
/// host goes on.
@Suite("Workers that take too much", .timeLimit(.minutes(5)))
struct WorkerExcessTests {
    /// Runs `body` beside a function that has to be fine all the time.
    private static func with(
        _ code: String, _ manifest: String = "", weight: Int = 1, _ body: @Sendable (TestHost) async throws -> Void
    ) async throws {
        let folder = try FunctionFolder()
        try folder.python("bad", code, manifest)
        try folder.python("good", "def handler(event, context): return event")
        try await TestHost.with(folder, weight: weight) { host in
            try await host.expect("T/good", "before", answers: "before")
            try await body(host)
            try await host.expect("T/good", "after", answers: "after")
            try await host.expect("T/bad", "fine", answers: "fine")
        }
    }

    @Test("R20: a loop for ever: 408, and the host says that the worker was replaced")
    func loops() async throws {
        let code = """
            def handler(event, context):
                while event == b"bad":
                    pass
                return event
            """
        try await Self.with(code, "timeout: 500ms\nworkers: { max: 1 }") { host in
            let failure = try await host.failure("T/bad", "bad")
            #expect(failure.status == 408)
            #expect(failure.executed == .maybe)
            #expect(await host.log.wait(for: "408 DEADLINE: T/bad ran longer than its timeout of 500ms"))
        }
    }

    @Test("Memory that a worker's children take counts as its own: 502 with the figures")
    func memoryOfChildren() async throws {
        let code = """
            import subprocess, sys
            def handler(event, context):
                if event == b"bad":
                    hog = "data = bytearray(90 << 20); import time; time.sleep(1000)"
                    for _ in range(3):
                        subprocess.Popen([sys.executable, "-c", hog])
                    import time
                    time.sleep(1000)
                return event
            """
        try await Self.with(code, "timeout: 60s\nmemory: 150MB") { host in
            let result = await host.bus.invoke("T/bad", Array("bad".utf8), within: .seconds(60))
            guard case .failure(let failure) = result else { throw TestHost.UnexpectedSuccess() }
            #expect(failure.status == 502)
            #expect(failure.message.contains("MB of memory with what it started (`memory` is 150 MB)"))
            #expect(await host.log.wait(for: "was ended: it took"))
        }
    }

    @Test("Processes without end: 502, and all of them are gone")
    func processes() async throws {
        let code = """
            import os, time
            def handler(event, context):
                if event == b"bad":
                    for _ in range(40):
                        if os.fork() == 0:
                            time.sleep(1000)
                    time.sleep(1000)
                return event
            """
        try await Self.with(code, "timeout: 60s\nlimits: { processes: 20 }") { host in
            let result = await host.bus.invoke("T/bad", Array("bad".utf8), within: .seconds(60))
            guard case .failure(let failure) = result else { throw TestHost.UnexpectedSuccess() }
            #expect(failure.status == 502)
            #expect(failure.message.contains("processes at a time (`limits.processes` is 20)"))
        }
    }

    @Test("A handler that forks answers once: the child answers nobody")
    func forks() async throws {
        let code = """
            import os
            def handler(event, context):
                if event == b"bad":
                    return "child" if os.fork() == 0 else "parent"
                return event
            """
        try await Self.with(code, "workers: { max: 1 }") { host in
            for _ in 0..<5 { try await host.expect("T/bad", "bad", answers: "parent") }
        }
    }

    @Test("A gigabyte on stdout: what does not fit in the log is dropped and counted, memory stays bounded")
    func gigabyte() async throws {
        let code = """
            import os
            def handler(event, context):
                if event == b"bad":
                    block = b"x" * 999999 + b"\\n"
                    for _ in range(1000):
                        os.write(1, block)
                return event
            """
        try await Self.with(code, "timeout: 100s", weight: HostSlots.all) { host in
            let before = Self.residentMegabytes
            let result = await host.bus.invoke("T/bad", Array("bad".utf8), within: .seconds(100))
            let reply = try result.get()
            #expect(reply.payload == Array("bad".utf8))
            #expect(Self.residentMegabytes - before < 100)
            #expect(host.log.all.map(\.utf8.count).reduce(0, +) < 10_000_000)
        }
    }

    @Test("A worker that closes its pipes: 502 at once")
    func closesPipes() async throws {
        let code = """
            import os, time
            def handler(event, context):
                if event == b"bad":
                    os.closerange(0, 100)
                    time.sleep(1000)
                return event
            """
        try await Self.with(code, "timeout: 60s") { host in
            let failure = try await host.failure("T/bad", "bad")
            #expect(failure.status == 502)
            #expect(await host.log.wait(for: "502 INSTANCE_LOST"))
        }
    }

    @Test("A worker that exits in its handler: 502 with its exit code")
    func exits() async throws {
        let code = """
            import os
            def handler(event, context):
                if event == b"bad":
                    os._exit(7)
                return event
            """
        try await Self.with(code) { host in
            let failure = try await host.failure("T/bad", "bad")
            #expect(failure.status == 502)
            #expect(failure.message.contains("it exited with code 7"))
        }
    }

    @Test("Processor time beyond its limit: 502 with the reason")
    func processorTime() async throws {
        let code = """
            def handler(event, context):
                while event == b"bad":
                    pass
                return event
            """
        try await Self.with(code, "timeout: 60s\nlimits: { cpu: 1s }") { host in
            let result = await host.bus.invoke("T/bad", Array("bad".utf8), within: .seconds(60))
            guard case .failure(let failure) = result else { throw TestHost.UnexpectedSuccess() }
            #expect(failure.status == 502)
            #expect(failure.message.contains("it used up its processor time (`limits.cpu`)"))
        }
    }

    @Test("A reply beyond its limit: 413, and the worker goes on")
    func output() async throws {
        let code = "def handler(event, context): return b'x' * 2000 if event == b'bad' else event"
        try await Self.with(code, "limits: { output: 1KB }") { host in
            let failure = try await host.failure("T/bad", "bad")
            #expect(failure.status == 413)
            #expect(failure.code == "REPLY_TOO_LARGE")
            #expect(!host.log.all.contains { $0.contains("a worker ended") })
        }
    }

    @Test("exec: a command that prints for ever: 413")
    func endlessCommand() async throws {
        let folder = try FunctionFolder()
        try folder.write("service: T\nfunction: f\nruntime: exec\nhandler: [yes]", to: "function.yaml")
        try await TestHost.with(folder) { host in
            let failure = try await host.failure("T/f")
            #expect(failure.status == 413)
            #expect(await host.log.wait(for: "413 REPLY_TOO_LARGE"))
        }
    }

    @Test("A worker has a limit of open files, and a directory of its own when it asks for one")
    func freshDirectory() async throws {
        let folder = try FunctionFolder()
        let code = """
            import os, resource, tempfile
            def handler(event, context):
                found = os.listdir(".")
                open("note", "w").close()
                assert tempfile.gettempdir() == os.getcwd()
                return "%s %d %s" % (found, resource.getrlimit(resource.RLIMIT_NOFILE)[0], os.getcwd())
            """
        try folder.python("f", code, "directory: fresh\nlimits: { files: 99 }\nworkers: { idle: 50ms }")
        try await TestHost.with(folder) { host in
            let first = try await host.text("T/f")
            #expect(first.hasPrefix("[] 99 "))
            #expect(await host.log.wait(for: "a worker ended"))
            let directory = String(first.split(separator: " ").last ?? "")
            #expect(!FileManager.default.fileExists(atPath: directory))
            let second = try await host.text("T/f")
            #expect(second.hasPrefix("[] 99 "))
            #expect(second != first)
        }
    }

    @Test("Workers run as the account that the manifest names", .enabled(if: getuid() == 0))
    func user() async throws {
        let folder = try FunctionFolder()
        try folder.write(
            "service: T\nfunction: f\nruntime: exec\nhandler: [id, -un]\nuser: nobody", to: "function.yaml")
        try await TestHost.with(folder) { host in try await host.expect("T/f", answers: "nobody\n") }
    }

    @Test("An account that is not there is told as such")
    func unknownUser() async throws {
        let folder = try FunctionFolder()
        try folder.python("f", "def handler(event, context): pass", "user: no-such-user")
        try await TestHost.with(folder) { host in
            let failure = try await host.failure("T/f")
            #expect(failure.status == 500)
            #expect(failure.executed == CallFailure.Executed.none)
            #expect(failure.message.contains("there is no account no-such-user here"))
        }
    }

    private static var residentMegabytes: Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4_096 / 1_000_000
    }
}
