import NIOCore
import Testing

@testable import BusWire

@Suite("A property block")
struct PropertiesTests {
    static let everything =
        Sample.connectProperties + Sample.willProperties + Sample.connAckProperties + Sample.publishProperties
        + [.subscriptionIdentifier(1), .subscriptionIdentifier(16_384)]

    @Test("gives back every property in order")
    func order() {
        #expect(Array(Properties(Self.everything)) == Self.everything)
    }

    @Test(
        "has the bytes of table 2-4",
        arguments: [
            (Property.payloadFormatIndicator(1), "01 01"), (.messageExpiryInterval(1), "02 00 00 00 01"),
            (.contentType("a"), "03 00 01 61"), (.responseTopic("a"), "08 00 01 61"),
            (.correlationData(ByteBuffer(bytes: [0, 255])), "09 00 02 00 FF"),
            (.subscriptionIdentifier(300), "0B AC 02"),
            (.sessionExpiryInterval(.max), "11 FF FF FF FF"), (.assignedClientIdentifier(""), "12 00 00"),
            (.serverKeepAlive(258), "13 01 02"), (.authenticationMethod("a"), "15 00 01 61"),
            (.authenticationData(ByteBuffer()), "16 00 00"), (.requestProblemInformation(0), "17 00"),
            (.willDelayInterval(2), "18 00 00 00 02"), (.requestResponseInformation(1), "19 01"),
            (.responseInformation("a"), "1A 00 01 61"), (.serverReference("a"), "1C 00 01 61"),
            (.reasonString("a"), "1F 00 01 61"), (.receiveMaximum(3), "21 00 03"), (.topicAliasMaximum(3), "22 00 03"),
            (.topicAlias(3), "23 00 03"), (.maximumQoS(1), "24 01"), (.retainAvailable(0), "25 00"),
            (.userProperty(name: "a", value: "b"), "26 00 01 61 00 01 62"),
            (.maximumPacketSize(256), "27 00 00 01 00"), (.wildcardSubscriptionAvailable(1), "28 01"),
            (.subscriptionIdentifierAvailable(1), "29 01"), (.sharedSubscriptionAvailable(1), "2A 01"),
        ])
    func bytes(_ property: Property, _ hex: String) {
        #expect(Properties([property]).encoded.hex == hex)
    }

    @Test("answers for each value by name")
    func accessors() {
        let block = Properties(Self.everything)
        #expect(block.payloadFormatIndicator == 1)
        #expect(block.messageExpiryInterval == 90)
        #expect(block.contentType == "text/plain")
        #expect(block.responseTopic == "answers")
        #expect(block.correlationData == ByteBuffer(string: "42"))
        #expect(block.subscriptionIdentifiers == [1, 16_384])
        #expect(block.sessionExpiryInterval == 3600)
        #expect(block.assignedClientIdentifier == "auto-1")
        #expect(block.serverKeepAlive == 300)
        #expect(block.authenticationMethod == "SCRAM")
        #expect(block.authenticationData == ByteBuffer(string: "first"))
        #expect(block.requestProblemInformation == 0)
        #expect(block.willDelayInterval == 30)
        #expect(block.requestResponseInformation == 1)
    }

    @Test("answers for each value of a CONNACK by name")
    func connAckAccessors() {
        let block = Properties(Self.everything)
        #expect(block.responseInformation == "fc/_reply/auto-1")
        #expect(block.serverReference == "other")
        #expect(block.reasonString == "because")
        #expect(block.receiveMaximum == 64)
        #expect(block.topicAliasMaximum == 16)
        #expect(block.topicAlias == 3)
        #expect(block.maximumQoS == 1)
        #expect(block.retainAvailable == 1)
        #expect(block.maximumPacketSize == 65536)
        #expect(block.wildcardSubscriptionAvailable == 1)
        #expect(block.subscriptionIdentifierAvailable == 1)
        #expect(block.sharedSubscriptionAvailable == 0)
    }

    @Test("has no values when it is empty")
    func empty() {
        let block = Properties()
        #expect(block.isEmpty)
        #expect(block.byteCount == 0)
        #expect(block.sessionExpiryInterval == nil)
        #expect(block.userProperties.isEmpty)
        #expect(Array(block) == [])
    }

    @Test("gives user properties in order, equal names included [MQTT-3.3.2-18]")
    func userProperties() {
        let pairs = Properties(Sample.publishProperties).userProperties
        #expect(pairs.map(\.name) == ["b", "a", "b"])
        #expect(pairs.map(\.value) == ["1", "2", "3"])
    }

    @Test("finds the first user property of a name, compared byte by byte")
    func firstUserProperty() {
        let block = Properties(Sample.publishProperties + [.userProperty(name: "e\u{301}", value: "accent")])
        #expect(block.firstUserProperty(named: "b") == "1")
        #expect(block.firstUserProperty(named: "a") == "2")
        #expect(block.firstUserProperty(named: "c") == nil)
        #expect(block.firstUserProperty(named: "") == nil)
        #expect(block.firstUserProperty(named: "\u{E9}") == nil)
        #expect(block.firstUserProperty(named: "e\u{301}") == "accent")
    }

    @Test("can be walked as encoded pieces that add up to the whole")
    func pieces() {
        let block = Properties(Self.everything)
        var identifiers: [PropertyIdentifier] = []
        var pieces = ByteBuffer()
        block.forEachEncoded { identifier, bytes in
            identifiers.append(identifier)
            pieces.writeImmutableBuffer(bytes)
        }
        #expect(identifiers == Self.everything.map(\.identifier))
        #expect(pieces == block.encoded)
    }

    @Test("loses what is dropped and keeps the order of the rest")
    func removing() {
        let block = Properties(Sample.publishProperties).removing { $0 == .userProperty || $0 == .topicAlias }
        let expected = Sample.publishProperties.filter {
            $0.identifier != .userProperty && $0.identifier != .topicAlias
        }
        #expect(Array(block) == expected)
        #expect(block.removing { $0 == .topicAlias } == block)
    }

    @Test("cuts free text to the length of a field at the end of a character", arguments: ["a", "é", "€", "😀"])
    func longFreeText(_ character: String) throws {
        let text = String(repeating: character, count: 70_000)
        let value = try #require(Properties([.reasonString(text)]).reasonString)
        #expect(value.utf8.count <= 65_535)
        #expect(value.utf8.count > 65_535 - 4)
        #expect(text.hasPrefix(value))
    }

    @Test("replaces U+0000 in free text, over which receivers would close [MQTT-1.5.4-2]")
    func nullInFreeText() {
        let block: Properties = [.userProperty(name: "\0k", value: "a\0b")]
        #expect(block.userProperties.first?.name == "\u{FFFD}k")
        #expect(block.firstUserProperty(named: "\u{FFFD}k") == "a\u{FFFD}b")
    }

    @Test("does not share what is appended to a copy")
    func copies() {
        var first: Properties = [.topicAlias(1)]
        let second = first
        first.append(.receiveMaximum(2))
        #expect(Array(second) == [.topicAlias(1)])
        #expect(Array(first) == [.topicAlias(1), .receiveMaximum(2)])
    }
}
