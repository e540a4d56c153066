import Glibc
import Logging
import Subprocess
import Synchronization
import SystemPackage

/// The process groups of all workers of a host: measured while they live, and ended when the host dies without a word.
///
/// A host that is killed runs no code any more, so a shell of its own stands by: it knows the groups, reads a pipe of
/// which only the host holds the other end, and kills what is left when that end closes. A parent-death signal would
/// reach the workers only, not what they started, and fires when the thread that started them ends.
final class ProcessRegistry: Sendable {
    struct Group: Sendable {
        var memoryBytes: Int
        var processesMax: Int
        var link: WorkerLink
    }

    private struct State {
        var groups: [pid_t: Group] = [:]
    }

    /// How often the groups are measured.
    private static let measureEvery = Duration.seconds(1)

    private let state = Mutex(State())
    private let notes: AsyncStream<String>
    private let note: AsyncStream<String>.Continuation
    private let logger: Logger

    init(logger: Logger) {
        self.logger = logger
        (self.notes, self.note) = AsyncStream.makeStream(of: String.self)
    }

    var count: Int { self.state.withLock { $0.groups.count } }

    func add(_ leader: pid_t, _ group: Group) {
        self.state.withLock { $0.groups[leader] = group }
        self.note.yield("+ \(leader)\n")
    }

    func remove(_ leader: pid_t) {
        self.state.withLock { $0.groups[leader] = nil }
        self.note.yield("- \(leader)\n")
    }

    /// Until `finish`, or the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.measureForEver() }
            await self.standBy()
            group.cancelAll()
        }
    }

    /// No group is left, and none will come.
    func finish() {
        self.note.finish()
    }

    // MARK: Standing by

    private static let script = """
        groups=' '
        while read -r sign leader; do
            case $sign in
            +) groups="$groups$leader " ;;
            -) case $groups in
                *" $leader "*) groups="${groups%%" $leader "*} ${groups#*" $leader "}" ;;
                esac ;;
            esac
        done
        for leader in $groups; do kill -9 "-$leader"; done
        """

    private func standBy() async {
        var options = PlatformOptions()
        // A group of its own: whatever ends the host's group must not end this as well.
        options.processGroupID = 0
        do {
            _ = try await Subprocess.run(
                .path("/bin/sh"), arguments: ["-c", Self.script], environment: .custom([:]),
                platformOptions: options, input: .inputWriter, output: .discarded, error: .discarded
            ) { execution in
                for await note in self.notes {
                    guard try await execution.standardInputWriter.write(note) > 0 else { break }
                }
                try await execution.standardInputWriter.finish()
            }
        } catch {
            // Everything else works without it.
            self.logger.warning("nobody stands by to end the workers if this host is killed: \(error)")
            for await _ in self.notes {}
        }
    }

    // MARK: Measuring

    private func measureForEver() async {
        // Ends with the cancellation that interrupts the sleep.
        while (try? await Task.sleep(for: Self.measureEvery)) != nil { self.measure() }
    }

    private func measure() {
        let groups = self.state.withLock { $0.groups }
        guard !groups.isEmpty else { return }
        for (leader, usage) in ProcessUsage.ofGroups(Set(groups.keys)) {
            guard let group = groups[leader], let excess = Self.excess(usage, group) else { continue }
            group.link.kill(because: excess)
        }
    }

    static func excess(_ usage: ProcessUsage, _ group: Group) -> String? {
        if usage.processes > group.processesMax {
            return "it ran \(usage.processes) processes at a time (`limits.processes` is \(group.processesMax))"
        }
        if usage.memoryBytes > group.memoryBytes {
            return "it took \(usage.memoryBytes / 1_000_000) MB of memory with what it started "
                + "(`memory` is \(group.memoryBytes / 1_000_000) MB)"
        }
        return nil
    }
}
