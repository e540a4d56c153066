/// Reading the field types of MQTT (1.5 in both standards) out of bounds-checked memory.
extension Span where Element == UInt8 {
    func uint16(at index: Int) -> UInt16 {
        UInt16(self[index]) << 8 | UInt16(self[index + 1])
    }

    func uint32(at index: Int) -> UInt32 {
        UInt32(self.uint16(at: index)) << 16 | UInt32(self.uint16(at: index + 2))
    }

    /// Whether all of it is well-formed UTF-8, U+0000 included.
    var isUTF8: Bool {
        do {
            _ = try UTF8Span(validating: self)
            return true
        } catch {
            return false
        }
    }
}

/// A variable byte integer as found on the wire (MQTT 5.0, 1.5.5).
struct VariableByteInteger {
    /// The largest value that four bytes of seven bits hold.
    static let maximum = 268_435_455

    var value: Int
    var byteCount: Int

    /// False when a shorter encoding exists, which MQTT 5.0 forbids [MQTT-1.5.5-1].
    var isMinimal: Bool {
        self.byteCount == Self.byteCount(of: self.value)
    }

    static func byteCount(of value: Int) -> Int {
        if value < 128 { return 1 }
        if value < 16_384 { return 2 }
        if value < 2_097_152 { return 3 }
        // Five would be too long for any packet, which is how a caller finds out.
        return value <= self.maximum ? 4 : 5
    }

    enum Reading {
        case complete(VariableByteInteger)
        case needsMoreBytes
        case tooLong
    }

    static func read(_ bytes: Span<UInt8>, at start: Int, end: Int) -> Reading {
        var value = 0
        var byteCount = 0
        while byteCount < 4 {
            guard start + byteCount < end else { return .needsMoreBytes }
            let byte = bytes[start + byteCount]
            value |= Int(byte & 0x7F) << (7 * byteCount)
            byteCount += 1
            if byte & 0x80 == 0 { return .complete(VariableByteInteger(value: value, byteCount: byteCount)) }
        }
        return .tooLong
    }
}
