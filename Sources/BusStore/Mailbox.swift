import BusCore
import Glibc
import Synchronization

/// Some of what was appended, in order: as much as one transaction should hold.
struct Mail {
    var changes: [[StoreChange]] = []
    var bytes = 0
    /// The number of the latest append in it.
    var lastNumber: UInt64 = 0

    /// A transaction above this gains nothing, and keeps those waiting who were first in it.
    static let bytesMax = 4 << 20
}

/// Between the threads that append and the one that writes. Putting something in never waits for the disk, and wakes the
/// writer only when it sleeps: while a commit runs, any number of appends cost no system call.
@safe final class Mailbox: Sendable {
    private struct State {
        var mail: [Mail] = []
        var isWriterAsleep = false
        var isClosing = false
        var isShut = false
    }

    private let state = Mutex(State())
    private let waitingBytes = Atomic<Int>(0)
    // A semaphore is made for several threads; it is destroyed after the writer was joined.
    private nonisolated(unsafe) let wake: UnsafeMutablePointer<sem_t>

    init() {
        unsafe self.wake = .allocate(capacity: 1)
        unsafe self.wake.initialize(to: sem_t())
        unsafe sem_init(self.wake, 0, 0)
    }

    deinit {
        unsafe sem_destroy(self.wake)
        unsafe self.wake.deallocate()
    }

    /// Bytes of changes whose commit is not yet reported.
    var backlogBytes: Int { self.waitingBytes.load(ordering: .relaxed) }

    /// Drops the changes when the store is shut.
    func put(_ changes: [StoreChange], number: UInt64) {
        let bytes = changes.reduce(0) { $0 + $1.approximateBytes }
        let mustWake = self.state.withLock { state in
            guard !state.isShut else { return false }
            self.waitingBytes.add(bytes, ordering: .relaxed)
            if state.mail.last.map({ $0.bytes >= Mail.bytesMax }) ?? true { state.mail.append(Mail()) }
            let last = state.mail.count - 1
            state.mail[last].changes.append(changes)
            state.mail[last].bytes += bytes
            state.mail[last].lastNumber = number
            defer { state.isWriterAsleep = false }
            return state.isWriterAsleep
        }
        if mustWake { unsafe sem_post(self.wake) }
    }

    /// Tells the writer to finish. Nothing put in afterwards is taken.
    func close() {
        self.state.withLock { state in
            state.isClosing = true
            state.isShut = true
        }
        unsafe sem_post(self.wake)
    }

    /// The store has failed: what waits is forgotten, and so is everything that comes.
    func shut() {
        let forgotten = self.state.withLock { state in
            state.isShut = true
            defer { state.mail = [] }
            return state.mail
        }
        self.waitingBytes.store(0, ordering: .relaxed)
        _ = forgotten
    }

    func settled(bytes: Int) {
        self.waitingBytes.subtract(bytes, ordering: .relaxed)
    }

    // MARK: The writer's side

    var isQuiet: Bool { self.state.withLock { $0.mail.isEmpty } }
    var isClosing: Bool { self.state.withLock { $0.isClosing } }

    /// The oldest mail; sleeps while there is none. Nil when there is none and there will be none.
    func take() -> Mail? {
        while true {
            let (mail, isOver): (Mail?, Bool) = self.state.withLock { state in
                guard state.mail.isEmpty else { return (state.mail.removeFirst(), false) }
                state.isWriterAsleep = !state.isClosing
                return (nil, state.isClosing)
            }
            if mail != nil || isOver { return mail }
            // Also returns early when a signal comes; the loop looks again.
            unsafe sem_wait(self.wake)
        }
    }

    /// All mail there is after a pause, which `close` cuts short to a few hundredths of a second.
    func takeAll(after pause: Duration) -> [Mail] {
        let end = ContinuousClock.now + pause
        while ContinuousClock.now < end, !self.isClosing { usleep(20_000) }
        return self.state.withLock { state in
            defer { state.mail = [] }
            return state.mail
        }
    }
}
