package import NIOCore

/// Encoding of all packets. PUBLISH has its own way, see `PublishFrame`.
extension ByteBuffer {
    /// Appends the packet in its shortest form for this version; what the version has no place for is left out.
    package mutating func writePacket(_ packet: Packet, version: ProtocolVersion) {
        switch packet {
        case .connect(let connect):
            self.writeFrame(.connect) { $0.writeConnect(connect, version) }
        case .connAck(let connAck):
            self.writeFrame(.connAck) { $0.writeConnAck(connAck, version) }
        case .publish(let publish):
            PublishFrame(publish, version: version).write(publish.content, [], into: &self, withPayload: true)
        case .pubAck(let acknowledgement), .pubRec(let acknowledgement), .pubRel(let acknowledgement),
            .pubComp(let acknowledgement):
            self.writeAcknowledgement(packet.type, acknowledgement, version)
        case .subscribe(let subscribe):
            self.writeFrame(.subscribe) { $0.writeSubscribe(subscribe, version) }
        case .subAck(let subAck):
            self.writeFrame(.subAck) { $0.writeSubAck(subAck, version) }
        case .unsubscribe(let unsubscribe):
            self.writeFrame(.unsubscribe) { $0.writeUnsubscribe(unsubscribe, version) }
        case .unsubAck(let unsubAck):
            self.writeFrame(.unsubAck) { $0.writeUnsubAck(unsubAck, version) }
        case .pingReq, .pingResp:
            self.writeFrame(packet.type) { _ in }
        case .disconnect(let disconnect):
            self.writeFrame(.disconnect) { $0.writeDisconnect(disconnect, version) }
        case .auth(let auth):
            precondition(version == .v5, "AUTH exists in MQTT 5.0 only, and so does the exchange that sends it")
            self.writeFrame(.auth) { $0.writeAuth(auth) }
        }
    }

    /// Writes the body behind a header with room for a remaining length of one byte, which fits all but a few
    /// packets; a longer body is moved to make room. This saves computing the size of everything beforehand.
    private mutating func writeFrame(_ type: PacketType, _ writeBody: (inout ByteBuffer) -> Void) {
        self.writeInteger(type.rawValue << 4 | type.requiredFlags)
        let lengthIndex = self.writerIndex
        self.writeInteger(UInt8(0))
        let bodyIndex = self.writerIndex
        writeBody(&self)
        let bodyLength = self.writerIndex - bodyIndex
        if bodyLength < 128 {
            self.setInteger(UInt8(bodyLength), at: lengthIndex)
            return
        }
        guard let body = self.getSlice(at: bodyIndex, length: bodyLength) else {
            preconditionFailure("the body was just written")
        }
        self.moveWriterIndex(to: lengthIndex)
        let copy = ByteBuffer(buffer: body)
        self.writeVariableByteInteger(bodyLength)
        self.writeImmutableBuffer(copy)
    }

    private mutating func writeConnect(_ connect: Connect, _ version: ProtocolVersion) {
        self.writeMQTTString(version == .v3_1 ? "MQIsdp" : "MQTT")
        self.writeInteger(version.rawValue)
        self.writeInteger(connect.flags)
        self.writeInteger(connect.keepAliveSeconds)
        if version == .v5 { self.writeProperties(connect.properties) }
        self.writeMQTTString(connect.clientIdentifier)
        if let will = connect.will {
            if version == .v5 { self.writeProperties(will.properties) }
            self.writeMQTTString(will.topic)
            self.writeMQTTBinary(will.payload)
        }
        if let userName = connect.userName { self.writeMQTTString(userName) }
        if let password = connect.password { self.writeMQTTBinary(password) }
    }

    private mutating func writeConnAck(_ connAck: ConnAck, _ version: ProtocolVersion) {
        // MQTT 3.1 reserves the byte; a refusal never has a session [MQTT-3.2.2-6].
        let isSessionPresent = connAck.sessionPresent && connAck.reasonCode == .success && version != .v3_1
        self.writeInteger(UInt8(isSessionPresent ? 1 : 0))
        if version == .v5 {
            self.writeInteger(connAck.reasonCode.rawValue)
            self.writeProperties(connAck.properties)
        } else {
            self.writeInteger(connAck.reasonCode.connectReturnCode)
        }
    }

