// `timespec` belongs to whichever of the two modules the compiler reads first.
import CPolling
import Glibc

/// Time for measurements, in nanoseconds since an arbitrary instant; never set back.
enum MonotonicClock {
    static func now() -> UInt64 { Self.read(CLOCK_MONOTONIC) }

    /// CPU time that this process has used.
    static func processorTime() -> UInt64 { Self.read(CLOCK_PROCESS_CPUTIME_ID) }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
