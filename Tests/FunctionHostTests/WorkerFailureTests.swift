import Foundation
import Testing

@testable import FunctionHost

@Suite("Workers that fail", .timeLimit(.minutes(5)))
struct WorkerFailureTests {
    private static let echo = "def handler(event, context): return event"

    /// Waits until a process is gone. Its number is not given away again so soon.
    private static func isGone(_ process: String) async -> Bool {
        let start = ContinuousClock.now
        while ContinuousClock.now - start < .seconds(60) {
            let status = (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)) ?? ""
            // A zombie has ended too; whoever inherited it reaps it in its own time.
            if status.isEmpty || status.contains(") Z ") { return true }
            try? await Task.sleep(for: .milliseconds(5))
        }
        return false
    }

    @Test("R20: a handler that hangs is ended at its timeout with what it started; the function goes on")
    func hang() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "hang",
            """
            import os, subprocess, time
            def handler(event, context):
                if event == b"hang":
                    child = subprocess.Popen(["sleep", "1000"])
                    open("pids", "w").write("%d %d" % (os.getpid(), child.pid))
                    time.sleep(1000)
                return event
            """, "timeout: 500ms\nworkers: { max: 1 }")
        try folder.python("other", Self.echo)
        try await TestHost.with(folder) { host in
            try await host.expect("T/hang", "warm", answers: "warm")
            try await host.expect("T/other", "a", answers: "a")
            let before = ContinuousClock.now
            let failure = try await host.failure("T/hang", "hang")
            #expect(ContinuousClock.now - before >= .milliseconds(500))
            #expect(failure.status == 408)
            #expect(failure.executed == .maybe)
            #expect(failure.message.contains("its timeout of 500ms"))
            let pids = try String(contentsOfFile: "\(folder.path)/hang/pids", encoding: .utf8)
            for process in pids.split(separator: " ") { #expect(await Self.isGone(String(process)), "\(process)") }
            try await host.expect("T/hang", "again", answers: "again")
            try await host.expect("T/other", "b", answers: "b")
        }
    }

    @Test("R19: a worker that is killed loses its call, and the next call starts another one")
    func killed() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "fragile",
            """
            import os
            def handler(event, context):
                if event == b"die":
                    os.kill(os.getpid(), 9)
                return event
            """)
        try await TestHost.with(folder) { host in
            try await host.expect("T/fragile", "a", answers: "a")
            let failure = try await host.failure("T/fragile", "die")
            #expect(failure.status == 502)
            #expect(failure.code == "INSTANCE_LOST")
            #expect(failure.executed == .maybe)
            #expect(failure.message.contains("signal 9"))
            try await host.expect("T/fragile", "b", answers: "b")
        }
    }

    @Test(
        "A function that cannot be loaded answers with the reason, at once and not by a timeout",
        arguments: [
            ("import nonsuch", "ModuleNotFoundError: No module named 'nonsuch'"),
            ("def handler(event context): pass", "SyntaxError"),
            ("x = 1", "HandlerMissing: module index defines no callable handler"),
            ("import sys; sys.exit(3)", "SystemExit: 3"),
            ("import os; print('bye'); os._exit(3)", "it exited with code 3; its last line was: bye"),
            ("import os, time; os.kill(os.getpid(), 11); time.sleep(9)", "it was ended by signal 11"),
        ])
    func cannotLoad(_ code: String, _ reason: String) async throws {
        let folder = try FunctionFolder()
        try folder.python("broken", code)
        try await TestHost.with(folder) { host in
            let failure = try await host.failure("T/broken")
            #expect(failure.status == 500)
            #expect(failure.code == "INTERNAL")
            #expect(failure.executed == .none)
            #expect(failure.message.contains(reason), "\(failure.message)")
        }
    }

    @Test("A module that never ends at top level serves calls and goes on with its loop")
    func endlessTopLevel() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "driver",
            """
            import time, lecoresdk
            count = 0
            def handler(event, context):
                return "loops" if count > 0 else "stands"
            while True:
                count += 1
                lecoresdk.IoTData().publish({"topic": "beat", "payload": str(count)})
                time.sleep(0.05)
            """, "run: continuous")
        try await TestHost.with(folder) { host in
            try await host.expect("T/driver", answers: "loops")
            #expect(host.bus.published.first == OutgoingMessage(topic: "beat", payload: Array("1".utf8)))
        }
    }

    @Test("A continuous function is started by itself and again when it ends")
    func continuous() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "restless",
            """
            import os, lecoresdk
            lecoresdk.IoTData().publish({"topic": "up", "payload": str(os.getpid())})
            os._exit(1)
            """, "run: continuous")
        try await TestHost.with(folder) { host in
            let start = ContinuousClock.now
            while host.bus.published.count < 3, ContinuousClock.now - start < .seconds(20) {
                try? await Task.sleep(for: .milliseconds(5))
            }
            #expect(Set(host.bus.published.map(\.payload)).count >= 3)
        }
    }

    @Test("An idle worker leaves by itself, and its atexit functions run")
    func idle() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "brief",
            """
            import atexit
            atexit.register(lambda: open("left", "w").close())
            def handler(event, context): return event
            """, "workers: { idle: 50ms }")
        try await TestHost.with(folder) { host in
            try await host.expect("T/brief", "a", answers: "a")
            #expect(await host.log.wait(for: "a worker ended"))
            #expect(host.log.all.contains { $0.contains("it exited with code 0") })
            #expect(FileManager.default.fileExists(atPath: "\(folder.path)/brief/left"))
            try await host.expect("T/brief", "b", answers: "b")
        }
    }

    @Test("No worker and nothing that it started outlives the host")
    func ends() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "parent",
            """
            import os, signal, subprocess
            child = subprocess.Popen(["sleep", "1000"])
            def handler(event, context): return "%d %d" % (os.getpid(), child.pid)
            """)
        let pids = try await TestHost.with(folder) { host in try await host.text("T/parent") }
        for process in pids.split(separator: " ") { #expect(await Self.isGone(String(process)), "\(process)") }
    }

    @Test("D11: a call that runs while the host ends is still answered")
    func drains() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "slow",
            """
            import time
            def handler(event, context):
                open("running", "w").close()
                time.sleep(0.5)
                return "done"
            """)
        let late = try await TestHost.with(folder) { host in
            let late = Task { try await host.text("T/slow") }
            let running = "\(folder.path)/slow/running"
            while !FileManager.default.fileExists(atPath: running) { try? await Task.sleep(for: .milliseconds(5)) }
            return late
        }
        let text = try await late.value
        #expect(text == "done")
    }

    @Test("A caller that gives up gets its answer at once; the worker goes on")
    func cancelled() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "slow",
            """
            import time
            def handler(event, context):
                open("running", "w").close()
                time.sleep(0.3)
                return event
            """, "workers: { max: 1 }")
        try await TestHost.with(folder) { host in
            let call = Task { await host.bus.invoke("T/slow", [1]) }
            let running = "\(folder.path)/slow/running"
            while !FileManager.default.fileExists(atPath: running) { try? await Task.sleep(for: .milliseconds(5)) }
            call.cancel()
            guard case .failure(let failure) = await call.value else { throw TestHost.UnexpectedSuccess() }
            #expect(failure.status == 499)
            try await host.expect("T/slow", "b", answers: "b")
        }
    }
}
