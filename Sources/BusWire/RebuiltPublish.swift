package import NIOCore

/// Making one message out of another without taking its properties apart and together again.
extension Publish {
    /// A message with the payload of this one, built in one buffer with one pass over the bytes.
    ///
    /// - Parameters:
    ///   - topic: `nil` for this one's.
    ///   - growth: the most bytes that `adding` writes.
    ///   - isDropped: which properties of the block are left out; the others keep their order.
    ///   - adding: writes further properties.
    package func rebuilt(
        topic: ByteBuffer? = nil, growth: Int,
        without isDropped: (Span<UInt8>, Properties.EncodedProperty) -> Bool, adding: (inout PropertyWriter) -> Void
    ) -> Publish {
        let topicLength = topic?.readableBytes ?? self.topicLength
        precondition(topicLength <= UInt16.max, "a topic holds at most 65535 bytes; topic names are checked when made")
        let capacity = topicLength + self.propertiesByteCount + growth + self.payloadLength
        var content = ByteBufferAllocator().buffer(capacity: capacity)
        var length = 0
        var findings = PropertyFindings()
        unsafe self.content.withUnsafeReadableBytes { source in
            _ = unsafe content.writeWithUnsafeMutableBytes(minimumWritableBytes: capacity) { target in
                var writer = unsafe PropertyWriter(target)
                if let topic {
                    unsafe topic.withUnsafeReadableBytes { unsafe writer.write($0) }
                } else {
                    unsafe writer.write(UnsafeRawBufferPointer(rebasing: source[..<topicLength]))
                }
                let end = self.payloadOffset
                let block = unsafe UnsafeRawBufferPointer(rebasing: source[self.blockOffset..<end])
                writer.beginProperties()
                unsafe writer.copy(block, without: isDropped)
                adding(&writer)
                length = writer.count - topicLength
                findings = writer.findings
                unsafe writer.write(UnsafeRawBufferPointer(rebasing: source[end...]))
                return writer.count
            }
        }
        var rebuilt = Publish(
            content: content,
            layout: Layout(
                topicLength: topicLength, propertiesOffset: topicLength, propertiesLength: length, findings: findings),
            qos: self.qos)
        rebuilt.isRetained = self.isRetained
        rebuilt.isDuplicate = self.isDuplicate
        rebuilt.packetIdentifier = self.packetIdentifier
        return rebuilt
    }

    /// Calls `body` with the property block and each property in it, in order.
    package func forEachProperty(_ body: (Span<UInt8>, Properties.EncodedProperty) -> Void) {
        guard self.hasProperties else { return }
        let block = self.content.readableBytesUInt8Span.extracting(self.blockOffset..<self.payloadOffset)
        var position = 0
        while position < block.count {
            let property = block.encodedProperty(at: position)
            body(block, property)
            position = property.end
        }
    }
}

/// Writes properties one behind the other into memory that is known to suffice.
///
/// Safe to use: every write is checked against the end of the memory, which exists as long as the closure that is handed
/// the writer.
@safe package struct PropertyWriter {
    private let target: UnsafeMutableRawBufferPointer
    package private(set) var count = 0
    private var propertiesStart = 0
    /// What forwarding needs to know of the properties that were written: a second walk over them is spared.
    fileprivate private(set) var findings = PropertyFindings()

    init(_ target: UnsafeMutableRawBufferPointer) {
        unsafe self.target = target
    }

    mutating func write(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 0 else { return }
        unsafe precondition(
            bytes.count <= self.target.count - self.count, "whoever adds properties said how long they are")
        unsafe UnsafeMutableRawBufferPointer(rebasing: self.target[self.count...]).copyMemory(from: bytes)
        self.count += bytes.count
    }

    private mutating func write(_ byte: UInt8) {
        unsafe precondition(self.count < self.target.count, "whoever adds properties said how long they are")
        unsafe self.target[self.count] = byte
        self.count += 1
    }

    private mutating func write(_ integer: UInt16) {
        self.write(UInt8(integer >> 8))
        self.write(UInt8(truncatingIfNeeded: integer))
    }

    private mutating func write(_ text: String) {
        self.write(UInt16(text.utf8.count))
        let isWritten: Void? = unsafe text.utf8.withContiguousStorageIfAvailable {
            unsafe self.write(UnsafeRawBufferPointer($0))
        }
        // Only text that came from outside of Swift lies in pieces.
        if isWritten == nil { for byte in text.utf8 { self.write(byte) } }
    }

    fileprivate mutating func beginProperties() {
        self.propertiesStart = self.count
    }

    /// Copies a block in runs as long as they come.
    mutating func copy(
        _ block: UnsafeRawBufferPointer, without isDropped: (Span<UInt8>, Properties.EncodedProperty) -> Bool
    ) {
        let span = unsafe block.assumingMemoryBound(to: UInt8.self).span
        var position = 0
        var runStart = 0
        while position < span.count {
            let property = span.encodedProperty(at: position)
            if isDropped(span, property) {
                unsafe self.write(UnsafeRawBufferPointer(rebasing: block[runStart..<position]))
                runStart = property.end
            } else {
                self.findings.note(
                    span, property, at: self.count - self.propertiesStart + property.valueStart - runStart)
            }
            position = property.end
        }
        unsafe self.write(UnsafeRawBufferPointer(rebasing: block[runStart..<position]))
    }

    // MARK: Properties

    /// A user property; name and value are text of the protocol's own, or were checked when they came in.
    package mutating func write(_ name: String, _ value: String) {
        self.write(PropertyIdentifier.userProperty.rawValue)
        self.write(name)
        self.write(value)
    }

    /// The same with a number as its value, without making text of it first.
    package mutating func write(_ name: String, _ value: UInt64) {
        self.write(PropertyIdentifier.userProperty.rawValue)
        self.write(name)
        var digits: UInt16 = 1
        var power: UInt64 = 1
        while value / power >= 10 {
            power *= 10
            digits += 1
        }
        self.write(digits)
        while power > 0 {
            self.write(UInt8(ascii: "0") + UInt8(value / power % 10))
            power /= 10
        }
    }

    package mutating func write(messageExpiry seconds: UInt32) {
        self.write(PropertyIdentifier.messageExpiryInterval.rawValue)
        self.findings.expiryOffset = self.count - self.propertiesStart
        self.write(UInt16(seconds >> 16))
        self.write(UInt16(truncatingIfNeeded: seconds))
    }

    package mutating func write(responseTopic topic: String) {
        self.write(PropertyIdentifier.responseTopic.rawValue)
        self.write(topic)
    }

    package mutating func write(correlation bytes: [UInt8]) {
        self.write(PropertyIdentifier.correlationData.rawValue)
        self.write(UInt16(bytes.count))
        for byte in bytes { self.write(byte) }
    }

    /// User properties that were encoded before.
    package mutating func write(encoded properties: Properties) {
        unsafe properties.encoded.withUnsafeReadableBytes { unsafe self.write($0) }
    }
}

