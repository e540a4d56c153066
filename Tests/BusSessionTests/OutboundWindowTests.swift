import BusSession
import BusWire
import Testing

@Suite("The outbound window")
struct OutboundWindowTests {
    @Test("takes as many messages as the client receives at a time [MQTT-3.3.4-9]", arguments: [1, 2, 16, 17, 1000])
    func receiveMaximum(_ maximum: Int) {
        var window = OutboundWindow(receiveMaximum: maximum)
        #expect(window.publish(maximum + 3).count == maximum)
        #expect(window.onWireCount == maximum)
        #expect(!window.hasRoom)
    }

    @Test("gives identifiers in turn, none twice and never 0 [MQTT-2.2.1-4]")
    func identifiers() {
        var window = OutboundWindow(receiveMaximum: 3)
        var recent: [PacketIdentifier] = []
        var seen: Set<PacketIdentifier> = []
        for number in 0..<70_000 {
            guard let identifier = window.publish(.sample("\(number)")) else {
                Issue.record("message \(number) was not taken")
                return
            }
            #expect(!recent.contains(identifier))
            recent.append(identifier)
            seen.insert(identifier)
            if recent.count == 3 { #expect(window.receivedPubAck(recent.removeFirst()) == true) }
        }
        #expect(seen.count > 60_000, "identifiers are used again only after all others")
    }

    @Test("gives the identifier of a message that stays away to no other")
    func stragglers() {
        var window = OutboundWindow(receiveMaximum: 20)
        let straggler = window.publish(1)[0]
        for _ in 0..<70_000 {
            guard let identifier = window.publish(.sample("x")) else {
                Issue.record("there is room")
                return
            }
            #expect(identifier != straggler)
            #expect(window.receivedPubAck(identifier) == true)
        }
        #expect(window.count == 1)
    }

    @Test("keeps every message while the table grows under it")
    func growth() {
        var window = OutboundWindow(receiveMaximum: 5000)
        let identifiers = window.publish(5000)
        #expect(Set(identifiers).count == 5000)
        #expect(window.messages.map(\.text) == (0..<5000).map(String.init))
        for identifier in identifiers.shuffled() { #expect(window.receivedPubAck(identifier) == true) }
        #expect(window.count == 0 && window.onWireCount == 0)
    }

    @Test("ends QoS 1 with PUBACK, once")
    func pubAck() {
        var window = OutboundWindow(receiveMaximum: 1)
        let identifier = window.publish(1)[0]
        #expect(window.receivedPubAck(identifier) == true)
        #expect(window.hasRoom)
        #expect(window.receivedPubAck(identifier) == false)
        #expect(window.onWireCount == 0)
    }

    @Test("ends QoS 2 with PUBREC and PUBCOMP [MQTT-4.3.3-5]")
    func pubRecAndPubComp() {
        var window = OutboundWindow(receiveMaximum: 1)
        let identifier = window.publish(1, qos: .exactlyOnce)[0]
        #expect(window.receivedPubComp(identifier) == false)
        #expect(window.receivedPubRec(identifier, isRefused: false) == .release)
        #expect(window.messages.isEmpty, "the content is not needed any more")
        #expect(!window.hasRoom, "PUBCOMP is what gives room")
        #expect(window.receivedPubRec(identifier, isRefused: false) == .release)
        #expect(window.receivedPubComp(identifier) == true)
        #expect(window.hasRoom)
        #expect(window.receivedPubComp(identifier) == false)
    }

    @Test("ends QoS 2 with a PUBREC that refuses [MQTT-4.3.3-4]")
    func refusal() {
        var window = OutboundWindow(receiveMaximum: 1)
        let identifier = window.publish(1, qos: .exactlyOnce)[0]
        #expect(window.receivedPubRec(identifier, isRefused: true) == .refused)
        #expect(window.hasRoom)
        #expect(window.receivedPubRec(identifier, isRefused: false) == .unknown)
    }

    @Test("does not take the acknowledgement of one QoS for the other")
    func mixedAcknowledgements() {
        var window = OutboundWindow(receiveMaximum: 2)
        let first = window.publish(1, qos: .atLeastOnce)[0]
        let second = window.publish(1, qos: .exactlyOnce)[0]
        #expect(window.receivedPubRec(first, isRefused: false) == .unknown)
        #expect(window.receivedPubComp(first) == false)
        #expect(window.receivedPubAck(second) == false)
        #expect(window.count == 2)
    }

    @Test("does not know identifiers that share a place with one under way", arguments: [UInt16(17), 33, 65_521])
    func aliases(_ raw: UInt16) {
        var window = OutboundWindow(receiveMaximum: 4)
        #expect(window.publish(1) == [1])
        guard let other = PacketIdentifier(rawValue: raw) else { return }
        #expect(window.receivedPubAck(other) == false)
        #expect(window.receivedPubRec(other, isRefused: false) == .unknown)
        #expect(window.count == 1)
    }

    @Test("ignores acknowledgements before anything was sent")
    func empty() {
        var window = OutboundWindow(receiveMaximum: 4)
        #expect(window.receivedPubAck(1) == false)
        #expect(window.receivedPubComp(1) == false)
        #expect(window.receivedPubRec(1, isRefused: false) == .unknown)
        #expect(window.nextResumption() == nil)
    }
}

@Suite("A resumed outbound window")
struct ResumedWindowTests {
    @Test("sends what is unfinished again, in the first order and at its stage [MQTT-4.4.0-1]")
    func order() {
        var window = OutboundWindow(receiveMaximum: 10)
        let identifiers = window.publish(2) + window.publish(3, qos: .exactlyOnce)
        #expect(window.receivedPubAck(identifiers[0]) == true)
        #expect(window.receivedPubRec(identifiers[3], isRefused: false) == .release)
        window.resume(receiveMaximum: 10)
        #expect(window.hasResumptions)
        #expect(window.takeResumptions() == ["1 as 2", "0 as 3", "release 4", "2 as 5"])
        #expect(window.onWireCount == 4 && !window.hasResumptions)
    }

    @Test("keeps the order over the end of the identifiers")
    func wrapped() {
        var window = OutboundWindow(receiveMaximum: 4)
        for _ in 0..<65_533 {
            guard let identifier = window.publish(.sample("x")) else { return }
            _ = window.receivedPubAck(identifier)
        }
        #expect(window.publish(4).map(\.rawValue) == [65_534, 65_535, 1, 2])
        window.resume(receiveMaximum: 4)
        #expect(window.takeResumptions() == ["0 as 65534", "1 as 65535", "2 as 1", "3 as 2"])
    }

    @Test("keeps within a Receive Maximum that has become smaller [MQTT-3.3.4-9]")
    func smaller() {
        var window = OutboundWindow(receiveMaximum: 5)
        let identifiers = window.publish(5)
        window.resume(receiveMaximum: 2)
        #expect(window.takeResumptions() == ["0 as 1", "1 as 2"])
        #expect(window.publish(.sample("new")) == nil)
        #expect(window.receivedPubAck(identifiers[0]) == true)
        #expect(window.takeResumptions() == ["2 as 3"])
        #expect(window.receivedPubAck(identifiers[1]) == true)
        #expect(window.receivedPubAck(identifiers[2]) == true)
        #expect(window.takeResumptions() == ["3 as 4", "4 as 5"])
    }

    @Test("takes an acknowledgement that comes before the repetition, and does not repeat")
    func earlyAcknowledgement() {
        var window = OutboundWindow(receiveMaximum: 3)
        let identifiers = window.publish(3)
        window.resume(receiveMaximum: 1)
        #expect(window.takeResumptions() == ["0 as 1"])
        #expect(window.receivedPubAck(identifiers[2]) == true)
        #expect(window.onWireCount == 1, "what was not sent on this connection does not count")
        #expect(window.receivedPubAck(identifiers[0]) == true)
        #expect(window.takeResumptions() == ["1 as 2"])
        #expect(window.receivedPubAck(identifiers[1]) == true)
        #expect(window.count == 0 && window.onWireCount == 0)
    }

    @Test("begins again when it is resumed before it was done")
    func twice() {
        var window = OutboundWindow(receiveMaximum: 3)
        _ = window.publish(3)
        window.resume(receiveMaximum: 1)
        #expect(window.takeResumptions() == ["0 as 1"])
        window.resume(receiveMaximum: 3)
        #expect(window.takeResumptions() == ["0 as 1", "1 as 2", "2 as 3"])
        #expect(window.onWireCount == 3)
    }

    @Test("forgets function calls, sent or yet to be repeated", arguments: [false, true])
    func calls(_ isResumed: Bool) {
        var window = OutboundWindow(receiveMaximum: 3)
        #expect(window.publish(.sample("event")) != nil)
        #expect(window.publish(.sample("call", isCall: true)) != nil)
        if isResumed { window.resume(receiveMaximum: 3) }
        window.removeCalls()
        #expect(window.messages.map(\.text) == ["event"])
        #expect(window.onWireCount == (isResumed ? 0 : 1))
        window.resume(receiveMaximum: 3)
        #expect(window.takeResumptions() == ["event as 1"])
    }
}
