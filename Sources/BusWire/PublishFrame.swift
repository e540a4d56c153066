import NIOCore

/// One PUBLISH about to be written: its sizes first, then its bytes in one go.
///
///     | header | remaining length | topic length | topic | identifier | block length | block | additions | payload |
///
/// "Additions" are properties that the block lacks and the delivery brings. Their place does not matter: only user
/// properties have an order, and those stay in the block.
struct PublishFrame {
    private let version: ProtocolVersion
    private let firstByte: UInt8
    private let hasPacketIdentifier: Bool
    /// May be missing while only the size is asked for.
    private let packetIdentifier: PacketIdentifier?
    private let topicLength: Int
    private let block: Range<Int>
    /// Index of the expiry interval's value in the content, where it is to be replaced.
    private let expiryIndex: Int?
    private let messageExpiryInterval: UInt32?
    private let topicAlias: UInt16?
    /// A topic alias and subscription identifiers mean something on one network connection only.
    private let dropsHopProperties: Bool
    private var propertiesLength = 0
    private var remainingLength = 0
    private let payloadLength: Int

    /// A frame that forwards the message to another network connection.
    init(_ publish: borrowing Publish, _ delivery: PublishDelivery, version: ProtocolVersion) {
        self.init(
            publish, delivery, version: version,
            dropsHopProperties: publish.topicAlias != nil || publish.hasSubscriptionIdentifiers)
    }

    /// A frame that says exactly what the value says.
    init(_ publish: Publish, version: ProtocolVersion) {
        let delivery = PublishDelivery(
            qos: publish.qos, isRetained: publish.isRetained, isDuplicate: publish.isDuplicate,
            packetIdentifier: publish.packetIdentifier)
        self.init(publish, delivery, version: version, dropsHopProperties: false)
    }

    private init(
        _ publish: borrowing Publish, _ delivery: PublishDelivery, version: ProtocolVersion, dropsHopProperties: Bool
    ) {
        self.version = version
        self.firstByte = delivery.firstByte
        // [MQTT-2.2.1-2]
        self.hasPacketIdentifier = delivery.qos != .atMostOnce
        self.packetIdentifier = delivery.packetIdentifier
        self.topicLength = delivery.omitsTopic(version) ? 0 : publish.topicLength
        self.block = publish.blockOffset..<publish.payloadOffset
        let replacesExpiry = delivery.messageExpiryInterval != nil && publish.expiryOffset != 0
        self.expiryIndex = replacesExpiry ? publish.blockOffset + Int(publish.expiryOffset) : nil
        self.messageExpiryInterval = delivery.messageExpiryInterval
        self.topicAlias = delivery.topicAlias
        self.dropsHopProperties = dropsHopProperties
        self.payloadLength = publish.payloadLength
        var remaining = 2 + self.topicLength + (self.hasPacketIdentifier ? 2 : 0) + self.payloadLength
        if version == .v5 {
            self.propertiesLength = self.block.count + self.additionsLength(delivery.subscriptionIdentifiers)
            if dropsHopProperties { self.propertiesLength -= self.hopPropertiesLength(of: publish.content) }
            remaining += VariableByteInteger.byteCount(of: self.propertiesLength) + self.propertiesLength
        }
        self.remainingLength = remaining
    }

    var byteCount: Int {
        1 + VariableByteInteger.byteCount(of: self.remainingLength) + self.remainingLength
    }

