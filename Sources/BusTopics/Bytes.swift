// Topics are compared byte by byte ([MQTT-4.7.3-4]: no normalization). Swift compares strings by canonical equivalence
// and cuts them between graphemes, so that `é` equals `e` with an accent behind it, and a `/` before an accent is no
// `/`. Everything in this room that compares or cuts a topic therefore works on its bytes.

extension UnsafeRawBufferPointer {
    /// Hands over the levels of a topic, first to last; there is always at least one.
    func forEachLevel(_ body: (UnsafeRawBufferPointer) -> Void) {
        var start = 0
        repeat {
            var end = start
            while end < self.count, unsafe self[end] != UInt8(ascii: "/") { end += 1 }
            unsafe body(UnsafeRawBufferPointer(rebasing: self[start..<end]))
            start = end + 1
        } while start <= self.count
    }

    /// Eight bytes at a time: every publish comes by here.
    package func hasSameBytes(as other: UnsafeRawBufferPointer) -> Bool {
        guard self.count == other.count else { return false }
        var offset = 0
        while offset + 8 <= self.count {
            let word = unsafe self.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            guard unsafe word == other.loadUnaligned(fromByteOffset: offset, as: UInt64.self) else { return false }
            offset += 8
        }
        while offset < self.count {
            guard unsafe self[offset] == other[offset] else { return false }
            offset += 1
        }
        return true
    }

    /// Whether these bytes are one ASCII character.
    func isOnly(_ character: Unicode.Scalar) -> Bool {
        unsafe self.count == 1 && UInt32(self[0]) == character.value
    }
}

extension String {
    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        var text = self
        return text.withUTF8 { unsafe body(UnsafeRawBufferPointer($0)) }
    }

    func hasSameBytes(as other: String) -> Bool { self.utf8.elementsEqual(other.utf8) }

    func hashBytes(into hasher: inout Hasher) {
        var text = self
        text.withUTF8 { unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }

    /// The levels of a topic.
    var topicLevels: [Substring.UTF8View] {
        self.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    }
}

extension Substring.UTF8View {
    /// Whether these bytes are one ASCII character.
    func isOnly(_ character: Unicode.Scalar) -> Bool {
        guard let first = self.first, self.dropFirst().isEmpty else { return false }
        return UInt32(first) == character.value
    }
}
