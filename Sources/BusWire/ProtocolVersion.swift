/// The version of MQTT that one network connection speaks, by its protocol level.
package enum ProtocolVersion: UInt8, Sendable {
    /// "MQIsdp", the version before the OASIS standard. Served as 3.1.1, with the laxness its text asks for.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case v3_1 = 3
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case v3_1_1 = 4
    case v5 = 5
}

/// The quality of service of an application message.
package enum QoS: UInt8, Comparable, Sendable {
    case atMostOnce = 0
    case atLeastOnce = 1
    case exactlyOnce = 2

    package static func < (left: QoS, right: QoS) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// The non-zero number that ties a packet to its acknowledgement [MQTT-2.2.1-3].
package struct PacketIdentifier: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16

    package init?(rawValue: UInt16) {
        guard rawValue != 0 else { return nil }
        self.rawValue = rawValue
    }

    package init?(_ rawValue: UInt16) {
        self.init(rawValue: rawValue)
    }
}

/// Which retained messages a subscription asks for when it is made (MQTT 5.0, 3.8.3.1).
package enum RetainHandling: UInt8, Sendable {
    case sendOnSubscribe = 0
    case sendIfNew = 1
    case doNotSend = 2
}

/// The control packet types by their number in the fixed header (MQTT 5.0, table 2-1).
package enum PacketType: UInt8, Sendable {
    case connect = 1
    case connAck = 2
    case publish = 3
    case pubAck = 4
    case pubRec = 5
    case pubRel = 6
    case pubComp = 7
    case subscribe = 8
    case subAck = 9
    case unsubscribe = 10
    case unsubAck = 11
    case pingReq = 12
    case pingResp = 13
    case disconnect = 14
    case auth = 15
}
