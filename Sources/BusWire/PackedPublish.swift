import NIOCore

/// A PUBLISH as bytes, for a memory that knows nothing of messages.
///
///     | topic length | QoS | 0 | properties' offset | properties' length | content |
///     0              2     3   4                    8                    12
///
/// Numbers as this machine writes them: what is packed never leaves the process. Retain flag, duplicate flag and packet
/// identifier belong to the way the message came and are left out.
extension Publish {
    private static let packedHeadBytes = 12

    package var packedByteCount: Int { Self.packedHeadBytes + self.content.readableBytes }

    /// Writes `packedByteCount` bytes.
    package func pack(into target: UnsafeMutableRawBufferPointer) {
        unsafe target.storeBytes(of: UInt16(self.topicLength), as: UInt16.self)
        unsafe target.storeBytes(of: self.qos.rawValue, toByteOffset: 2, as: UInt8.self)
        unsafe target.storeBytes(of: UInt32(self.blockOffset), toByteOffset: 4, as: UInt32.self)
        unsafe target.storeBytes(of: UInt32(self.propertiesByteCount), toByteOffset: 8, as: UInt32.self)
        unsafe self.content.withUnsafeReadableBytes { bytes in
            unsafe UnsafeMutableRawBufferPointer(rebasing: target[Self.packedHeadBytes...]).copyMemory(from: bytes)
        }
    }

    /// - Parameter packed: what `pack` wrote.
    package init(packed: [UInt8]) {
        let (topicLength, qos, offset, length) = unsafe packed.withUnsafeBytes { bytes in
            unsafe (
                bytes.load(as: UInt16.self), bytes.load(fromByteOffset: 2, as: UInt8.self),
                bytes.load(fromByteOffset: 4, as: UInt32.self), bytes.load(fromByteOffset: 8, as: UInt32.self)
            )
        }
        guard let qos = QoS(rawValue: qos) else { preconditionFailure("a message was packed with its QoS") }
        let content = ByteBuffer(bytes: packed[Self.packedHeadBytes...])
        let start = Int(offset)
        let block = content.readableBytesUInt8Span.extracting(start..<start + Int(length))
        self.init(
            content: content,
            layout: Layout(
                topicLength: Int(topicLength), propertiesOffset: start, propertiesLength: Int(length),
                findings: PropertyFindings(block)),
            qos: qos)
    }
}
