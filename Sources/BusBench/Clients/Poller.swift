import CPolling
import Glibc

/// Waits for sockets and for an instant: one epoll set with a timer in it, since the timeout of epoll counts in
/// milliseconds.
final class Poller {
    struct Event {
        var token: Int
        var isReadable: Bool
        var isWritable: Bool
    }

    private static let timerToken = UInt64.max
    private let set: Int32
    private let timer: Int32
    private var ready = Array(repeating: cpolling_event(), count: Int(CPOLLING_CAPACITY))

    init() throws(BenchFailure) {
        self.set = epoll_create1(Int32(EPOLL_CLOEXEC))
        self.timer = timerfd_create(CLOCK_MONOTONIC, Int32(TFD_NONBLOCK) | Int32(TFD_CLOEXEC))
        guard self.set >= 0, self.timer >= 0 else {
            throw BenchFailure("the kernel gives no epoll set: errno \(errno)")
        }
        guard cpolling_watch(self.set, EPOLL_CTL_ADD, self.timer, EPOLLIN.rawValue, Self.timerToken) == 0 else {
            throw BenchFailure("a timer cannot be watched: errno \(errno)")
        }
    }

    deinit {
        close(self.timer)
        close(self.set)
    }

    func add(_ descriptor: Int32, token: Int) throws(BenchFailure) {
        guard self.control(EPOLL_CTL_ADD, descriptor, token, wantsWrite: true) else {
            throw BenchFailure("a socket cannot be watched: errno \(errno)")
        }
    }

    func setWantsWrite(_ wantsWrite: Bool, _ descriptor: Int32, token: Int) {
        // The descriptor is open and in the set, so this cannot fail.
        _ = self.control(EPOLL_CTL_MOD, descriptor, token, wantsWrite: wantsWrite)
    }

    private func control(_ operation: Int32, _ descriptor: Int32, _ token: Int, wantsWrite: Bool) -> Bool {
        let events = EPOLLIN.rawValue | (wantsWrite ? EPOLLOUT.rawValue : 0)
        return cpolling_watch(self.set, operation, descriptor, events, UInt64(token)) == 0
    }

    /// Sleeps until a socket is ready or the instant has come; appends what is ready.
    func wait(until deadline: UInt64, into events: inout [Event]) {
        let now = MonotonicClock.now()
        var milliseconds: Int32 = 0
        if deadline > now {
            self.arm(deadline)
            milliseconds = Int32(min(1000, (deadline - now) / 1_000_000 + 1))
        }
        let count = unsafe self.ready.withUnsafeMutableBufferPointer { buffer in
            unsafe cpolling_wait(self.set, buffer.baseAddress, milliseconds)
        }
        guard count > 0 else { return }
        for index in 0..<Int(count) {
            let event = self.ready[index]
            guard event.token != Self.timerToken else {
                self.disarm()
                continue
            }
            let isBroken = event.events & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0
            events.append(
                Event(
                    token: Int(event.token), isReadable: isBroken || event.events & EPOLLIN.rawValue != 0,
                    isWritable: event.events & EPOLLOUT.rawValue != 0))
        }
    }

    private func arm(_ deadline: UInt64) {
        var time = itimerspec()
        time.it_value.tv_sec = Int(deadline / 1_000_000_000)
        time.it_value.tv_nsec = Int(deadline % 1_000_000_000)
        unsafe timerfd_settime(self.timer, Int32(TFD_TIMER_ABSTIME), &time, nil)
    }

    /// Takes the timer's tick, or it would wake the loop again and again.
    private func disarm() {
        var ticks: UInt64 = 0
        unsafe withUnsafeMutableBytes(of: &ticks) { bytes in
            _ = unsafe read(self.timer, bytes.baseAddress, bytes.count)
        }
    }
}
