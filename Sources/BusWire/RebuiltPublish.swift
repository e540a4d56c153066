package import NIOCore

/// Making one message out of another without taking its properties apart and together again.
extension Publish {
    /// A message with the payload of this one, built in one buffer.
    ///
    /// - Parameters:
    ///   - topic: `nil` for this one's.
    ///   - growth: how many bytes longer than this one's the property block may become without another allocation.
    ///   - properties: writes the property block and nothing else.
    package func rebuilt(
        topic: ByteBuffer? = nil, growth: Int, properties: (inout ByteBuffer) -> Void
    ) -> Publish {
        let topic = topic ?? self.topicBytes
        let topicLength = topic.readableBytes
        precondition(topicLength <= UInt16.max, "a topic holds at most 65535 bytes; topic names are checked when made")
        let payload = self.payload
        var content = ByteBufferAllocator().buffer(
            capacity: topicLength + self.propertiesByteCount + growth + payload.readableBytes)
        content.writeImmutableBuffer(topic)
        properties(&content)
        let length = content.readableBytes - topicLength
        let findings = PropertyFindings(
            content.readableBytesUInt8Span.extracting(topicLength..<topicLength + length))
        content.writeImmutableBuffer(payload)
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

    /// The bytes of the property block, without its length; shares storage.
    package var propertyBlock: ByteBuffer { self.properties.encoded }
}

extension Properties {
    /// Whether the text of a property is this one, without making a string of it.
    package func isText(_ property: EncodedProperty, _ text: String) -> Bool {
        let start = property.valueStart + 2
        guard property.end - start == text.utf8.count else { return false }
        let bytes = self.encoded.readableBytesUInt8Span
        var index = start
        for unit in text.utf8 {
            guard bytes[index] == unit else { return false }
            index += 1
        }
        return true
    }

    /// The name of a user property when it begins like those of the call protocol, `fc-` or `__`; `nil` for all others,
    /// which are only passed on.
    package func protocolName(_ property: EncodedProperty) -> String? {
        let bytes = self.encoded.readableBytesUInt8Span
        let start = property.valueStart + 2
        let length = Int(bytes.uint16(at: property.valueStart))
        guard length > 2 else { return nil }
        let isOurs = bytes[start] == UInt8(ascii: "f") && bytes[start + 1] == UInt8(ascii: "c")
        guard isOurs || (bytes[start] == UInt8(ascii: "_") && bytes[start + 1] == UInt8(ascii: "_")) else {
            return nil
        }
        return self.encoded.getString(at: self.encoded.readerIndex + start, length: length)
    }

    /// The value of a user property.
    package func userValue(_ property: EncodedProperty) -> String {
        let bytes = self.encoded.readableBytesUInt8Span
        let start = property.valueStart + 2 + Int(bytes.uint16(at: property.valueStart)) + 2
        return self.encoded.getString(at: self.encoded.readerIndex + start, length: property.end - start) ?? ""
    }

    /// The bytes from one place of the block to another; shares storage.
    package func bytes(_ start: Int, _ end: Int) -> ByteBufferView {
        let base = self.encoded.readerIndex
        return self.encoded.viewBytes(at: base + start, length: end - start) ?? ByteBufferView()
    }

    /// The bytes of correlation data or of another binary property.
    package func withBinary<R>(_ property: EncodedProperty, _ body: (UnsafeRawBufferPointer) -> R) -> R {
        unsafe self.encoded.withUnsafeReadableBytes { bytes in
            unsafe body(UnsafeRawBufferPointer(rebasing: bytes[(property.valueStart + 2)..<property.end]))
        }
    }
}

extension ByteBuffer {
    /// Writes a user property; name and value are text of the protocol's own, or were checked when they came in.
    package mutating func writeUserProperty(_ name: String, _ value: String) {
        self.writeProperty(.userProperty(name: name, value: value))
    }

    /// The same with a number as its value, without making text of it first.
    package mutating func writeUserProperty(_ name: String, _ value: UInt64) {
        self.writeInteger(PropertyIdentifier.userProperty.rawValue)
        self.writeInteger(UInt16(name.utf8.count))
        self.writeString(name)
        var digits = 1
        var power: UInt64 = 1
        while value / power >= 10 {
            power *= 10
            digits += 1
        }
        self.writeInteger(UInt16(digits))
        while power > 0 {
            self.writeInteger(UInt8(ascii: "0") + UInt8(value / power % 10))
            power /= 10
        }
    }

    package mutating func writeMessageExpiry(_ seconds: UInt32) {
        self.writeInteger(PropertyIdentifier.messageExpiryInterval.rawValue)
        self.writeInteger(seconds)
    }

    /// Any other property.
    package mutating func writeAny(_ property: Property) {
        self.writeProperty(property)
    }
}
