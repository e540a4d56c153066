import NIOCore
import Testing

@testable import BusWire

@Suite("Properties on the wire")
struct MalformedPropertyTests {
    /// A packet that carries properties, around a block given in hexadecimal.
    struct Carrier: Sendable, CustomTestStringConvertible {
        var name: String
        var allowed: Set<PropertyIdentifier>
        var first: UInt8
        var before: String
        var after: String
        var receiver: PacketDecoder.Role

        var testDescription: String { self.name }

        func packet(_ block: ByteBuffer) -> ByteBuffer {
            var body = ByteBuffer(wire: self.before)
            body.writeVariableByteInteger(block.readableBytes)
            body.writeImmutableBuffer(block)
            body.writeImmutableBuffer(ByteBuffer(wire: self.after))
            var packet = ByteBuffer(integer: self.first)
            packet.writeVariableByteInteger(body.readableBytes)
            packet.writeImmutableBuffer(body)
            return packet
        }

        func failure(_ block: ByteBuffer) -> DecodingFailure? {
            BusWireTests.failure(self.packet(block), self.receiver, self.first == 0x10 ? nil : .v5)
        }

        init(
            _ name: String, _ first: UInt8, _ before: String, _ after: String, to receiver: PacketDecoder.Role,
            _ allowed: [PropertyIdentifier]
        ) {
            self.name = name
            self.allowed = Set(allowed + [.userProperty])
            self.first = first
            self.before = before
            self.after = after
            self.receiver = receiver
        }
    }

    static let message: [PropertyIdentifier] = [
        .payloadFormatIndicator, .messageExpiryInterval, .contentType, .responseTopic, .correlationData,
    ]
    static let carriers: [Carrier] = [
        Carrier(
            "CONNECT", 0x10, "s'MQTT' 05 02 0000", "s'a'", to: .server,
            [
                .sessionExpiryInterval, .authenticationMethod, .authenticationData, .requestProblemInformation,
                .requestResponseInformation, .receiveMaximum, .topicAliasMaximum, .maximumPacketSize,
            ]),
        Carrier(
            "will", 0x10, "s'MQTT' 05 06 0000 00 s'a'", "s'w' 0000", to: .server, message + [.willDelayInterval]),
        Carrier("PUBLISH", 0x30, "s'a'", "", to: .client, message + [.topicAlias, .subscriptionIdentifier]),
        Carrier(
            "CONNACK", 0x20, "00 00", "", to: .client,
            [
                .sessionExpiryInterval, .receiveMaximum, .maximumQoS, .retainAvailable, .maximumPacketSize,
                .assignedClientIdentifier, .topicAliasMaximum, .reasonString, .wildcardSubscriptionAvailable,
                .subscriptionIdentifierAvailable, .sharedSubscriptionAvailable, .serverKeepAlive,
                .responseInformation, .serverReference, .authenticationMethod, .authenticationData,
            ]),
        Carrier("PUBACK", 0x40, "0001 00", "", to: .server, [.reasonString]),
        Carrier("PUBREC", 0x50, "0001 00", "", to: .server, [.reasonString]),
        Carrier("PUBREL", 0x62, "0001 00", "", to: .server, [.reasonString]),
        Carrier("PUBCOMP", 0x70, "0001 00", "", to: .server, [.reasonString]),
        Carrier("SUBSCRIBE", 0x82, "0001", "s'a' 00", to: .server, [.subscriptionIdentifier]),
        Carrier("SUBACK", 0x90, "0001", "00", to: .client, [.reasonString]),
        Carrier("UNSUBSCRIBE", 0xA2, "0001", "s'a'", to: .server, []),
        Carrier("UNSUBACK", 0xB0, "0001", "00", to: .client, [.reasonString]),
        Carrier(
            "DISCONNECT", 0xE0, "00", "", to: .server, [.sessionExpiryInterval, .serverReference, .reasonString]),
        Carrier("AUTH", 0xF0, "18", "", to: .server, [.authenticationMethod, .authenticationData, .reasonString]),
    ]

    static let valid: [Property] =
        Sample.connectProperties + [.willDelayInterval(1), .subscriptionIdentifier(1)] + Sample.connAckProperties
        + Sample.publishProperties

    @Test("are accepted in the packets that table 2-4 names and in no other", arguments: carriers)
    func allowed(_ carrier: Carrier) {
        for property in Self.valid {
            // Authentication data needs its method, which the table does not say.
            let isData = property.identifier == .authenticationData && carrier.allowed.contains(.authenticationData)
            let block: Properties = isData ? [.authenticationMethod("m"), property] : [property]
            let found = carrier.failure(block.encoded)
            #expect((found == nil) == carrier.allowed.contains(property.identifier), "\(property)")
            if let found { #expect(found.reasonCode == .malformedPacket) }
        }
    }

    @Test("come once, but for user properties and a server's subscription identifiers", arguments: carriers)
    func duplicates(_ carrier: Carrier) {
        for property in Self.valid where carrier.allowed.contains(property.identifier) {
            let mayRepeat =
                property.identifier == .userProperty
                || (property.identifier == .subscriptionIdentifier && carrier.name == "PUBLISH")
            let found = carrier.failure(Properties([property, property]).encoded)
            #expect(found?.reasonCode == (mayRepeat ? nil : .protocolError), "\(property)")
        }
    }

    @Test("end within their block", arguments: carriers)
    func truncated(_ carrier: Carrier) throws {
        for property in Self.valid where carrier.allowed.contains(property.identifier) {
            let block = Properties([property]).encoded
            for length in 1..<block.readableBytes {
                let part = try #require(block.getSlice(at: block.readerIndex, length: length))
                #expect(carrier.failure(part)?.reasonCode == .malformedPacket, "\(property) cut to \(length)")
            }
        }
    }

    @Test("with unknown identifiers are refused", arguments: carriers)
    func unknown(_ carrier: Carrier) {
        for identifier in UInt8.min...UInt8.max where PropertyIdentifier(rawValue: identifier) == nil {
            let found = carrier.failure(ByteBuffer(bytes: [identifier, 1, 0, 0, 0]))
            #expect(found?.reasonCode == .malformedPacket)
        }
    }

    @Test(
        "that are boolean, or mean a QoS, are 0 or 1",
        arguments: [
            ("CONNECT", UInt8(0x17)), ("CONNECT", 0x19), ("will", 0x01), ("PUBLISH", 0x01), ("CONNACK", 0x24),
            ("CONNACK", 0x25), ("CONNACK", 0x28), ("CONNACK", 0x29), ("CONNACK", 0x2A),
        ])
    func boolean(_ name: String, _ identifier: UInt8) throws {
        let carrier = try #require(Self.carriers.first { $0.name == name })
        #expect(carrier.failure(ByteBuffer(bytes: [identifier, 0])) == nil)
        #expect(carrier.failure(ByteBuffer(bytes: [identifier, 1])) == nil)
        for value: UInt8 in [2, 0x80, 0xFF] {
            #expect(carrier.failure(ByteBuffer(bytes: [identifier, value]))?.reasonCode == .protocolError)
        }
    }

    @Test(
        "that are limits are not zero",
        arguments: [
            ("CONNECT", "21 0000"), ("CONNECT", "27 00000000"), ("CONNACK", "21 0000"), ("CONNACK", "27 00000000"),
            ("SUBSCRIBE", "0B 00"), ("PUBLISH", "0B 00"),
        ])
    func zero(_ name: String, _ block: String) throws {
        let carrier = try #require(Self.carriers.first { $0.name == name })
        #expect(carrier.failure(ByteBuffer(wire: block))?.reasonCode == .protocolError)
    }
}
