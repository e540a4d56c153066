import Foundation
import Synchronization
import Testing

@testable import FunctionHost

@Suite("Functions that change while the host runs", .timeLimit(.minutes(5)))
struct ReloadTests {
    private static func folder() throws -> FunctionFolder {
        let folder = try FunctionFolder()
        try folder.write("watch: 50ms", to: "host.yaml")
        return folder
    }

    private static func answer(_ text: String) -> String { "def handler(event, context): return '\(text)'" }

    /// Calls until the answer is the expected one; each call has to succeed.
    private static func wait(
        _ host: TestHost, _ name: String, for expected: String, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let start = ContinuousClock.now
        while try await host.text(name) != expected {
            try #require(ContinuousClock.now - start < .seconds(60), sourceLocation: sourceLocation)
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    @Test("A function that is added is served, one that is removed is not")
    func addAndRemove() async throws {
        let folder = try Self.folder()
        try folder.python("first", Self.answer("1"))
        try await TestHost.with(folder) { host in
            try folder.python("second", Self.answer("2"))
            #expect(await host.log.wait(for: "T/second was added"))
            try await host.expect("T/second", answers: "2")
            try FileManager.default.removeItem(atPath: "\(folder.path)/first")
            #expect(await host.log.wait(for: "T/first was removed"))
            #expect(host.bus.served == ["T/second"])
        }
    }

    @Test("A change under load fails no call")
    func changeUnderLoad() async throws {
        let folder = try Self.folder()
        try folder.python("f", Self.answer("0"), "workers: { max: 2 }")
        try await TestHost.with(folder, weight: HostSlots.all) { host in
            try await host.expect("T/f", answers: "0")
            let isDone = Flag()
            let seen = try await withThrowingTaskGroup(of: [String].self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        var seen: [String] = []
                        while !isDone.isUp { seen.append(try await host.text("T/f")) }
                        return seen
                    }
                }
                for number in 1...4 {
                    try folder.python(
                        "f", Self.answer("\(number)"), "workers: { max: 2 }\nenvironment: { N: '\(number)' }")
                    try await Self.wait(host, "T/f", for: "\(number)")
                }
                isDone.raise()
                return try await group.reduce(into: Set<String>()) { $0.formUnion($1) }
            }
            #expect(seen.isSuperset(of: ["0", "4"]))
            // The same registration all along: the bus never saw a change.
            #expect(host.bus.registrations == ["T/f"])
        }
    }

    @Test("A call that runs during the change is finished by the version that it began in")
    func drains() async throws {
        let folder = try Self.folder()
        try folder.python(
            "slow",
            """
            import os, time
            def handler(event, context):
                open("running", "w").close()
                while not os.path.exists("go"):
                    time.sleep(0.01)
                return "old"
            """, "timeout: 60s")
        try await TestHost.with(folder) { host in
            async let late = host.bus.invoke("T/slow", within: .seconds(60))
            while !FileManager.default.fileExists(atPath: "\(folder.path)/slow/running") {
                try await Task.sleep(for: .milliseconds(5))
            }
            try folder.python("slow", Self.answer("new"), "timeout: 60s")
            try await Self.wait(host, "T/slow", for: "new")
            try folder.write("", to: "slow/go")
            #expect(String(decoding: try await late.get().payload, as: UTF8.self) == "old")
        }
    }

    @Test("Code that cannot be loaded replaces nothing, and the log says why")
    func brokenCode() async throws {
        let folder = try Self.folder()
        try folder.python("f", Self.answer("old"))
        try await TestHost.with(folder) { host in
            try await host.expect("T/f", answers: "old")
            try folder.python("f", "def handler(event context): pass")
            #expect(await host.log.wait(for: "T/f was changed and cannot be loaded, the version before stays"))
            try await host.expect("T/f", answers: "old")
            try folder.python("f", Self.answer("new"))
            try await Self.wait(host, "T/f", for: "new")
        }
    }

