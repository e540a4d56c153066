import Glibc
import Synchronization

/// Correlation data: a UUID of version 7 (RFC 9562), whose first 48 bits are the time, so that logs sort by it.
enum CallIdentifier {
    /// The system is asked for the randomness of many at a time: each question costs as much as the rest of it.
    private static let random = Mutex<[UInt64]>([])
    private static let drawnAtOnce = 32

    static func make() -> [UInt8] {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        let milliseconds = UInt64(now.tv_sec) * 1000 + UInt64(now.tv_nsec) / 1_000_000
        let (upper, lower) = Self.draw()
        let first = milliseconds << 16 | 0x7000 | upper & 0x0FFF
        let second = lower & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        return (0..<16).map { index in
            UInt8(truncatingIfNeeded: (index < 8 ? first : second) >> UInt64(56 - 8 * (index % 8)))
        }
    }

    private static func draw() -> (UInt64, UInt64) {
        Self.random.withLock { random in
            if random.count < 2 {
                random.append(contentsOf: repeatElement(0, count: Self.drawnAtOnce))
                let result = unsafe random.withUnsafeMutableBytes { unsafe getentropy($0.baseAddress, $0.count) }
                precondition(result == 0, "the system gives no randomness")
            }
            return (random.removeLast(), random.removeLast())
        }
    }
}
