/// All packets but CONNECT and PUBLISH.
extension FieldReader {
    mutating func packet(_ type: PacketType, role: PacketDecoder.Role) throws(DecodingFailure) -> Packet {
        switch type {
        case .connAck: .connAck(try self.connAck())
        case .pubAck: .pubAck(try self.acknowledgement(.pubAck))
        case .pubRec: .pubRec(try self.acknowledgement(.pubRec))
        case .pubRel: .pubRel(try self.acknowledgement(.pubRel))
        case .pubComp: .pubComp(try self.acknowledgement(.pubComp))
        case .subscribe: .subscribe(try self.subscribe())
        case .subAck: .subAck(try self.subAck())
        case .unsubscribe: .unsubscribe(try self.unsubscribe())
        case .unsubAck: .unsubAck(try self.unsubAck())
        case .pingReq: .pingReq
        case .pingResp: .pingResp
        case .disconnect: .disconnect(try self.disconnect(role))
        case .auth: .auth(try self.auth())
        case .connect, .publish:
            preconditionFailure("CONNECT and PUBLISH have readers of their own")
        }
    }

    private mutating func connAck() throws(DecodingFailure) -> ConnAck {
        let flags = try self.uint8()
        let code = try self.uint8()
        // MQTT 3.1 reserves the whole byte and gives it no value.
        guard flags & 0xFE == 0 || self.version == .v3_1 else { throw self.failure(.connAckReservedFlags) }
        var connAck = ConnAck(sessionPresent: flags & 0x01 != 0 && self.version != .v3_1)
        if self.version == .v5 {
            connAck.reasonCode = try self.allowed(code, in: .connAck)
            connAck.properties = try self.properties(.connAck)
        } else if let reasonCode = ReasonCode(connectReturnCode: code) {
            connAck.reasonCode = reasonCode
        } else {
            throw self.failure(AllowedReasonCodes.connAck.violation(code))
        }
        guard !connAck.sessionPresent || connAck.reasonCode == .success else {
            throw self.failure(.sessionPresentInRefusal)
        }
        return connAck
    }

    /// MQTT 5.0 leaves out an empty property block, and with it the reason code for success (3.4.2.1).
    private mutating func acknowledgement(_ codes: AllowedReasonCodes) throws(DecodingFailure) -> Acknowledgement {
        var acknowledgement = Acknowledgement(packetIdentifier: try self.packetIdentifier())
        guard self.version == .v5, !self.isAtEnd else { return acknowledgement }
        acknowledgement.reasonCode = try self.allowed(try self.uint8(), in: codes)
        guard !self.isAtEnd else { return acknowledgement }
        acknowledgement.properties = try self.properties(.acknowledgement)
        return acknowledgement
    }

    private mutating func subscribe() throws(DecodingFailure) -> Subscribe {
        var subscribe = Subscribe(packetIdentifier: try self.packetIdentifier(), subscriptions: [])
        subscribe.properties = try self.properties(.subscribe)
        guard !self.isAtEnd else { throw self.failure(.noSubscriptions) }
        while !self.isAtEnd {
            subscribe.subscriptions.append(try self.subscription())
        }
        return subscribe
    }

    private mutating func subscription() throws(DecodingFailure) -> Subscription {
        let filter = try self.string()
        let options = try self.uint8()
        // MQTT 3.1 says only that the upper bits are not used.
        let reserved: UInt8 =
            switch self.version {
            case .v3_1: 0x00
            case .v3_1_1: 0xFC
            case .v5: 0xC0
            }
        guard options & reserved == 0 else { throw self.failure(.subscriptionOptionsReserved) }
        guard let qos = QoS(rawValue: options & 0x03) else { throw self.failure(.maximumQoSReserved) }
        guard self.version == .v5 else { return Subscription(filter: filter, maximumQoS: qos) }
        guard let retainHandling = RetainHandling(rawValue: options >> 4 & 0x03) else {
            throw self.failure(.retainHandlingReserved)
        }
        return Subscription(
            filter: filter, maximumQoS: qos, noLocal: options & 0x04 != 0, retainAsPublished: options & 0x08 != 0,
            retainHandling: retainHandling)
    }

    private mutating func subAck() throws(DecodingFailure) -> SubAck {
        var subAck = SubAck(packetIdentifier: try self.packetIdentifier(), reasonCodes: [])
        subAck.properties = try self.properties(.acknowledgement)
        let codes: AllowedReasonCodes = self.version == .v5 ? .subAck : .olderSubAck
        while !self.isAtEnd {
            subAck.reasonCodes.append(try self.allowed(try self.uint8(), in: codes))
        }
        return subAck
    }

    private mutating func unsubscribe() throws(DecodingFailure) -> Unsubscribe {
        var unsubscribe = Unsubscribe(packetIdentifier: try self.packetIdentifier(), filters: [])
        unsubscribe.properties = try self.properties(.unsubscribe)
        guard !self.isAtEnd else { throw self.failure(.noFilters) }
        while !self.isAtEnd {
            unsubscribe.filters.append(try self.string())
        }
        return unsubscribe
    }

    private mutating func unsubAck() throws(DecodingFailure) -> UnsubAck {
        var unsubAck = UnsubAck(packetIdentifier: try self.packetIdentifier())
        guard self.version == .v5 else { return unsubAck }
        unsubAck.properties = try self.properties(.acknowledgement)
        while !self.isAtEnd {
            unsubAck.reasonCodes.append(try self.allowed(try self.uint8(), in: .unsubAck))
        }
        return unsubAck
    }

    /// MQTT 5.0 leaves out an empty property block, and with it the reason code for a normal end (3.14.2.1).
    private mutating func disconnect(_ role: PacketDecoder.Role) throws(DecodingFailure) -> Disconnect {
        var disconnect = Disconnect()
        guard self.version == .v5, !self.isAtEnd else { return disconnect }
        disconnect.reasonCode = try self.allowed(try self.uint8(), in: .disconnect)
        guard !self.isAtEnd else { return disconnect }
        disconnect.properties = try self.properties(.disconnect)
        if role == .client && disconnect.properties.sessionExpiryInterval != nil {
            throw self.failure(.sessionExpiryFromServer)
        }
        return disconnect
    }

    /// Success without properties may be an empty packet; nothing else may be shortened (3.15.2.1).
    private mutating func auth() throws(DecodingFailure) -> Auth {
        guard !self.isAtEnd else { return Auth() }
        let reasonCode = try self.allowed(try self.uint8(), in: .auth)
        return Auth(reasonCode: reasonCode, properties: try self.properties(.auth))
    }

    private func allowed(_ code: UInt8, in codes: AllowedReasonCodes) throws(DecodingFailure) -> ReasonCode {
        guard codes.contains(code) else { throw self.failure(codes.violation(code)) }
        return ReasonCode(rawValue: code)
    }
}
