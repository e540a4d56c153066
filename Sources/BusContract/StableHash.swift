/// FNV-1a with a final mix: the same in every process, for choices that must not move with it.
package struct StableHash {
    private var hash: UInt64 = 0xCBF2_9CE4_8422_2325

    package init() {}

    package mutating func combine(_ text: String) {
        for byte in text.utf8 { self.combine(byte) }
    }

    package mutating func combine(_ bytes: [UInt8]) {
        for byte in bytes { self.combine(byte) }
    }

    package mutating func combine(_ number: UInt32) {
        for shift in [0, 8, 16, 24] { self.combine(UInt8(truncatingIfNeeded: number >> UInt32(shift))) }
    }

    package mutating func combine(_ byte: UInt8) {
        self.hash = (self.hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
    }

    /// All 64 bits.
    package var bits: UInt64 {
        let mixed = (self.hash ^ self.hash >> 33) &* 0xFF51_AFD7_ED55_8CCD
        return mixed ^ mixed >> 33
    }

    /// Never negative.
    package var value: Int { Int(truncatingIfNeeded: self.bits >> 1) }
}
