package import NIOCore

/// The first value of each property, or `nil`. Walks the block and allocates for nothing but the value asked for.
extension Properties {
    package var payloadFormatIndicator: UInt8? { self.first(.payloadFormatIndicator).map(self.byte) }
    package var messageExpiryInterval: UInt32? { self.first(.messageExpiryInterval).map(self.uint32) }
    package var contentType: String? { self.first(.contentType).map(self.string) }
    package var responseTopic: String? { self.first(.responseTopic).map(self.string) }
    package var correlationData: ByteBuffer? { self.first(.correlationData).map(self.binary) }
    package var sessionExpiryInterval: UInt32? { self.first(.sessionExpiryInterval).map(self.uint32) }
    package var assignedClientIdentifier: String? { self.first(.assignedClientIdentifier).map(self.string) }
    package var serverKeepAlive: UInt16? { self.first(.serverKeepAlive).map(self.uint16) }
    package var authenticationMethod: String? { self.first(.authenticationMethod).map(self.string) }
    package var authenticationData: ByteBuffer? { self.first(.authenticationData).map(self.binary) }
    package var requestProblemInformation: UInt8? { self.first(.requestProblemInformation).map(self.byte) }
    package var willDelayInterval: UInt32? { self.first(.willDelayInterval).map(self.uint32) }
    package var requestResponseInformation: UInt8? { self.first(.requestResponseInformation).map(self.byte) }
    package var responseInformation: String? { self.first(.responseInformation).map(self.string) }
    package var serverReference: String? { self.first(.serverReference).map(self.string) }
    package var reasonString: String? { self.first(.reasonString).map(self.string) }
    package var receiveMaximum: UInt16? { self.first(.receiveMaximum).map(self.uint16) }
    package var topicAliasMaximum: UInt16? { self.first(.topicAliasMaximum).map(self.uint16) }
    package var topicAlias: UInt16? { self.first(.topicAlias).map(self.uint16) }
    package var maximumQoS: UInt8? { self.first(.maximumQoS).map(self.byte) }
    package var retainAvailable: UInt8? { self.first(.retainAvailable).map(self.byte) }
    package var maximumPacketSize: UInt32? { self.first(.maximumPacketSize).map(self.uint32) }
    package var wildcardSubscriptionAvailable: UInt8? { self.first(.wildcardSubscriptionAvailable).map(self.byte) }
    package var subscriptionIdentifierAvailable: UInt8? {
        self.first(.subscriptionIdentifierAvailable).map(self.byte)
    }
    package var sharedSubscriptionAvailable: UInt8? { self.first(.sharedSubscriptionAvailable).map(self.byte) }

    /// Every subscription identifier, in order: a PUBLISH may carry several [MQTT-3.3.4-4].
    package var subscriptionIdentifiers: [UInt32] {
        var found: [UInt32] = []
        self.forEach(.subscriptionIdentifier) { found.append(self.variableByteInteger($0)) }
        return found
    }

    /// Every user property, in order [MQTT-3.3.2-18].
    package var userProperties: [(name: String, value: String)] {
        var found: [(name: String, value: String)] = []
        self.forEach(.userProperty) { found.append(self.stringPair($0)) }
        return found
    }

    private func forEach(_ identifier: PropertyIdentifier, _ body: (EncodedProperty) -> Void) {
        var position = 0
        while position < self.byteCount {
            let property = self.encodedProperty(at: position)
            if property.identifier == identifier { body(property) }
            position = property.end
        }
    }

    func decoded(_ property: EncodedProperty) -> Property {
        switch property.identifier {
        case .payloadFormatIndicator: .payloadFormatIndicator(self.byte(property))
        case .messageExpiryInterval: .messageExpiryInterval(self.uint32(property))
        case .contentType: .contentType(self.string(property))
        case .responseTopic: .responseTopic(self.string(property))
        case .correlationData: .correlationData(self.binary(property))
        case .subscriptionIdentifier: .subscriptionIdentifier(self.variableByteInteger(property))
        case .sessionExpiryInterval: .sessionExpiryInterval(self.uint32(property))
        case .assignedClientIdentifier: .assignedClientIdentifier(self.string(property))
        case .serverKeepAlive: .serverKeepAlive(self.uint16(property))
        case .authenticationMethod: .authenticationMethod(self.string(property))
        case .authenticationData: .authenticationData(self.binary(property))
        case .requestProblemInformation: .requestProblemInformation(self.byte(property))
        case .willDelayInterval: .willDelayInterval(self.uint32(property))
        case .requestResponseInformation: .requestResponseInformation(self.byte(property))
        case .responseInformation: .responseInformation(self.string(property))
        case .serverReference: .serverReference(self.string(property))
        case .reasonString: .reasonString(self.string(property))
        case .receiveMaximum: .receiveMaximum(self.uint16(property))
        case .topicAliasMaximum: .topicAliasMaximum(self.uint16(property))
        case .topicAlias: .topicAlias(self.uint16(property))
        case .maximumQoS: .maximumQoS(self.byte(property))
        case .retainAvailable: .retainAvailable(self.byte(property))
        case .userProperty: self.userProperty(property)
        case .maximumPacketSize: .maximumPacketSize(self.uint32(property))
        case .wildcardSubscriptionAvailable: .wildcardSubscriptionAvailable(self.byte(property))
        case .subscriptionIdentifierAvailable: .subscriptionIdentifierAvailable(self.byte(property))
        case .sharedSubscriptionAvailable: .sharedSubscriptionAvailable(self.byte(property))
        }
    }

    private func userProperty(_ property: EncodedProperty) -> Property {
        let pair = self.stringPair(property)
        return .userProperty(name: pair.name, value: pair.value)
    }
}
