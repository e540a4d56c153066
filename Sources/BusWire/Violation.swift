/// A rule of the specification that a peer can break: how to answer, what to say, and where it is written.
///
/// The same rule has different numbers in MQTT 5.0 and MQTT 3.1.1, and some rules have none.
struct Violation {
    var reasonCode: ReasonCode
    var message: String
    var statement: String?
    /// The number in MQTT 3.1.1.
    var olderStatement: String?

    func failure(_ version: ProtocolVersion?) -> DecodingFailure {
        let isOlder = version == .v3_1 || version == .v3_1_1
        return DecodingFailure(
            reasonCode: self.reasonCode, message: self.message,
            statement: isOlder ? self.olderStatement : self.statement, version: version)
    }

    static func malformed(_ message: String, _ statement: String? = nil, older: String? = nil) -> Violation {
        Violation(
            reasonCode: .malformedPacket, message: message, statement: statement, olderStatement: older)
    }

    static func protocolError(_ message: String, _ statement: String? = nil, older: String? = nil) -> Violation {
        Violation(reasonCode: .protocolError, message: message, statement: statement, olderStatement: older)
    }
}

/// Rules about the fixed header and about fields in general.
extension Violation {
    static var reservedPacketType: Violation {
        .malformed("The packet type is reserved.")
    }

    static var unexpectedPacketType: Violation {
        .protocolError("This side of a connection must not send this packet type.")
    }

    static var versionUnknown: Violation {
        .protocolError("The first packet must be CONNECT.", "MQTT-3.1.0-1", older: "MQTT311-3.1.0-1")
    }

    static func reservedFlags(of type: PacketType) -> Violation {
        let message = "The flags of the fixed header have reserved values."
        return switch type {
        case .pubRel: .malformed(message, "MQTT-3.6.1-1", older: "MQTT311-3.6.1-1")
        case .subscribe: .malformed(message, "MQTT-3.8.1-1", older: "MQTT311-3.8.1-1")
        case .unsubscribe: .malformed(message, "MQTT-3.10.1-1", older: "MQTT311-3.10.1-1")
        case .disconnect: .malformed(message, "MQTT-3.14.1-1", older: "MQTT311-3.14.1-1")
        case .auth: .malformed(message, "MQTT-3.15.1-1")
        case .connect, .connAck, .publish, .pubAck, .pubRec, .pubComp, .subAck, .unsubAck, .pingReq, .pingResp:
            .malformed(message, "MQTT-2.1.3-1", older: "MQTT311-2.2.2-2")
        }
    }

    static var remainingLengthTooLong: Violation {
        .malformed("The remaining length takes more than four bytes.")
    }

    static var integerTooLong: Violation {
        .malformed("A variable byte integer takes more than four bytes.")
    }

    static var integerNotMinimal: Violation {
        .malformed("A variable byte integer takes more bytes than it needs.", "MQTT-1.5.5-1")
    }

    static func packetTooLarge(byteCount: Int, maximum: Int, role: PacketDecoder.Role) -> Violation {
        Violation(
            reasonCode: .packetTooLarge,
            message: "The packet has \(byteCount) bytes and may have \(maximum) at most.",
            statement: role == .server ? "MQTT-3.2.2-15" : "MQTT-3.1.2-24")
    }

    static var fieldPastEnd: Violation {
        .malformed("A field runs past the end of its packet.")
    }

    static var trailingBytes: Violation {
        .malformed("The packet goes on after its last field.")
    }

    static var illFormedString: Violation {
        .malformed(
            "A string is not well-formed UTF-8.", "MQTT-1.5.4-1", older: "MQTT311-1.5.3-1")
    }

    static var nullCharacter: Violation {
        .malformed("A string holds U+0000.", "MQTT-1.5.4-2", older: "MQTT311-1.5.3-2")
    }

    static var packetIdentifierZero: Violation {
        .protocolError("The packet identifier is zero.", "MQTT-2.2.1-3", older: "MQTT311-2.3.1-1")
    }

    static func reasonCodeNotAllowed(_ code: UInt8, statement: String, older: String? = nil) -> Violation {
        .protocolError(
            "Reason code 0x" + String(code, radix: 16, uppercase: true) + " does not belong into this packet.",
            statement, older: older)
    }
}

/// Rules about properties (MQTT 5.0, 2.2.2).
extension Violation {
    static func unknownProperty(_ identifier: UInt8) -> Violation {
        .malformed("There is no property 0x" + String(identifier, radix: 16, uppercase: true) + ".")
    }

    static func propertyNotAllowed(_ identifier: PropertyIdentifier) -> Violation {
        .malformed("The property \(identifier) does not belong into this packet.")
    }