    @Test("A manifest that became invalid takes nothing down, and the log names file and line")
    func brokenManifest() async throws {
        let folder = try Self.folder()
        try folder.python("f", Self.answer("old"))
        try await TestHost.with(folder) { host in
            try folder.python("f", Self.answer("old"), "timeout: soon")
            #expect(await host.log.wait(for: "f/function.yaml:5: timeout must be a duration"))
            try await host.expect("T/f", answers: "old")
        }
    }

    @Test("A split of calls is changed by its alias alone: no worker is replaced")
    func alias() async throws {
        let folder = try Self.folder()
        for version in [3, 4] {
            try folder.write(
                "import os\ndef handler(event, context): return context.version", to: "f/\(version)/index.py")
            try folder.write(
                "service: T\nfunction: f\nversion: \(version)\nruntime: python3\nhandler: index.handler",
                to: "f/\(version)/function.yaml")
        }
        try folder.write("service: T\nfunction: f\nsplit: { 3: 90, 4: 10 }", to: "f/alias.yaml")
        try await TestHost.with(folder) { host in
            var answers: [String] = []
            for _ in 0..<20 { answers.append(try await host.text("T/f")) }
            #expect(answers.count { $0 == "4" } == 2)
            try folder.write("service: T\nfunction: f\nsplit: { 3: 0, 4: 100 }", to: "f/alias.yaml")
            #expect(await host.log.wait(for: "T/f was changed: T/f:3 0 %, T/f:4 100 %"))
            for _ in 0..<20 { try await host.expect("T/f", answers: "4") }
            #expect(!host.log.all.contains { $0.contains("a worker ended") })
        }
    }

    @Test("What the bus is told changes with the manifest: the function is registered again")
    func terms() async throws {
        let folder = try Self.folder()
        try folder.python("f", Self.answer("1"))
        try await TestHost.with(folder) { host in
            try folder.python("f", Self.answer("1"), "timeout: 9s")
            #expect(await host.log.wait(for: "T/f was changed"))
            #expect(host.bus.registrations == ["T/f", "T/f"])
            try await host.expect("T/f", answers: "1")
        }
    }

    @Test("Triggers follow the manifest")
    func triggers() async throws {
        let folder = try Self.folder()
        try folder.python("f", Self.answer("1"), "triggers: [{ topic: a }]")
        try await TestHost.with(folder) { host in
            #expect(host.bus.filters == ["$share/fc-trigger-T-f/a"])
            try folder.python("f", Self.answer("1"), "triggers: [{ topic: b }]")
            #expect(await host.log.wait(for: "T/f was changed"))
            #expect(host.bus.filters == ["$share/fc-trigger-T-f/b"])
        }
    }

    @Test("A function that runs all the time has left before its new code starts")
    func continuous() async throws {
        let folder = try Self.folder()
        @Sendable func code(_ text: String) -> String {
            """
            import os, time
            # As a device that only one process may hold.
            os.close(os.open("device", os.O_CREAT | os.O_EXCL))
            import atexit
            atexit.register(os.remove, "device")
            def handler(event, context): return "\(text)"
            """
        }
        try folder.python("f", code("old"), "run: continuous")
        try await TestHost.with(folder) { host in
            try await host.expect("T/f", answers: "old")
            try folder.python("f", code("new"), "run: continuous")
            try await Self.wait(host, "T/f", for: "new")
            #expect(!host.log.all.contains { $0.contains("FileExistsError") })
        }
    }

    @Test("A change that fails because the bus is away is made later")
    func retry() async throws {
        let folder = try Self.folder()
        try folder.python("first", Self.answer("1"))
        try await TestHost.with(folder) { host in
            host.bus.state.withLock { $0.refusals = 1 }
            try folder.python("second", Self.answer("2"))
            #expect(await host.log.wait(for: "T/second could not be changed, it is tried again: 503 NO_BUS"))
            #expect(host.bus.served == ["T/first"])
            #expect(await host.log.wait(for: "T/second was changed"))
            try await host.expect("T/second", answers: "2")
        }
    }
}
