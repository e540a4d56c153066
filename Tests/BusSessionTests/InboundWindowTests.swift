import BusSession
import BusWire
import Testing

@Suite("The inbound window")
struct InboundWindowTests {
    @Test("takes a QoS 2 message once until it is released [MQTT-4.3.3-10]")
    func once() {
        var window = InboundWindow(receiveMaximum: 2)
        #expect(window.receivedPublish(7) == .new)
        #expect(window.receivedPublish(7) == .duplicate)
        #expect(window.hasUnreleased(7))
        #expect(window.receivedPubRel(7) == true)
        #expect(window.receivedPublish(7) == .new)
    }

    @Test("knows only identifiers that wait for their release")
    func unknownRelease() {
        var window = InboundWindow(receiveMaximum: 2)
        #expect(window.receivedPubRel(7) == false)
        #expect(window.receivedPublish(7) == .new)
        #expect(window.receivedPubRel(7) == true)
        #expect(window.receivedPubRel(7) == false)
    }

    @Test("holds no more than was announced [MQTT-3.3.4-7]", arguments: [1, 2, 64])
    func limit(_ maximum: Int) {
        var window = InboundWindow(receiveMaximum: maximum)
        let identifiers = (1...UInt16(maximum)).compactMap(PacketIdentifier.init(rawValue:))
        for identifier in identifiers { #expect(window.receivedPublish(identifier) == .new) }
        #expect(window.receivedPublish(1000) == .exceedsReceiveMaximum)
        #expect(window.receivedPublish(1) == .duplicate, "a repetition needs no room")
        #expect(window.count == maximum)
        #expect(window.receivedPubRel(1) == true)
        #expect(window.receivedPublish(1000) == .new)
    }

    @Test("forgets a message that was refused")
    func refused() {
        var window = InboundWindow(receiveMaximum: 1)
        #expect(window.receivedPublish(1) == .new)
        window.refuse(1)
        #expect(window.receivedPublish(2) == .new)
        #expect(!window.hasUnreleased(1))
    }
}