    static func duplicateProperty(_ identifier: PropertyIdentifier) -> Violation {
        .protocolError("The property \(identifier) comes twice.")
    }

    static var propertiesPastEnd: Violation {
        .malformed("The properties run past the end of the packet.")
    }

    static func propertyNotBoolean(_ identifier: PropertyIdentifier) -> Violation {
        .protocolError("The property \(identifier) is neither 0 nor 1.")
    }

    static func propertyZero(_ identifier: PropertyIdentifier) -> Violation {
        .protocolError("The property \(identifier) is zero.")
    }

    static var topicAliasZero: Violation {
        Violation(reasonCode: .topicAliasInvalid, message: "The topic alias is zero.", statement: "MQTT-3.3.2-8")
    }

    static var responseTopicWithWildcard: Violation {
        .protocolError("The response topic contains a wildcard.", "MQTT-3.3.2-14")
    }

    static var subscriptionIdentifierFromClient: Violation {
        .protocolError("A client must not send a subscription identifier in PUBLISH.", "MQTT-3.3.4-6")
    }

    static var authenticationDataWithoutMethod: Violation {
        .protocolError("There is authentication data without an authentication method.")
    }

    static var sessionExpiryFromServer: Violation {
        .protocolError("A server must not send a session expiry interval in DISCONNECT.", "MQTT-3.14.2-2")
    }
}

/// Rules of single packets.
extension Violation {
    static var protocolNameUnknown: Violation {
        .protocolError("The protocol name is not that of MQTT.", "MQTT-3.1.2-1", older: "MQTT311-3.1.2-1")
    }

    static func protocolLevelUnsupported(_ level: UInt8) -> Violation {
        Violation(
            reasonCode: .unsupportedProtocolVersion,
            message: "Protocol level \(level) is not one of 3 (MQIsdp), 4 and 5 (MQTT).", statement: "MQTT-3.1.2-2",
            olderStatement: "MQTT311-3.1.2-2")
    }

    static var connectReservedFlag: Violation {
        .malformed("The reserved flag of CONNECT is set.", "MQTT-3.1.2-3", older: "MQTT311-3.1.2-3")
    }

    static var willQoSWithoutWill: Violation {
        .malformed("There is a will QoS without a will.", "MQTT-3.1.2-11", older: "MQTT311-3.1.2-13")
    }

    static var willRetainWithoutWill: Violation {
        .malformed("There is a will retain flag without a will.", "MQTT-3.1.2-13", older: "MQTT311-3.1.2-15")
    }

    static var willQoSReserved: Violation {
        .malformed("The will QoS is 3.", "MQTT-3.1.2-12", older: "MQTT311-3.1.2-14")
    }

    static var passwordWithoutUserName: Violation {
        .malformed("There is a password without a user name.", older: "MQTT311-3.1.2-22")
    }

    static var connAckReservedFlags: Violation {
        .malformed("The reserved flags of CONNACK are set.", "MQTT-3.2.2-1")
    }

    static var sessionPresentInRefusal: Violation {
        .protocolError("A refusal says that a session is present.", "MQTT-3.2.2-6", older: "MQTT311-3.2.2-4")
    }

    static var qosReserved: Violation {
        .malformed("The QoS is 3.", "MQTT-3.3.1-4", older: "MQTT311-3.3.1-4")
    }

    static var duplicateWithoutQoS: Violation {
        .malformed("The DUP flag is set with QoS 0.", "MQTT-3.3.1-2", older: "MQTT311-3.3.1-2")
    }

    static var topicEmpty: Violation {
        .protocolError("There is neither a topic nor a topic alias.", "MQTT-4.7.3-1", older: "MQTT311-4.7.3-1")
    }

    static var noSubscriptions: Violation {
        .protocolError("SUBSCRIBE has no topic filter.", "MQTT-3.8.3-2", older: "MQTT311-3.8.3-3")
    }

    static var subscriptionOptionsReserved: Violation {
        .malformed("Reserved subscription options are set.", "MQTT-3.8.3-5", older: "MQTT311-3.8.3-4")
    }

    static var maximumQoSReserved: Violation {
        .protocolError("The maximum QoS of a subscription is 3.", older: "MQTT311-3.8.3-4")
    }

    static var retainHandlingReserved: Violation {
        .protocolError("The retain handling of a subscription is 3.")
    }

    static var noFilters: Violation {
        .protocolError("UNSUBSCRIBE has no topic filter.", "MQTT-3.10.3-2", older: "MQTT311-3.10.3-2")
    }
}