    /// Nearly every acknowledgement is of four bytes, which are written at once.
    private mutating func writeAcknowledgement(
        _ type: PacketType, _ acknowledgement: Acknowledgement, _ version: ProtocolVersion
    ) {
        let identifier = acknowledgement.packetIdentifier.rawValue
        let hasProperties = !acknowledgement.properties.isEmpty
        guard version == .v5, hasProperties || acknowledgement.reasonCode != .success else {
            self.writeMultipleIntegers(type.rawValue << 4 | type.requiredFlags, UInt8(2), identifier)
            return
        }
        self.writeFrame(type) { body in
            body.writeInteger(identifier)
            body.writeInteger(acknowledgement.reasonCode.rawValue)
            if hasProperties { body.writeProperties(acknowledgement.properties) }
        }
    }

    private mutating func writeSubscribe(_ subscribe: Subscribe, _ version: ProtocolVersion) {
        self.writeInteger(subscribe.packetIdentifier.rawValue)
        if version == .v5 { self.writeProperties(subscribe.properties) }
        for subscription in subscribe.subscriptions {
            self.writeMQTTString(subscription.filter)
            self.writeInteger(version == .v5 ? subscription.options : subscription.maximumQoS.rawValue)
        }
    }

    private mutating func writeSubAck(_ subAck: SubAck, _ version: ProtocolVersion) {
        self.writeInteger(subAck.packetIdentifier.rawValue)
        if version == .v5 { self.writeProperties(subAck.properties) }
        for code in subAck.reasonCodes {
            // MQTT 3.1.1 knows one failure only [MQTT311-3.9.3-2].
            let isFailureOfOlder = version != .v5 && code.isError
            self.writeInteger(isFailureOfOlder ? ReasonCode.unspecifiedError.rawValue : code.rawValue)
        }
    }

    private mutating func writeUnsubscribe(_ unsubscribe: Unsubscribe, _ version: ProtocolVersion) {
        self.writeInteger(unsubscribe.packetIdentifier.rawValue)
        if version == .v5 { self.writeProperties(unsubscribe.properties) }
        for filter in unsubscribe.filters {
            self.writeMQTTString(filter)
        }
    }

    private mutating func writeUnsubAck(_ unsubAck: UnsubAck, _ version: ProtocolVersion) {
        self.writeInteger(unsubAck.packetIdentifier.rawValue)
        guard version == .v5 else { return }
        self.writeProperties(unsubAck.properties)
        for code in unsubAck.reasonCodes {
            self.writeInteger(code.rawValue)
        }
    }

    private mutating func writeDisconnect(_ disconnect: Disconnect, _ version: ProtocolVersion) {
        guard version == .v5 else { return }
        let hasProperties = !disconnect.properties.isEmpty
        guard hasProperties || disconnect.reasonCode != .normalDisconnection else { return }
        self.writeInteger(disconnect.reasonCode.rawValue)
        if hasProperties { self.writeProperties(disconnect.properties) }
    }

    private mutating func writeAuth(_ auth: Auth) {
        guard auth.reasonCode != .success || !auth.properties.isEmpty else { return }
        self.writeInteger(auth.reasonCode.rawValue)
        self.writeProperties(auth.properties)
    }
}

extension Connect {
    fileprivate var flags: UInt8 {
        var flags: UInt8 = 0
        if self.cleanStart { flags |= 0x02 }
        if let will = self.will {
            flags |= 0x04 | will.qos.rawValue << 3
            if will.isRetained { flags |= 0x20 }
        }
        if self.password != nil { flags |= 0x40 }
        if self.userName != nil { flags |= 0x80 }
        return flags
    }
}

extension Subscription {
    fileprivate var options: UInt8 {
        var options = self.maximumQoS.rawValue | self.retainHandling.rawValue << 4
        if self.noLocal { options |= 0x04 }
        if self.retainAsPublished { options |= 0x08 }
        return options
    }
}
