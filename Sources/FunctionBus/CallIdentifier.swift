import Glibc

/// Correlation data: a UUID of version 7 (RFC 9562), whose first 48 bits are the time, so that logs sort by it.
enum CallIdentifier {
    static func make() -> [UInt8] {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        let milliseconds = UInt64(now.tv_sec) * 1000 + UInt64(now.tv_nsec) / 1_000_000
        var generator = SystemRandomNumberGenerator()
        let first = milliseconds << 16 | 0x7000 | generator.next() & 0x0FFF
        let second = generator.next() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        return (0..<16).map { index in
            UInt8(truncatingIfNeeded: (index < 8 ? first : second) >> UInt64(56 - 8 * (index % 8)))
        }
    }
}