    /// - Parameters:
    ///   - message: the content of the message the frame was made for. The frame holds numbers only, which spares a
    ///     retain and a release per copy of a message.
    ///   - subscriptionIdentifiers: those of the delivery the frame was made for.
    func write(
        _ message: ByteBuffer, _ subscriptionIdentifiers: [UInt32], into buffer: inout ByteBuffer, withPayload: Bool
    ) {
        precondition(
            self.remainingLength <= VariableByteInteger.maximum,
            "a longer packet does not exist; senders compare encodedByteCount with the limit first")
        let capacity = withPayload ? self.byteCount : self.byteCount - self.payloadLength
        _ = unsafe buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: capacity) { memory in
            unsafe message.withUnsafeReadableBytes { content in
                var output = unsafe FrameOutput(memory)
                unsafe self.writeHead(from: content, into: &output)
                if self.version == .v5 {
                    output.append(variableByteInteger: self.propertiesLength)
                    self.writeAdditions(subscriptionIdentifiers, into: &output)
                    unsafe self.writeBlock(message, from: content, into: &output)
                }
                if withPayload { unsafe output.append(content[self.block.upperBound...]) }
                return output.count
            }
        }
    }

    private func writeHead(from content: UnsafeRawBufferPointer, into output: inout FrameOutput) {
        output.append(self.firstByte)
        output.append(variableByteInteger: self.remainingLength)
        output.append(UInt16(self.topicLength))
        unsafe output.append(content[..<self.topicLength])
        guard self.hasPacketIdentifier else { return }
        guard let identifier = self.packetIdentifier else {
            preconditionFailure("a PUBLISH above QoS 0 needs a packet identifier [MQTT-2.2.1-4]")
        }
        output.append(identifier.rawValue)
    }

    private func writeAdditions(_ subscriptionIdentifiers: [UInt32], into output: inout FrameOutput) {
        if let alias = self.topicAlias {
            output.append(PropertyIdentifier.topicAlias.rawValue)
            output.append(alias)
        }
        for identifier in subscriptionIdentifiers {
            output.append(PropertyIdentifier.subscriptionIdentifier.rawValue)
            output.append(variableByteInteger: Int(identifier))
        }
        if let interval = self.messageExpiryInterval, self.expiryIndex == nil {
            output.append(PropertyIdentifier.messageExpiryInterval.rawValue)
            output.append(interval)
        }
    }

    private func writeBlock(
        _ message: ByteBuffer, from content: UnsafeRawBufferPointer, into output: inout FrameOutput
    ) {
        guard !self.block.isEmpty else { return }
        guard self.dropsHopProperties else {
            unsafe self.writeProperties(content, self.block, into: &output)
            return
        }
        let bytes = message.readableBytesUInt8Span
        var position = self.block.lowerBound
        while position < self.block.upperBound {
            let property = bytes.encodedProperty(at: position)
            if !property.identifier.concernsOneHop {
                unsafe self.writeProperties(content, position..<property.end, into: &output)
            }
            position = property.end
        }
    }

    /// Copies a part of the block, with the expiry interval replaced in place if the part holds it.
    private func writeProperties(
        _ content: UnsafeRawBufferPointer, _ part: Range<Int>, into output: inout FrameOutput
    ) {
        guard let interval = self.messageExpiryInterval, let index = self.expiryIndex, part.contains(index) else {
            unsafe output.append(content[part])
            return
        }
        unsafe output.append(content[part.lowerBound..<index])
        output.append(interval)
        unsafe output.append(content[(index + 4)..<part.upperBound])
    }

    private func additionsLength(_ subscriptionIdentifiers: [UInt32]) -> Int {
        var length = self.topicAlias == nil ? 0 : 3
        for identifier in subscriptionIdentifiers {
            length += 1 + VariableByteInteger.byteCount(of: Int(identifier))
        }
        if self.messageExpiryInterval != nil && self.expiryIndex == nil { length += 5 }
        return length
    }

    private func hopPropertiesLength(of content: ByteBuffer) -> Int {
        let bytes = content.readableBytesUInt8Span
        var length = 0
        var position = self.block.lowerBound
        while position < self.block.upperBound {
            let property = bytes.encodedProperty(at: position)
            if property.identifier.concernsOneHop { length += property.end - position }
            position = property.end
        }
        return length
    }
}

extension PropertyIdentifier {
    /// True for what a sender and its receiver agree between them, and no third party understands.
    fileprivate var concernsOneHop: Bool {
        self == .topicAlias || self == .subscriptionIdentifier
    }
}

extension PublishDelivery {
    fileprivate var firstByte: UInt8 {
        var byte: UInt8 = PacketType.publish.rawValue << 4 | self.qos.rawValue << 1
        if self.isRetained { byte |= 0x01 }
        // [MQTT-3.3.1-2]
        if self.isDuplicate && self.qos != .atMostOnce { byte |= 0x08 }
        return byte
    }

    /// Only MQTT 5.0 can stand an empty topic, and only with an alias.
    fileprivate func omitsTopic(_ version: ProtocolVersion) -> Bool {
        self.omitsTopic && self.topicAlias != nil && version == .v5
    }
}

/// Appends to reserved memory; writing past its end traps, in release builds too.
@safe
private struct FrameOutput {
    private let memory: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    init(_ memory: UnsafeMutableRawBufferPointer) {
        unsafe self.memory = unsafe memory
    }

    mutating func append(_ byte: UInt8) {
        let start = self.advance(by: 1)
        unsafe self.memory.storeBytes(of: byte, toByteOffset: start, as: UInt8.self)
    }

    mutating func append(_ value: UInt16) {
        let start = self.advance(by: 2)
        unsafe self.memory.storeBytes(of: value.bigEndian, toByteOffset: start, as: UInt16.self)
    }

    mutating func append(_ value: UInt32) {
        let start = self.advance(by: 4)
        unsafe self.memory.storeBytes(of: value.bigEndian, toByteOffset: start, as: UInt32.self)
    }

    mutating func append(variableByteInteger value: Int) {
        var rest = value
        while rest >= 128 {
            self.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        self.append(UInt8(rest))
    }

    mutating func append(_ bytes: Slice<UnsafeRawBufferPointer>) {
        guard unsafe !bytes.isEmpty else { return }
        let start = self.advance(by: unsafe bytes.count)
        let target = unsafe UnsafeMutableRawBufferPointer(rebasing: self.memory[start..<self.count])
        unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes))
    }

    private mutating func advance(by length: Int) -> Int {
        let start = self.count
        precondition(unsafe start + length <= self.memory.count, "a PUBLISH outgrew the size computed for it")
        self.count = start + length
        return start
    }
}
