import BusWire
import NIOCore

/// A message encoded once, whose changing parts are overwritten in place for each copy.
struct MessageTemplate {
    static let correlationBytes = 16
    private static let tokenDigits = 10

    private(set) var bytes: ByteBuffer
    private let payloadBytes: Int
    private var identifierOffset: Int?
    private var correlationOffset: Int?
    private var tokenOffset: Int?
    /// Where the text of the topic begins, for those that change it.
    private(set) var topicOffset = 0

    var needsIdentifier: Bool { self.identifierOffset != nil }
    var byteCount: Int { self.bytes.readableBytes }

    /// - Parameters:
    ///   - responseTopic: Makes it a request with correlation data; MQTT 5 only.
    ///   - userProperty: MQTT 5 only.
    init(
        topic: String, responseTopic: String? = nil, userProperty: (name: String, value: String)? = nil, qos: QoS,
        payloadBytes: Int, version: ProtocolVersion
    ) {
        self.payloadBytes = payloadBytes
        var properties = Properties()
        if let userProperty { properties.append(.userProperty(name: userProperty.name, value: userProperty.value)) }
        if let responseTopic {
            properties.append(.responseTopic(responseTopic))
            // Last, so that its bytes end where the payload begins.
            properties.append(.correlationData(ByteBuffer(repeating: 0, count: Self.correlationBytes)))
        }
        let publish = Publish(
            topic: topic, qos: qos, packetIdentifier: qos == .atMostOnce ? nil : PacketIdentifier(1),
            properties: properties, payload: ByteBuffer(repeating: UInt8(ascii: "x"), count: payloadBytes))
        self.bytes = ByteBuffer()
        self.bytes.writePacket(.publish(publish), version: version)
        // One byte of type and flags, then the remaining length in as many bytes as have their highest bit set, and
        // one more, then the length of the topic in two bytes.
        var lengthEnd = 1
        while let byte = self.bytes.getInteger(at: lengthEnd, as: UInt8.self), byte >= 0x80 { lengthEnd += 1 }
        self.topicOffset = lengthEnd + 3
        if qos != .atMostOnce { self.identifierOffset = self.topicOffset + topic.utf8.count }
        if responseTopic != nil { self.correlationOffset = self.payloadOffset - Self.correlationBytes }
    }

    /// A message in the NATS protocol, as an MQTT topic's levels become a subject's tokens.
    ///
    /// - Parameter inbox: what the subject for the answer begins with; ten digits follow.
    init(subject: String, inbox: String?, payloadBytes: Int) {
        self.payloadBytes = payloadBytes
        self.bytes = ByteBuffer(string: "PUB \(subject) ")
        if let inbox {
            self.bytes.writeString(inbox)
            self.tokenOffset = self.bytes.writerIndex
            self.bytes.writeString(String(repeating: "0", count: Self.tokenDigits) + " ")
        }
        self.bytes.writeString("\(payloadBytes)\r\n")
        self.bytes.writeRepeatingByte(UInt8(ascii: "x"), count: payloadBytes)
        self.trailingBytes = 2
        self.bytes.writeString("\r\n")
    }

    private var trailingBytes = 0
    private var payloadOffset: Int { self.bytes.readableBytes - self.trailingBytes - self.payloadBytes }

    /// Appends a copy; returns where it begins.
    @inline(__always)
    func append(to output: inout ByteBuffer, _ stamp: PayloadStamp, identifier: UInt16?) -> Int {
        let start = output.writerIndex
        output.writeImmutableBuffer(self.bytes)
        if let offset = self.identifierOffset, let identifier {
            output.setInteger(identifier, at: start + offset)
        }
        stamp.write(at: start + self.payloadOffset, count: self.payloadBytes, into: &output)
        return start
    }

    /// The number of a call, in a copy that begins at `start`.
    func setCall(_ number: UInt64, caller: UInt64, at start: Int, in output: inout ByteBuffer) {
        if let offset = self.correlationOffset {
            output.setInteger(caller, at: start + offset)
            output.setInteger(number, at: start + offset + 8)
        }
        if let offset = self.tokenOffset {
            Self.writeDigits(Int(number % 10_000_000_000), count: Self.tokenDigits, at: start + offset, in: &output)
        }
    }

    static func writeDigits(_ number: Int, count: Int, at offset: Int, in output: inout ByteBuffer) {
        var rest = number
        for index in stride(from: count - 1, through: 0, by: -1) {
            output.setInteger(UInt8(ascii: "0") + UInt8(rest % 10), at: offset + index)
            rest /= 10
        }
    }
}
