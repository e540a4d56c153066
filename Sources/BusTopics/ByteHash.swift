/// A hash of short byte strings: eight bytes a step, multiplied and folded.
///
/// Clients choose the levels of topics, so both halves of the key come from a seed that they don't know: otherwise one
/// of them could send names that all fall on the same place of a table.
struct ByteHash: Sendable {
    private let key: UInt64
    private let multiplier: UInt64

    init(seed: UInt64) {
        self.key = seed ^ 0xE703_7ED1_A0B4_28DB
        // Odd, so that no bit of a word is multiplied away.
        self.multiplier = Self.fold(self.key, 0x8EBC_6AF0_9C88_C6E3) | 1
    }

    func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var hash = self.key ^ UInt64(truncatingIfNeeded: bytes.count) &* 0xA076_1D64_78BD_642F
        var offset = 0
        while offset + 8 <= bytes.count {
            let word = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            hash = Self.fold(hash ^ word, self.multiplier)
            offset += 8
        }
        var tail: UInt64 = 0
        while offset < bytes.count {
            tail = tail << 8 | UInt64(unsafe bytes[offset])
            offset += 1
        }
        return Self.fold(hash ^ tail, self.multiplier)
    }

    func hash(_ word: UInt64) -> UInt64 { Self.fold(word ^ self.key, self.multiplier) }

    /// The high and the low half of a 128-bit product, folded: every bit of a word reaches every bit of the result.
    private static func fold(_ word: UInt64, _ multiplier: UInt64) -> UInt64 {
        let product = word.multipliedFullWidth(by: multiplier)
        return product.high ^ product.low
    }
}
