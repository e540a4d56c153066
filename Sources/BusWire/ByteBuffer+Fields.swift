import NIOCore

/// Writing the field types of MQTT (1.5 in both standards).
extension ByteBuffer {
    mutating func writeVariableByteInteger(_ value: Int) {
        precondition(
            (0...VariableByteInteger.maximum).contains(value), "callers keep packets below MQTT's own limit")
        var rest = value
        while rest >= 128 {
            self.writeInteger(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        self.writeInteger(UInt8(rest))
    }

    /// Writes a name: a topic, a filter, a client identifier. Their types hold the limit, so a longer one is our bug.
    mutating func writeMQTTString(_ text: String) {
        let count = text.utf8.count
        precondition(count <= UInt16.max, "a string of MQTT holds at most 65535 bytes; names are checked when made")
        self.writeInteger(UInt16(count))
        self.writeString(text)
    }

    mutating func writeMQTTBinary(_ bytes: ByteBuffer) {
        precondition(bytes.readableBytes <= UInt16.max, "binary fields of MQTT hold at most 65535 bytes")
        self.writeInteger(UInt16(bytes.readableBytes))
        self.writeImmutableBuffer(bytes)
    }

    /// Writes text made for people, which may quote anything that a peer or a handler said: cut to the length of a
    /// field, and U+0000 replaced since receivers close the connection over it [MQTT-1.5.4-2].
    mutating func writeFreeText(_ text: String) {
        guard text.utf8.count > Int(UInt16.max) || text.utf8.contains(0) else { return self.writeMQTTString(text) }
        var fitting = ""
        var count = 0
        for scalar in text.unicodeScalars {
            let allowed: Unicode.Scalar = scalar.value == 0 ? "\u{FFFD}" : scalar
            count += UTF8.width(allowed)
            guard count <= UInt16.max else { break }
            fitting.unicodeScalars.append(allowed)
        }
        self.writeMQTTString(fitting)
    }

    mutating func writeProperty(_ property: Property) {
        self.writeInteger(property.identifier.rawValue)
        switch property {
        case .payloadFormatIndicator(let value), .requestProblemInformation(let value),
            .requestResponseInformation(let value), .maximumQoS(let value), .retainAvailable(let value),
            .wildcardSubscriptionAvailable(let value), .subscriptionIdentifierAvailable(let value),
            .sharedSubscriptionAvailable(let value):
            self.writeInteger(value)
        case .serverKeepAlive(let value), .receiveMaximum(let value), .topicAliasMaximum(let value),
            .topicAlias(let value):
            self.writeInteger(value)
        case .messageExpiryInterval(let value), .sessionExpiryInterval(let value), .willDelayInterval(let value),
            .maximumPacketSize(let value):
            self.writeInteger(value)
        case .subscriptionIdentifier(let value):
            self.writeVariableByteInteger(Int(value))
        case .contentType(let text), .responseTopic(let text), .assignedClientIdentifier(let text),
            .authenticationMethod(let text), .responseInformation(let text), .serverReference(let text):
            self.writeMQTTString(text)
        case .reasonString(let text):
            self.writeFreeText(text)
        case .userProperty(let name, let value):
            self.writeFreeText(name)
            self.writeFreeText(value)
        case .correlationData(let bytes), .authenticationData(let bytes):
            self.writeMQTTBinary(bytes)
        }
    }

    mutating func writeProperties(_ properties: Properties) {
        self.writeVariableByteInteger(properties.byteCount)
        self.writeImmutableBuffer(properties.encoded)
    }
}
