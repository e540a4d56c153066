import Foundation
import Testing

@testable import FunctionHost

@Suite("Calls that are cancelled", .timeLimit(.minutes(5)))
struct CancellationTests {
    /// Starts a call, waits until the function made the file `running`, and cancels it.
    private static func cancel(_ host: TestHost, _ folder: FunctionFolder) async throws {
        let call = Task { await host.bus.invoke("T/f", Array("long".utf8), within: .seconds(60)) }
        while !FileManager.default.fileExists(atPath: "\(folder.path)/f/running") {
            try await Task.sleep(for: .milliseconds(5))
        }
        call.cancel()
        guard case .failure(let failure) = await call.value else { throw TestHost.UnexpectedSuccess() }
        #expect(failure.status == 499)
        #expect(failure.executed == .maybe)
    }

    private static func wait(for file: String) async throws -> String {
        while !FileManager.default.fileExists(atPath: file) { try await Task.sleep(for: .milliseconds(5)) }
        return try String(contentsOfFile: file, encoding: .utf8)
    }

    @Test("The handler hears of it by its context and by an exception; its worker goes on")
    func handler() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "f",
            """
            import lecoresdk, os, time
            def handler(event, context):
                if event == b"long":
                    try:
                        assert not context.cancelled.is_set()
                        open("running", "w").close()
                        while True:
                            time.sleep(0.01)
                    except lecoresdk.CallCancelled as error:
                        with open("heard.new", "w") as file:
                            file.write("%s %s" % (type(error).__name__, context.cancelled.is_set()))
                        os.rename("heard.new", "heard")
                        raise
                return str(os.getpid())
            """, "timeout: 60s\nworkers: { max: 1 }")
        try await TestHost.with(folder) { host in
            let process = try await host.text("T/f")
            try await Self.cancel(host, folder)
            let heard = try await Self.wait(for: "\(folder.path)/f/heard")
            #expect(heard == "CallCancelled True")
            for _ in 0..<20 { try await host.expect("T/f", answers: process) }
        }
    }

    @Test("A handler that waits for the event can end in order")
    func event() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "f",
            """
            import os
            def handler(event, context):
                if event == b"long":
                    open("running", "w").close()
                    try:
                        context.cancelled.wait(60)
                    finally:
                        open("ended", "w").close()
                return str(os.getpid())
            """, "timeout: 60s\nworkers: { max: 1 }")
        try await TestHost.with(folder) { host in
            let process = try await host.text("T/f")
            try await Self.cancel(host, folder)
            _ = try await Self.wait(for: "\(folder.path)/f/ended")
            try await host.expect("T/f", answers: process)
        }
    }

    @Test("A handler that does not care loses its worker after the grace")
    func stubborn() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "f",
            """
            import os, time
            def handler(event, context):
                while event == b"long":
                    open("running", "w").close()
                    try:
                        time.sleep(0.1)
                    except BaseException:
                        pass
                return str(os.getpid())
            """, "timeout: 60s\nworkers: { max: 1 }")
        try await TestHost.with(folder) { host in
            let process = try await host.text("T/f")
            try await Self.cancel(host, folder)
            let before = ContinuousClock.now
            let other = try await host.text("T/f")
            #expect(other != process)
            #expect(ContinuousClock.now - before < .seconds(20))
        }
    }

    @Test("A deadline that passes in the handler is heard as well, and ends what the handler waits for")
    func deadline() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "f",
            """
            import lecoresdk, time
            def handler(event, context):
                if event == b"warm":
                    return event
                before = time.monotonic()
                try:
                    lecoresdk.Client().invoke_function({"functionId": "T/other", "timeout": 60})
                finally:
                    with open("ended", "w") as file:
                        file.write("soon" if time.monotonic() - before < 20 else "late")
            """, "timeout: 60s")
        let bus = FakeBus()
        try bus.answer("T/other") { _ throws(CallFailure) in
            // Ends only when the call that surrounds it does.
            while (try? await Task.sleep(for: .seconds(60))) != nil {}
            throw CallFailure(499, "CANCELLED", executed: .maybe, "cancelled")
        }
        try await TestHost.with(folder, bus: bus) { host in
            try await host.expect("T/f", "warm", answers: "warm")
            let result = await host.bus.invoke("T/f", within: .seconds(2))
            guard case .failure(let failure) = result else { throw TestHost.UnexpectedSuccess() }
            #expect(failure.status == 408)
            let ended = try await Self.wait(for: "\(folder.path)/f/ended")
            #expect(ended == "soon")
        }
    }

    @Test("exec: the command is asked to end, and killed when it does not")
    func command() async throws {
        let folder = try FunctionFolder()
        try folder.write(
            """
            #!/bin/sh
            trap 'touch asked' TERM
            touch running
            while :; do sleep 0.05; done
            """, to: "f/run.sh", executable: true)
        try folder.write(
            "service: T\nfunction: f\nruntime: exec\nhandler: run.sh\ntimeout: 60s", to: "f/function.yaml")
        try await TestHost.with(folder) { host in
            let before = ContinuousClock.now
            try await Self.cancel(host, folder)
            #expect(FileManager.default.fileExists(atPath: "\(folder.path)/f/asked"))
            #expect(ContinuousClock.now - before < .seconds(20))
        }
    }
}
