import Foundation
import Logging
import Subprocess
import Testing

@testable import FunctionHost

@Suite("Processes of the host", .timeLimit(.minutes(5)))
struct ProcessRegistryTests {
    /// Starts a shell with a child in a group of its own; the output names both.
    private static func startGroup(_ body: @escaping @Sendable (pid_t, String) async throws -> Void) async throws {
        var options = PlatformOptions()
        options.processGroupID = 0
        _ = try await Subprocess.run(
            .name("sh"), arguments: ["-c", "sleep 1000 & echo $!; wait"], platformOptions: options,
            input: .none, output: .sequence, error: .discarded
        ) { execution in
            var line = ""
            for try await buffer in execution.standardOutput {
                line += buffer.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
                if line.hasSuffix("\n") { break }
            }
            try await body(execution.processIdentifier.value, line.trimmingCharacters(in: .newlines))
        }
    }

    private static func isAlive(_ process: String) -> Bool {
        let status = (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)) ?? ""
        return !status.isEmpty && !status.contains(") Z ")
    }

    private static func manifest() throws -> FunctionManifest {
        FunctionManifest(
            address: try #require(FunctionAddress("S/f")), runtime: .exec, handler: ["sh"], folder: ".")
    }

    @Test("When the host's end of the pipe closes, whatever the reason, its groups are killed with their children")
    func standsBy() async throws {
        let registry = ProcessRegistry(logger: Logger(label: "test"))
        let running = Task { await registry.run() }
        let link = WorkerLink(try Self.manifest(), registry)
        try await Self.startGroup { leader, child in
            #expect(link.started(leader))
            #expect(Self.isAlive(child))
            // A host that is killed closes it just like this.
            registry.finish()
            while Self.isAlive(child) || Self.isAlive("\(leader)") { try await Task.sleep(for: .milliseconds(5)) }
        }
        await running.value
    }

    @Test("A group that ended in order is not touched: its number may be somebody else's by now")
    func forgets() async throws {
        let registry = ProcessRegistry(logger: Logger(label: "test"))
        let running = Task { await registry.run() }
        let manifest = try Self.manifest()
        try await Self.startGroup { kept, child in
            // Beyond any number that the system gives to a process.
            let others: [pid_t] = [2_000_000_001, kept, 2_000_000_002]
            for leader in others {
                registry.add(
                    leader,
                    ProcessRegistry.Group(
                        memoryBytes: .max, processesMax: .max, link: WorkerLink(manifest, registry)))
            }
            registry.remove(kept)
            registry.finish()
            await running.value
            #expect(Self.isAlive(child))
            kill(-kept, SIGKILL)
        }
    }

    @Test("What a group takes is measured, with its children")
    func usage() async throws {
        try await Self.startGroup { leader, _ in
            let usage = ProcessUsage.ofGroups([leader])[leader]
            #expect(usage?.processes == 2)
            #expect((usage?.memoryBytes ?? 0) > 0)
            kill(-leader, SIGKILL)
        }
    }

    @Test("Only what exceeds a limit is told")
    func excess() throws {
        let registry = ProcessRegistry(logger: Logger(label: "test"))
        let group = ProcessRegistry.Group(
            memoryBytes: 10_000_000, processesMax: 2, link: WorkerLink(try Self.manifest(), registry))
        #expect(ProcessRegistry.excess(ProcessUsage(processes: 2, memoryBytes: 10_000_000), group) == nil)
        #expect(
            ProcessRegistry.excess(ProcessUsage(processes: 3, memoryBytes: 0), group)
                == "it ran 3 processes at a time (`limits.processes` is 2)")
        #expect(
            ProcessRegistry.excess(ProcessUsage(processes: 1, memoryBytes: 11_000_000), group)
                == "it took 11 MB of memory with what it started (`memory` is 10 MB)")
    }
}
