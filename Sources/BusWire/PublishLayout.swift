/// Where the parts of a received PUBLISH lie, found and checked in one pass over its bytes.
struct PublishLayout {
    /// Index of the topic's first byte; the kept slice begins here.
    var topicStart: Int
    /// Counted from `topicStart`.
    var parts: Publish.Layout
    var qos: QoS
    var packetIdentifier: PacketIdentifier?

    static func read(
        _ bytes: Span<UInt8>, header: FixedHeader, version: ProtocolVersion, role: PacketDecoder.Role
    ) throws(DecodingFailure) -> PublishLayout {
        let qos = try self.qos(header.flags, version)
        let end = header.byteCount
        let topicStart = header.bodyStart + 2
        guard topicStart <= end else { throw Violation.fieldPastEnd.failure(version) }
        let topicLength = Int(bytes.uint16(at: header.bodyStart))
        var position = topicStart + topicLength
        guard position <= end else { throw Violation.fieldPastEnd.failure(version) }
        try self.checkTopic(bytes, from: topicStart, to: position, version)

        var identifier: PacketIdentifier?
        if qos != .atMostOnce {
            guard position + 2 <= end else { throw Violation.fieldPastEnd.failure(version) }
            identifier = PacketIdentifier(bytes.uint16(at: position))
            if identifier == nil { throw Violation.packetIdentifierZero.failure(version) }
            position += 2
        }

        var parts = Publish.Layout(
            topicLength: topicLength, propertiesOffset: position - topicStart, propertiesLength: 0)
        if version == .v5 {
            let length = try VariableByteInteger.readField(bytes, at: position, end: end)
            position += length.byteCount
            guard position + length.value <= end else { throw Violation.propertiesPastEnd.failure(version) }
            parts.propertiesOffset = position - topicStart
            parts.propertiesLength = length.value
            if length.value > 0 {
                parts.findings = try PropertyValidation.validate(
                    bytes, from: position, to: position + length.value, allowed: .publish,
                    mayRepeatSubscriptionIdentifier: role == .client)
                if role == .server && parts.findings.hasSubscriptionIdentifiers {
                    throw Violation.subscriptionIdentifierFromClient.failure(version)
                }
            }
        }
        guard topicLength > 0 || parts.findings.topicAlias != 0 else { throw Violation.topicEmpty.failure(version) }
        return PublishLayout(topicStart: topicStart, parts: parts, qos: qos, packetIdentifier: identifier)
    }

    private static func qos(_ flags: UInt8, _ version: ProtocolVersion) throws(DecodingFailure) -> QoS {
        guard let qos = QoS(rawValue: flags >> 1 & 0x03) else { throw Violation.qosReserved.failure(version) }
        // MQTT 3.1 gives DUP no meaning with QoS 0 and does not forbid it either.
        if flags & 0x08 != 0 && qos == .atMostOnce && version != .v3_1 {
            throw Violation.duplicateWithoutQoS.failure(version)
        }
        return qos
    }

    private static func checkTopic(
        _ bytes: Span<UInt8>, from start: Int, to end: Int, _ version: ProtocolVersion
    ) throws(DecodingFailure) {
        switch UTF8Validation.verdict(on: bytes, from: start, to: end) {
        case .wellFormed: return
        case .illFormed: throw Violation.illFormedString.failure(version)
        case .holdsNull: throw Violation.nullCharacter.failure(version)
        }
    }
}