extension UnsafeRawBufferPointer {
    /// Whether the first bytes are those of `text`, which is not longer. Eight at a time: every request is asked for its
    /// response topic.
    fileprivate func startsLike(_ text: UnsafeRawBufferPointer) -> Bool {
        var offset = 0
        while offset + 8 <= text.count {
            let word = unsafe self.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            guard unsafe word == text.loadUnaligned(fromByteOffset: offset, as: UInt64.self) else { return false }
            offset += 8
        }
        while offset < text.count {
            guard unsafe self[offset] == text[offset] else { return false }
            offset += 1
        }
        return true
    }
}

extension Span<UInt8> {
    /// Whether a string property, or the name of a user property, is this text.
    package func isText(_ property: Properties.EncodedProperty, _ text: String) -> Bool {
        let length = Int(self.uint16(at: property.valueStart))
        guard length == text.utf8.count else { return false }
        let start = property.valueStart + 2
        let bytes = self.extracting(start..<start + length)
        // Strings made by Swift lie in one piece; the walk over the others is several times slower.
        let isSame = unsafe text.utf8.withContiguousStorageIfAvailable { text in
            unsafe bytes.withUnsafeBytes { unsafe $0.startsLike(UnsafeRawBufferPointer(text)) }
        }
        return isSame ?? zip(start..., text.utf8).allSatisfy { self[$0] == $1 }
    }

    /// Whether the name of a user property begins like those of the call protocol, `fc-` or `__`: all others are only
    /// passed on.
    package func mayBeOfCalls(_ property: Properties.EncodedProperty) -> Bool {
        let start = property.valueStart + 2
        guard self.uint16(at: property.valueStart) > 2 else { return false }
        return (self[start] == UInt8(ascii: "f") && self[start + 1] == UInt8(ascii: "c"))
            || (self[start] == UInt8(ascii: "_") && self[start + 1] == UInt8(ascii: "_"))
    }

    /// The text of a string property, or the name of a user property.
    package func text(_ property: Properties.EncodedProperty) -> String {
        let start = property.valueStart + 2
        return self.string(start, start + Int(self.uint16(at: property.valueStart)))
    }

    /// The value of a user property.
    package func userValue(_ property: Properties.EncodedProperty) -> String {
        self.string(property.valueStart + 4 + Int(self.uint16(at: property.valueStart)), property.end)
    }

    /// The value of a user property where it is a decimal number.
    package func userNumber(_ property: Properties.EncodedProperty) -> UInt64? {
        let start = property.valueStart + 4 + Int(self.uint16(at: property.valueStart))
        guard start < property.end else { return nil }
        var number: UInt64 = 0
        for index in start..<property.end {
            let digit = self[index] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            let (product, isTooLarge) = number.multipliedReportingOverflow(by: 10)
            let (sum, isPast) = product.addingReportingOverflow(UInt64(digit))
            guard !isTooLarge, !isPast else { return nil }
            number = sum
        }
        return number
    }

    /// How many bytes a string, or the name of a user property has.
    package func textLength(_ property: Properties.EncodedProperty) -> Int {
        Int(self.uint16(at: property.valueStart))
    }

    package func integer(_ property: Properties.EncodedProperty) -> UInt32 { self.uint32(at: property.valueStart) }

    /// The bytes of correlation data.
    package func withBinary<R>(_ property: Properties.EncodedProperty, _ body: (UnsafeRawBufferPointer) -> R) -> R {
        unsafe self.extracting(property.valueStart + 2..<property.end).withUnsafeBytes { unsafe body($0) }
    }

    private func string(_ start: Int, _ end: Int) -> String {
        unsafe self.extracting(start..<end).withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }
}
