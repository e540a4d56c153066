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

    /// The outputs of the process have ended, and with that it is nearly gone: its exit code is worth a moment.
    ///
    /// Many programs close their outputs on the way out. Killing them right then would turn their exit code into a
    /// signal, and what a command says by that code would be lost.
    func leave(within grace: Duration) async {
        var pause = Duration.microseconds(200)
        var waited = Duration.zero
        while waited < grace, !self.hasExited {
            // The host is torn down: nobody asks for exit codes any more.
            guard (try? await Task.sleep(for: pause)) != nil else { break }
            waited += pause
            pause = min(pause * 2, .milliseconds(20))
        }
        self.ended()
    }

    private var hasExited: Bool {
        self.state.withLock { state in
            guard case .running(let leader) = state.process else { return true }
            var status = unsafe siginfo_t()
            // Only looks: the process is reaped by whoever started it. A failure means that it is reaped already.
            let code = unsafe waitid(P_PID, id_t(leader), &status, WEXITED | WNOHANG | WNOWAIT)
            return unsafe code != 0 || status.si_signo != 0
        }
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
