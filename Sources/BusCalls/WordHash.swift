/// A hash over words of eight bytes: a handful of instructions for a key that the standard library's hasher takes a few
/// hundred for. The seed keeps outsiders, who choose the names of calls, from choosing names that meet.
struct WordHash {
    private(set) var value: UInt64

    init(seed: UInt64) {
        self.value = seed ^ 0xCBF2_9CE4_8422_2325
    }

    mutating func combine(_ word: UInt64) {
        self.value = (self.value ^ word) &* 0x9E37_79B9_7F4A_7C15
        self.value ^= self.value >> 32
    }

    mutating func combine(_ bytes: UnsafeRawBufferPointer) {
        self.combine(UInt64(truncatingIfNeeded: bytes.count))
        var offset = 0
        while offset + 8 <= bytes.count {
            self.combine(unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        guard offset < bytes.count else { return }
        var tail: UInt64 = 0
        while offset < bytes.count {
            tail = tail << 8 | UInt64(unsafe bytes[offset])
            offset += 1
        }
        self.combine(tail)
    }

    mutating func combine(_ bytes: [UInt8]) {
        unsafe bytes.withUnsafeBytes { unsafe self.combine($0) }
    }

    mutating func combine(_ text: String) {
        var text = text
        text.withUTF8 { unsafe self.combine(UnsafeRawBufferPointer($0)) }
    }
}
