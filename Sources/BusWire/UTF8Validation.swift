/// Checks strings as the specification asks (1.5.4): well-formed UTF-8, hence no surrogates and no overlong forms
/// [MQTT-1.5.4-1], and no U+0000 [MQTT-1.5.4-2]. Control characters and non-characters are accepted.
///
/// Topics are nearly always ASCII, so eight bytes are looked at a time: with every high bit clear, subtracting one
/// from each byte sets a high bit exactly if one of them is zero.
enum UTF8Validation {
    enum Verdict {
        case wellFormed
        case illFormed
        case holdsNull
    }

    static func verdict(on bytes: Span<UInt8>, from start: Int, to end: Int) -> Verdict {
        let highs: UInt64 = 0x8080_8080_8080_8080
        let ones: UInt64 = 0x0101_0101_0101_0101
        var index = start
        while index < end {
            if end - index >= 8 {
                let word = unsafe bytes.bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
                if ((word &- ones) | word) & highs == 0 {
                    index += 8
                    continue
                }
            }
            let byte = bytes[index]
            guard byte != 0 else { return .holdsNull }
            guard byte >= 0x80 else {
                index += 1
                continue
            }
            let length = self.sequenceLength(bytes, at: index, end: end)
            guard length > 0 else { return .illFormed }
            index += length
        }
        return .wellFormed
    }

    /// The length of the well-formed sequence of two to four bytes at `start`, or 0 (Unicode, table 3-7).
    private static func sequenceLength(_ bytes: Span<UInt8>, at start: Int, end: Int) -> Int {
        let lead = bytes[start]
        let length: Int
        // The second byte of some leads is restricted: that is what rules out overlong forms and surrogates.
        let second: ClosedRange<UInt8>
        switch lead {
        case 0xC2...0xDF: (length, second) = (2, 0x80...0xBF)
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: (length, second) = (3, 0x80...0xBF)
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: (length, second) = (4, 0x80...0xBF)
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        default: return 0
        }
        guard start + length <= end, second.contains(bytes[start + 1]) else { return 0 }
        for offset in 2..<4 where offset < length {
            guard bytes[start + offset] & 0xC0 == 0x80 else { return 0 }
        }
        return length
    }
}
