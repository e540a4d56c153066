package import NIOCore

/// The property block of a packet exactly as encoded on the wire, without its length prefix; always valid.
///
/// Kept raw because a broker forwards most of it unchanged and in order [MQTT-3.3.2-18], and an empty block costs
/// nothing. A value is looked up by walking the block, which is short.
package struct Properties: Hashable, Sendable {
    /// The raw bytes.
    package private(set) var encoded: ByteBuffer

    package init() {
        self.encoded = ByteBuffer()
    }

    package init(_ properties: [Property]) {
        self.init()
        for property in properties {
            self.append(property)
        }
    }

    /// Trusts the caller that the bytes are a valid block.
    init(validated encoded: ByteBuffer) {
        self.encoded = encoded
    }

    package mutating func append(_ property: Property) {
        self.encoded.writeProperty(property)
    }

    package var isEmpty: Bool {
        self.encoded.readableBytes == 0
    }

    package var byteCount: Int {
        self.encoded.readableBytes
    }

    /// The value of the first user property of this name. Compares bytes and allocates nothing but the result.
    package func firstUserProperty(named name: String) -> String? {
        let bytes = self.encoded.readableBytesUInt8Span
        var position = 0
        while position < bytes.count {
            let property = bytes.encodedProperty(at: position)
            position = property.end
            guard property.identifier == .userProperty else { continue }
            let nameStart = property.valueStart + 2
            let nameLength = Int(bytes.uint16(at: property.valueStart))
            guard Self.isEqual(bytes, from: nameStart, count: nameLength, to: name) else { continue }
            let valueStart = nameStart + nameLength + 2
            return self.string(from: valueStart, to: property.end)
        }
        return nil
    }

    /// Calls `body` with each property's identifier and its bytes, identifier included, in order.
    package func forEachEncoded(_ body: (PropertyIdentifier, ByteBuffer) -> Void) {
        var position = 0
        while position < self.encoded.readableBytes {
            let property = self.encodedProperty(at: position)
            body(property.identifier, self.slice(from: position, to: property.end))
            position = property.end
        }
    }

    /// A block without the properties that `drop` names; what is left keeps its order.
    package func removing(_ drop: (PropertyIdentifier) -> Bool) -> Properties {
        var kept = ByteBuffer()
        self.forEachEncoded { identifier, bytes in
            guard !drop(identifier) else { return }
            kept.writeImmutableBuffer(bytes)
        }
        return kept.readableBytes == self.byteCount ? self : Properties(validated: kept)
    }

    /// A block in storage of its own, so that it does not keep a whole read buffer alive.
    package func compacted() -> Properties {
        self.isEmpty ? Properties() : Properties(validated: ByteBuffer(buffer: self.encoded))
    }
}

extension Properties: ExpressibleByArrayLiteral {
    package init(arrayLiteral elements: Property...) {
        self.init(elements)
    }
}

extension Properties: Sequence {
    package struct Iterator: IteratorProtocol {
        private let properties: Properties
        private var position = 0

        init(_ properties: Properties) {
            self.properties = properties
        }

        package mutating func next() -> Property? {
            guard self.position < self.properties.byteCount else { return nil }
            let encoded = self.properties.encodedProperty(at: self.position)
            self.position = encoded.end
            return self.properties.decoded(encoded)
        }
    }

    package func makeIterator() -> Iterator {
        Iterator(self)
    }
}

extension Properties {
    /// Where one property lies in a block.
    package struct EncodedProperty: Sendable {
        package var identifier: PropertyIdentifier
        package var valueStart: Int
        package var end: Int
    }

    func first(_ identifier: PropertyIdentifier) -> EncodedProperty? {
        let bytes = self.encoded.readableBytesUInt8Span
        var position = 0
        while position < bytes.count {
            let property = bytes.encodedProperty(at: position)
            if property.identifier == identifier { return property }
            position = property.end
        }
        return nil
    }

    /// The property that begins at `position`, which is 0 or the end of another one.
    package func encodedProperty(at position: Int) -> EncodedProperty {
        self.encoded.readableBytesUInt8Span.encodedProperty(at: position)
    }

    func byte(_ property: EncodedProperty) -> UInt8 {
        self.encoded.readableBytesUInt8Span[property.valueStart]
    }

    func uint16(_ property: EncodedProperty) -> UInt16 {
        self.encoded.readableBytesUInt8Span.uint16(at: property.valueStart)
    }

    package func uint32(_ property: EncodedProperty) -> UInt32 {
        self.encoded.readableBytesUInt8Span.uint32(at: property.valueStart)
    }

    func variableByteInteger(_ property: EncodedProperty) -> UInt32 {
        self.encoded.readableBytesUInt8Span.validVariableByteInteger(at: property.valueStart)
    }

    package func string(_ property: EncodedProperty) -> String {
        self.string(from: property.valueStart + 2, to: property.end)
    }

    package func binary(_ property: EncodedProperty) -> ByteBuffer {
        self.slice(from: property.valueStart + 2, to: property.end)
    }

    package func stringPair(_ property: EncodedProperty) -> (name: String, value: String) {
        let nameStart = property.valueStart + 2
        let nameEnd = nameStart + Int(self.uint16(property))
        return (self.string(from: nameStart, to: nameEnd), self.string(from: nameEnd + 2, to: property.end))
    }

    private func string(from start: Int, to end: Int) -> String {
        String(buffer: self.slice(from: start, to: end))
    }

    private func slice(from start: Int, to end: Int) -> ByteBuffer {
        let index = self.encoded.readerIndex + start
        guard let slice = self.encoded.getSlice(at: index, length: end - start) else {
            preconditionFailure("a property ends outside its block, which decoding and encoding rule out")
        }
        return slice
    }

    private static func isEqual(_ bytes: Span<UInt8>, from start: Int, count: Int, to text: String) -> Bool {
        guard count == text.utf8.count else { return false }
        var index = start
        for unit in text.utf8 {
            guard bytes[index] == unit else { return false }
            index += 1
        }
        return true
    }
}

extension Span where Element == UInt8 {
    /// The property at `position` of a block that is known to be valid.
    func encodedProperty(at position: Int) -> Properties.EncodedProperty {
        guard let identifier = PropertyIdentifier(rawValue: self[position]) else {
            preconditionFailure("a property block holds an unknown property, which decoding and encoding rule out")
        }
        let start = position + 1
        let end =
            switch identifier.form {
            case .byte: start + 1
            case .twoBytes: start + 2
            case .fourBytes: start + 4
            case .variableByteInteger: start + self.variableByteIntegerLength(at: start)
            case .string, .binary: self.endOfField(at: start)
            case .stringPair: self.endOfField(at: self.endOfField(at: start))
            }
        return Properties.EncodedProperty(identifier: identifier, valueStart: start, end: end)
    }

    func validVariableByteInteger(at start: Int) -> UInt32 {
        guard case .complete(let integer) = VariableByteInteger.read(self, at: start, end: self.count) else {
            preconditionFailure("a property block ends inside an integer, which decoding and encoding rule out")
        }
        return UInt32(integer.value)
    }

    private func variableByteIntegerLength(at start: Int) -> Int {
        var index = start
        while self[index] & 0x80 != 0 { index += 1 }
        return index - start + 1
    }

    private func endOfField(at start: Int) -> Int {
        start + 2 + Int(self.uint16(at: start))
    }
}
