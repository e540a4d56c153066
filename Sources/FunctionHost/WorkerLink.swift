import Glibc
import Synchronization

/// The host's end of one worker: frames to it, and its kill switch.
///
/// Usable before the process exists and after it has gone, so that nobody has to know which moment it is.
final class WorkerLink: Sendable {
    private enum Process {
        case coming
        case killedBeforeStart
        case running(pid_t)
        case gone
    }

    private struct State {
        var process = Process.coming
        /// Why it was killed, where the kill has a reason of its own.
        var reason: String?
    }

    let outbox: AsyncStream<[UInt8]>
    private let sender: AsyncStream<[UInt8]>.Continuation
    private let state = Mutex(State())
    private let registry: ProcessRegistry
    private let memoryBytes: Int
    private let processesMax: Int

    init(_ manifest: FunctionManifest, _ registry: ProcessRegistry) {
        self.registry = registry
        self.memoryBytes = manifest.memoryBytes
        self.processesMax = manifest.limits.processes
        // Bounded by the calls that the pool gives to this worker and by the operations it may have open.
        (self.outbox, self.sender) = AsyncStream.makeStream(of: [UInt8].self)
    }

    var killReason: String? { self.state.withLock { $0.reason } }

    func send(_ frame: [UInt8]) {
        self.sender.yield(frame)
    }

    /// Closes the worker's stdin after the frames that wait.
    func finish() {
        self.sender.finish()
    }

    /// Kills the worker's whole process group: what it started goes with it.
    /// - Parameter reason: What its callers are told, if the kill is no answer to something they know already.
    func kill(because reason: String? = nil) {
        self.state.withLock { state in
            if state.reason == nil { state.reason = reason }
            switch state.process {
            case .coming: state.process = .killedBeforeStart
            case .running(let leader): Self.signal(leader, SIGKILL)
            case .killedBeforeStart, .gone: break
            }
        }
        self.sender.finish()
    }

    /// Asks the whole group to end.
    func terminate() {
        self.state.withLock { state in
            if case .running(let leader) = state.process { Self.signal(leader, SIGTERM) }
        }
    }

    /// - Returns: False when the worker was killed before it came up.
    func started(_ identifier: pid_t) -> Bool {
        self.state.withLock { state in
            if case .killedBeforeStart = state.process {
                Self.signal(identifier, SIGKILL)
                return false
            }
            state.process = .running(identifier)
            let group = ProcessRegistry.Group(
                memoryBytes: self.memoryBytes, processesMax: self.processesMax, link: self)
            self.registry.add(identifier, group)
            return true
        }
    }

    /// Waits until the process has ended, without reaping it.
    func leaderEnded() async {
        guard case .running(let leader) = self.state.withLock({ $0.process }) else { return }
        var pause = Duration.microseconds(100)
        while !Self.hasEnded(leader) {
            // A sleep that is cut short by a cancellation ends the wait: whoever cancelled has ended the process.
            guard (try? await Task.sleep(for: pause)) != nil else { return }
            pause = min(pause * 2, .milliseconds(20))
        }
    }

    private static func hasEnded(_ leader: pid_t) -> Bool {
        var found = unsafe siginfo_t()
        let result = unsafe waitid(P_PID, id_t(leader), &found, WEXITED | WNOHANG | WNOWAIT)
        // No such child: somebody has reaped it.
        return unsafe result != 0 || found.si_signo == SIGCHLD
    }

    /// The process ended and is about to be reaped: from here on its number may mean something else.
    /// Whatever it left behind in its group is killed.
    func ended() {
        self.state.withLock { state in
            if case .running(let leader) = state.process {
                Self.signal(leader, SIGKILL)
                self.registry.remove(leader)
            }
            state.process = .gone
        }
        self.sender.finish()
    }

    private static func signal(_ leader: pid_t, _ signal: Int32) {
        // ESRCH, the only likely failure, means that nobody is left to hear it.
        _ = Glibc.kill(-leader, signal)
    }
}
