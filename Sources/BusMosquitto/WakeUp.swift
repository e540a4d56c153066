import Glibc
import Synchronization

/// Lets other threads end the sleep of the network thread; while it is awake that costs them one atomic exchange.
///
/// The sleeper says so before it looks for work a last time; whoever brings work afterwards finds it asleep and writes
/// a byte.
final class WakeUp: Sendable {
    /// Readable when the sleep is to end.
    let readEnd: Int32
    private let writeEnd: Int32
    private let isAsleep = Atomic(false)

    init() {
        var ends: [Int32] = [-1, -1]
        let result = unsafe pipe(&ends)
        precondition(result == 0, "the process has no file descriptors left")
        for end in ends {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
        self.readEnd = ends[0]
        self.writeEnd = ends[1]
    }

    deinit {
        close(self.readEnd)
        close(self.writeEnd)
    }

    func fallAsleep() {
        self.isAsleep.store(true, ordering: .sequentiallyConsistent)
    }

    /// - Parameter hasByte: whether the pipe was found readable; a byte that comes later ends the next sleep at once.
    func awake(hasByte: Bool) {
        self.isAsleep.store(false, ordering: .sequentiallyConsistent)
        guard hasByte else { return }
        var bytes: [UInt8] = Array(repeating: 0, count: 16)
        while unsafe read(self.readEnd, &bytes, bytes.count) == bytes.count {}
    }

    var isSleeping: Bool { self.isAsleep.load(ordering: .relaxed) }

    func signal() {
        guard self.isAsleep.exchange(false, ordering: .sequentiallyConsistent) else { return }
        var byte: UInt8 = 1
        // A full pipe wakes it as well.
        _ = unsafe write(self.writeEnd, &byte, 1)
    }
}
