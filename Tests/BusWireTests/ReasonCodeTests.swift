import Testing

@testable import BusWire

@Suite("A reason code")
struct ReasonCodeTests {
    @Test(
        "has the value of table 2-6 and says it in words",
        arguments: [
            (ReasonCode.success, UInt8(0x00), "success"), (.grantedQoS1, 0x01, "granted QoS 1"),
            (.disconnectWithWill, 0x04, "disconnect with will message"),
            (.noMatchingSubscribers, 0x10, "no matching subscribers"),
            (.malformedPacket, 0x81, "malformed packet"), (.protocolError, 0x82, "protocol error"),
            (.notAuthorized, 0x87, "not authorized"), (.keepAliveTimeout, 0x8D, "keep alive timeout"),
            (.sessionTakenOver, 0x8E, "session taken over"), (.topicAliasInvalid, 0x94, "topic alias invalid"),
            (.packetTooLarge, 0x95, "packet too large"), (.quotaExceeded, 0x97, "quota exceeded"),
            (.sharedSubscriptionsNotSupported, 0x9E, "shared subscriptions not supported"),
            (.wildcardSubscriptionsNotSupported, 0xA2, "wildcard subscriptions not supported"),
            (ReasonCode(rawValue: 0xF0), 0xF0, "reason code 0xF0"),
        ])
    func value(_ code: ReasonCode, _ value: UInt8, _ words: String) {
        #expect(code.rawValue == value)
        #expect(code.description == words)
    }

    @Test("is an error from 0x80 on", arguments: UInt8.min...UInt8.max)
    func isError(_ value: UInt8) {
        #expect(ReasonCode(rawValue: value).isError == (value >= 128))
    }

    @Test(
        "becomes one of the six return codes of MQTT 3.1.1 [MQTT311-3.2.2-6]",
        arguments: [
            (ReasonCode.success, UInt8(0)), (.unsupportedProtocolVersion, 1), (.clientIdentifierNotValid, 2),
            (.serverUnavailable, 3), (.badUserNameOrPassword, 4), (.notAuthorized, 5), (.banned, 5),
            (.quotaExceeded, 3), (.serverBusy, 3), (.malformedPacket, 3),
        ])
    func returnCode(_ code: ReasonCode, _ returnCode: UInt8) {
        #expect(code.connectReturnCode == returnCode)
    }

    @Test("is read back from a return code of MQTT 3.1.1", arguments: UInt8(0)...5)
    func fromReturnCode(_ returnCode: UInt8) {
        #expect(ReasonCode(connectReturnCode: returnCode)?.connectReturnCode == returnCode)
    }
}

@Suite("A packet identifier")
struct PacketIdentifierTests {
    @Test("is never zero [MQTT-2.2.1-3]")
    func zero() {
        #expect(PacketIdentifier(UInt16.zero) == nil)
        #expect(PacketIdentifier(rawValue: 0) == nil)
        #expect(PacketIdentifier(UInt16.max)?.rawValue == 65535)
    }
}
