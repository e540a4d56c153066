/// A check value over the columns of one row, so that a flipped bit on the disk is noticed when the row is read:
/// SQLite itself checks the log but not the database file.
///
/// Each step is a bijection of the state for a given word, so that one changed word always changes the 64-bit result;
/// folding to 32 bits lets one change in 2³² through.
struct Seal {
    private var state: UInt64 = 0x9E37_79B9_7F4A_7C15

    mutating func add(_ word: UInt64) {
        self.state = (self.state ^ word) &* 0xFF51_AFD7_ED55_8CCD
        self.state ^= self.state >> 32
    }

    /// NULL: two words, so that no integer is the same.
    mutating func addNothing() {
        self.add(.max)
        self.add(.max)
    }

    mutating func add(_ bytes: RawSpan) {
        self.add(UInt64(bytes.byteCount))
        var offset = 0
        while offset + 8 <= bytes.byteCount {
            // In bounds by the loop's condition; read byte order is the machine's, which is little-endian everywhere
            // that this runs.
            self.add(unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        guard offset < bytes.byteCount else { return }
        var rest: UInt64 = 0
        while offset < bytes.byteCount {
            rest = rest << 8 | UInt64(unsafe bytes.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self))
            offset += 1
        }
        self.add(rest)
    }

    /// Mixed once more before it is folded: without that, the top bits of the last word would not reach the result.
    var value: UInt32 {
        var mixed = self.state ^ self.state >> 33
        mixed = mixed &* 0xC4CE_B9FE_1A85_EC53
        return UInt32(truncatingIfNeeded: mixed ^ mixed >> 33)
    }
}
