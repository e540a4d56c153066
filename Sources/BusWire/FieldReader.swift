import NIOCore

/// Reads the fields of one packet's body in order. For all packets but PUBLISH, which has a faster path.
///
/// Whatever outlives the packet is copied out, so that it does not keep a whole read buffer alive.
struct FieldReader {
    private var body: ByteBuffer
    let version: ProtocolVersion

    init(_ body: ByteBuffer, version: ProtocolVersion) {
        self.body = body
        self.version = version
    }

    var isAtEnd: Bool {
        self.body.readableBytes == 0
    }

    mutating func uint8() throws(DecodingFailure) -> UInt8 {
        guard let value = self.body.readInteger(as: UInt8.self) else { throw self.failure(.fieldPastEnd) }
        return value
    }

    mutating func uint16() throws(DecodingFailure) -> UInt16 {
        guard let value = self.body.readInteger(as: UInt16.self) else { throw self.failure(.fieldPastEnd) }
        return value
    }

    mutating func packetIdentifier() throws(DecodingFailure) -> PacketIdentifier {
        guard let identifier = PacketIdentifier(try self.uint16()) else {
            throw self.failure(.packetIdentifierZero)
        }
        return identifier
    }

    mutating func string() throws(DecodingFailure) -> String {
        let bytes = try self.field()
        switch UTF8Validation.verdict(on: bytes.readableBytesUInt8Span, from: 0, to: bytes.readableBytes) {
        case .wellFormed: return String(buffer: bytes)
        case .illFormed: throw self.failure(.illFormedString)
        case .holdsNull: throw self.failure(.nullCharacter)
        }
    }

    mutating func binary() throws(DecodingFailure) -> ByteBuffer {
        Self.copy(try self.field())
    }

    /// The property block with its length prefix; empty below MQTT 5.0, which has none.
    mutating func properties(_ allowed: PropertySet) throws(DecodingFailure) -> Properties {
        guard self.version == .v5 else { return Properties() }
        let length = try VariableByteInteger.readField(
            self.body.readableBytesUInt8Span, at: 0, end: self.body.readableBytes)
        self.body.moveReaderIndex(forwardBy: length.byteCount)
        guard let block = self.body.readSlice(length: length.value) else {
            throw self.failure(.propertiesPastEnd)
        }
        _ = try PropertyValidation.validate(
            block.readableBytesUInt8Span, from: 0, to: block.readableBytes, allowed: allowed)
        return Properties(validated: Self.copy(block))
    }

    func requireEnd() throws(DecodingFailure) {
        guard self.isAtEnd else { throw self.failure(.trailingBytes) }
    }

    func failure(_ violation: Violation) -> DecodingFailure {
        violation.failure(self.version)
    }

    private mutating func field() throws(DecodingFailure) -> ByteBuffer {
        guard let bytes = self.body.readSlice(length: Int(try self.uint16())) else {
            throw self.failure(.fieldPastEnd)
        }
        return bytes
    }

    private static func copy(_ slice: ByteBuffer) -> ByteBuffer {
        slice.readableBytes == 0 ? ByteBuffer() : ByteBuffer(buffer: slice)
    }
}
