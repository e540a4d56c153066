package import NIOCore

/// PUBLISH: an application message on its way.
///
/// One buffer holds topic, properties and payload as they came, so that decoding costs one retain and forwarding is a
/// copy of bytes. Layout of `content`:
///
///     | topic | length fields as received, if any | properties | payload |
///     0       topicLength                         propertiesOffset
///
/// Invariants: the topic is well-formed UTF-8 without U+0000, the property block is valid, and `packetIdentifier` is
/// `nil` exactly for QoS 0 once the packet is on the wire.
package struct Publish: Sendable {
    var content: ByteBuffer
    private var propertiesOffset: UInt32
    private var propertiesLength: UInt32
    /// Where the value of Message Expiry Interval lies in the property block; 0 when there is none, as an identifier
    /// always comes first.
    private(set) var expiryOffset: UInt32 = 0
    private var topicByteCount: UInt16
    private var alias: UInt16 = 0
    package var packetIdentifier: PacketIdentifier?
    package var qos: QoS
    package var isRetained: Bool
    package var isDuplicate: Bool
    private(set) var hasSubscriptionIdentifiers = false
    /// The Payload Format Indicator is 1.
    private(set) var claimsUTF8 = false

    package init(
        topic: String,
        qos: QoS = .atMostOnce,
        isRetained: Bool = false,
        isDuplicate: Bool = false,
        packetIdentifier: PacketIdentifier? = nil,
        properties: Properties = Properties(),
        payload: ByteBuffer = ByteBuffer()
    ) {
        let topicLength = topic.utf8.count
        precondition(topicLength <= UInt16.max, "a topic holds at most 65535 bytes; topic names are checked when made")
        var content = ByteBufferAllocator().buffer(
            capacity: topicLength + properties.byteCount + payload.readableBytes)
        content.writeString(topic)
        content.writeImmutableBuffer(properties.encoded)
        content.writeImmutableBuffer(payload)
        self.init(
            content: content,
            layout: Layout(
                topicLength: topicLength, propertiesOffset: topicLength, propertiesLength: properties.byteCount,
                findings: PropertyFindings(properties)),
            qos: qos)
        self.isRetained = isRetained
        self.isDuplicate = isDuplicate
        self.packetIdentifier = packetIdentifier
    }

    /// Where the parts lie in `content`.
    struct Layout {
        var topicLength: Int
        var propertiesOffset: Int
        var propertiesLength: Int
        var findings = PropertyFindings()
    }

    init(content: ByteBuffer, layout: Layout, qos: QoS) {
        self.content = content
        self.topicByteCount = UInt16(layout.topicLength)
        self.propertiesOffset = UInt32(layout.propertiesOffset)
        self.propertiesLength = UInt32(layout.propertiesLength)
        self.expiryOffset = UInt32(layout.findings.expiryOffset)
        self.alias = layout.findings.topicAlias
        self.hasSubscriptionIdentifiers = layout.findings.hasSubscriptionIdentifiers
        self.claimsUTF8 = layout.findings.claimsUTF8
        self.packetIdentifier = nil
        self.qos = qos
        self.isRetained = false
        self.isDuplicate = false
    }

    /// Makes a new string; not for the hot path.
    package var topic: String {
        String(buffer: self.topicBytes)
    }

    /// The topic's UTF-8; shares storage.
    package var topicBytes: ByteBuffer {
        self.slice(at: 0, length: self.topicLength)
    }

    package var topicLength: Int {
        Int(self.topicByteCount)
    }

    package func withTopicBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        unsafe self.content.withUnsafeReadableBytes { bytes in
            unsafe body(UnsafeRawBufferPointer(rebasing: bytes[..<self.topicLength]))
        }
    }

    package func withPayloadBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        unsafe self.content.withUnsafeReadableBytes { bytes in
            unsafe body(UnsafeRawBufferPointer(rebasing: bytes[self.payloadOffset...]))
        }
    }

    /// Shares storage.
    package var payload: ByteBuffer {
        self.slice(at: self.payloadOffset, length: self.payloadLength)
    }

    /// The payload is said to be UTF-8 and is not. U+0000 is fine here, as a payload is not a string of the protocol.
    package var isWronglyUTF8: Bool {
        guard self.claimsUTF8 else { return false }
        let bytes = self.content.readableBytesUInt8Span
        return !bytes.extracting(self.payloadOffset..<bytes.count).isUTF8
    }

    package var payloadLength: Int {
        self.content.readableBytes - self.payloadOffset
    }

    package var hasProperties: Bool {
        self.propertiesLength != 0
    }

    package var propertiesByteCount: Int {
        Int(self.propertiesLength)
    }

    /// Shares storage when read; rebuilds the buffer when set.
    package var properties: Properties {
        get {
            guard self.hasProperties else { return Properties() }
            return Properties(validated: self.slice(at: self.blockOffset, length: self.propertiesByteCount))
        }
        set {
            self.rebuild(topic: self.topicBytes, properties: newValue)
        }
    }

    /// Remembered while the block was validated, so it costs nothing when absent.
    package var topicAlias: UInt16? {
        self.alias == 0 ? nil : self.alias
    }

    /// Remembered while the block was validated, so it costs nothing when absent.
    package var messageExpiryInterval: UInt32? {
        guard self.expiryOffset != 0 else { return nil }
        return self.content.readableBytesUInt8Span.uint32(at: self.blockOffset + Int(self.expiryOffset))
    }

    /// What storing this message takes: topic, properties and payload.
    package var storedByteCount: Int {
        self.topicLength + self.propertiesByteCount + self.payloadLength
    }

    var blockOffset: Int {
        Int(self.propertiesOffset)
    }

    var payloadOffset: Int {
        Int(self.propertiesOffset) + Int(self.propertiesLength)
    }

    private func slice(at offset: Int, length: Int) -> ByteBuffer {
        guard let slice = self.content.getSlice(at: self.content.readerIndex + offset, length: length) else {
            preconditionFailure("a part of a PUBLISH lies outside its buffer, which its initializers rule out")
        }
        return slice
    }
}

