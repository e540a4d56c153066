import Foundation
import Synchronization
import Testing

@testable import FunctionHost

@Suite("The bound on all workers", .timeLimit(.minutes(5)))
struct WorkerBudgetTests {
    /// A member that notes what it is told.
    private final class Listener: Sendable {
        let words = Mutex<[String]>([])
        var heard: [String] { self.words.withLock { $0 } }

        func join(_ budget: WorkerBudget) -> Int {
            budget.join(
                WorkerBudget.Member(
                    onRoom: { self.words.withLock { $0.append("room") } },
                    onEvict: { self.words.withLock { $0.append("evict") } }))
        }
    }

    @Test("A place is refused when all are taken; the longest idle worker has to leave")
    func evicts() {
        let budget = WorkerBudget(max: 2)
        let (first, second, third) = (Listener(), Listener(), Listener())
        let (one, two, three) = (first.join(budget), second.join(budget), third.join(budget))
        #expect(budget.take(one))
        #expect(budget.take(two))
        let now = ContinuousClock.now
        budget.setIdle(one, since: now + .seconds(1))
        budget.setIdle(two, since: now)
        #expect(!budget.take(three))
        #expect(first.heard.isEmpty)
        #expect(second.heard == ["evict"])
        budget.release()
        #expect(third.heard == ["room"])
        #expect(budget.take(three))
        #expect(budget.figures.alive == 2)
    }

    @Test("Places are given in the order in which they were asked for")
    func order() {
        let budget = WorkerBudget(max: 1)
        let (first, second, third) = (Listener(), Listener(), Listener())
        let (one, two, three) = (first.join(budget), second.join(budget), third.join(budget))
        #expect(budget.take(one))
        #expect(!budget.take(two))
        #expect(!budget.take(three))
        budget.release()
        #expect(second.heard == ["room"])
        // It is not this one's turn.
        #expect(!budget.take(three))
        #expect(budget.take(two))
        budget.endTurn(two)
        budget.release()
        #expect(third.heard == ["room"])
    }

    @Test("A turn that is not used goes on to the next")
    func unusedTurn() {
        let budget = WorkerBudget(max: 1)
        let (first, second, third) = (Listener(), Listener(), Listener())
        let (one, two, three) = (first.join(budget), second.join(budget), third.join(budget))
        #expect(budget.take(one))
        #expect(!budget.take(two))
        #expect(!budget.take(three))
        budget.release()
        budget.endTurn(two)
        #expect(third.heard == ["room"])
        budget.leave(three)
        #expect(budget.take(two))
    }

    @Test("A worker that becomes idle later is sent away for those who wait")
    func lateIdle() {
        let budget = WorkerBudget(max: 1)
        let (first, second) = (Listener(), Listener())
        let (one, two) = (first.join(budget), second.join(budget))
        #expect(budget.take(one))
        #expect(!budget.take(two))
        #expect(first.heard.isEmpty)
        budget.setIdle(one, since: .now)
        #expect(first.heard == ["evict"])
        // It had work again in the meantime: asked once more when it is idle again.
        budget.keptWorker()
        budget.setIdle(one, since: .now)
        #expect(first.heard == ["evict", "evict"])
    }

    @Test("A thousand functions share fifty workers, and each answers")
    func thousand() async throws {
        let folder = try FunctionFolder()
        try folder.write("workersMax: 50\nwatch: off", to: "host.yaml")
        // Small and quick to start: what is looked at here is the host.
        let worker = """
            #!/usr/bin/perl
            $| = 1; binmode STDIN; binmode STDOUT;
            sub put { my ($h, $p) = @_; print pack("NN", 4 + length($h) + length($p), length($h)), $h, $p; }
            put('{"kind":"ready"}', "");
            while (read(STDIN, my $l, 8) == 8) {
                my ($n, $m) = unpack("NN", $l); read(STDIN, my $b, $n - 4);
                my $h = substr($b, 0, $m);
                last if $h =~ /"shutdown"/;
                put('{"kind":"reply","call":' . $1 . '}', substr($b, $m)) if $h =~ /"call":(\\d+)/;
            }
            """
        try folder.write(worker, to: "worker", executable: true)
        for number in 0..<1_000 {
            try folder.write(
                "service: T\nfunction: f\(number)\nruntime: swift\nhandler: \(folder.path)/worker",
                to: "\(number)/function.yaml")
        }
        let before = Self.residentMegabytes
        try await TestHost.with(folder, weight: HostSlots.all) { host in
            #expect(host.bus.served.count == 1_000)
            let most = Peak()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<1_000 {
                    if number >= 100 { try await group.next() }
                    group.addTask {
                        let reply = try await host.bus.invoke("T/f\(number)", [1], within: .seconds(100)).get()
                        #expect(reply.payload == [1])
                        most.note(host.host.workers.alive)
                        // Reading the whole list costs more than a call.
                        if number % 100 == 50 { most.note(Self.running(folder.path)) }
                    }
                }
                try await group.waitForAll()
            }
            #expect((1...50).contains(most.value))
            #expect(host.host.workers.refusals > 0)
            #expect(Self.residentMegabytes - before < 150)
        }
    }

    /// Processes that run the folder's worker, as the system lists them.
    private static func running(_ folder: String) -> Int {
        // A process that has ended meanwhile has no command line any more.
        let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return processes.count { process in
            guard Int(process) != nil else { return false }
            let command = try? String(contentsOfFile: "/proc/\(process)/cmdline", encoding: .utf8)
            return command?.contains("perl\0\(folder)/worker") == true
        }
    }

    private static var residentMegabytes: Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4_096 / 1_000_000
    }
}
