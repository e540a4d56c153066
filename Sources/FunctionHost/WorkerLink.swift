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

    let outbox: AsyncStream<[UInt8]>
    private let sender: AsyncStream<[UInt8]>.Continuation
    private let process = Mutex(Process.coming)

    init() {
        // Bounded by the calls that the pool gives to this worker and by the operations it may have open.
        (self.outbox, self.sender) = AsyncStream.makeStream(of: [UInt8].self)
    }

    func send(_ frame: [UInt8]) {
        self.sender.yield(frame)
    }

    /// Closes the worker's stdin after the frames that wait.
    func finish() {
        self.sender.finish()
    }

    /// Kills the worker's whole process group: what it started goes with it.
    func kill() {
        self.process.withLock { process in
            switch process {
            case .coming: process = .killedBeforeStart
            case .running(let leader): Self.killGroup(leader)
            case .killedBeforeStart, .gone: break
            }
        }
        self.sender.finish()
    }

    /// - Returns: False when the worker was killed before it came up.
    func started(_ identifier: pid_t) -> Bool {
        self.process.withLock { process in
            if case .killedBeforeStart = process {
                Self.killGroup(identifier)
                return false
            }
            process = .running(identifier)
            return true
        }
    }

    /// The process ended and is about to be reaped: from here on its number may mean something else.
    /// Whatever it left behind in its group is killed.
    func ended() {
        self.process.withLock { process in
            if case .running(let leader) = process { Self.killGroup(leader) }
            process = .gone
        }
        self.sender.finish()
    }

    private static func killGroup(_ leader: pid_t) {
        // ESRCH, the only likely failure, means that nobody is left to kill.
        _ = Glibc.kill(-leader, SIGKILL)
    }
}