extension Publish {
    /// The same message in storage of its own: a stored message must not keep a 64 KiB read buffer alive.
    ///
    /// Storage comes in powers of two, so what is not more than twice the message is as small as it gets.
    package func compacted() -> Publish {
        guard self.content.storageCapacity > 2 * self.content.readableBytes else { return self }
        var copy = self
        copy.content = ByteBuffer(buffer: self.content)
        return copy
    }

    /// Resolves a topic alias: the topic is known now, so the alias has served and is left out.
    package func replacingTopic(_ topic: String) -> Publish {
        self.replacingTopic(ByteBuffer(string: topic))
    }

    /// Resolves a topic alias with the topic of the message that introduced it.
    package func replacingTopic(of other: Publish) -> Publish {
        self.replacingTopic(other.topicBytes)
    }

    /// - Parameter topic: at most 65535 bytes of UTF-8 without U+0000, as `topicBytes` of another message gives.
    package func replacingTopic(_ topic: ByteBuffer) -> Publish {
        var copy = self
        let kept = self.alias == 0 ? self.properties : self.properties.removing { $0 == .topicAlias }
        copy.rebuild(topic: topic, properties: kept)
        return copy
    }

    private mutating func rebuild(topic: ByteBuffer, properties: Properties) {
        let topicLength = topic.readableBytes
        precondition(topicLength <= UInt16.max, "a topic holds at most 65535 bytes; topic names are checked when made")
        let payload = self.payload
        var content = ByteBufferAllocator().buffer(
            capacity: topicLength + properties.byteCount + payload.readableBytes)
        content.writeImmutableBuffer(topic)
        content.writeImmutableBuffer(properties.encoded)
        content.writeImmutableBuffer(payload)
        var rebuilt = Publish(
            content: content,
            layout: Layout(
                topicLength: topicLength, propertiesOffset: topicLength, propertiesLength: properties.byteCount,
                findings: PropertyFindings(properties)),
            qos: self.qos)
        rebuilt.isRetained = self.isRetained
        rebuilt.isDuplicate = self.isDuplicate
        rebuilt.packetIdentifier = self.packetIdentifier
        self = rebuilt
    }
}

extension Publish: Equatable {
    /// Equal by value: how the bytes are stored does not count.
    package static func == (left: Publish, right: Publish) -> Bool {
        left.qos == right.qos && left.isRetained == right.isRetained && left.isDuplicate == right.isDuplicate
            && left.packetIdentifier == right.packetIdentifier && left.topicBytes == right.topicBytes
            && left.properties == right.properties && left.payload == right.payload
    }
}

/// What forwarding needs to know about a property block, noted in passing while the block is validated.
struct PropertyFindings {
    var topicAlias: UInt16 = 0
    var expiryOffset = 0
    var hasSubscriptionIdentifiers = false
    var claimsUTF8 = false

    init() {}

    init(_ properties: Properties) {
        self.init(properties.encoded.readableBytesUInt8Span)
    }

    /// - Parameter block: a valid one.
    init(_ block: Span<UInt8>) {
        var position = 0
        while position < block.count {
            let property = block.encodedProperty(at: position)
            self.note(block, property, at: property.valueStart)
            position = property.end
        }
    }

    /// - Parameter offset: where the value lies in the block that is described.
    mutating func note(_ block: Span<UInt8>, _ property: Properties.EncodedProperty, at offset: Int) {
        switch property.identifier {
        case .topicAlias: self.topicAlias = block.uint16(at: property.valueStart)
        case .messageExpiryInterval: self.expiryOffset = offset
        case .subscriptionIdentifier: self.hasSubscriptionIdentifiers = true
        case .payloadFormatIndicator: self.claimsUTF8 = block[property.valueStart] == 1
        default: break
        }
    }
}
