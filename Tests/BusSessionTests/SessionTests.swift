import BusSession
import BusWire
import Testing

@Suite("A session")
struct SessionTests {
    static let now = Timestamp(nanoseconds: 1_000)
    static let limits = MessageQueue.Limits(messagesMax: 3)

    var session: Session

    init() {
        var limits = SessionLimits()
        limits.receiveMaximumOut = 2
        self.session = Session(clientIdentifier: "c", limits: limits)
    }

    @Test("sends while the window has room, then queues, then refuses")
    mutating func offers() {
        let offers = (1...6).map { self.session.offer(.sample("\($0)"), canSend: true, limits: Self.limits) }
        #expect(offers == [.send(1), .send(2), .queued, .queued, .queued, .refused])
        #expect(self.session.hasWaiting)
    }

    @Test("sends QoS 0 past a full window, but not past what waits")
    mutating func qos0() {
        let message = OutgoingMessage.sample("0", qos: .atMostOnce)
        for number in 1...2 { _ = self.session.offer(.sample("\(number)"), canSend: true, limits: Self.limits) }
        #expect(self.session.offer(message, canSend: true, limits: Self.limits) == .send(nil))
        #expect(self.session.offer(.sample("3"), canSend: true, limits: Self.limits) == .queued)
        #expect(self.session.offer(message, canSend: true, limits: Self.limits) == .queued)
    }

    @Test("queues for a client that is away or does not take its bytes")
    mutating func absent() {
        #expect(self.session.offer(.sample("1"), canSend: false, limits: Self.limits) == .queued)
        #expect(self.session.offer(.sample("2"), canSend: true, limits: Self.limits) == .queued, "behind the first")
    }

    @Test("gives up a waiting QoS 0 message for a better one")
    mutating func replacement() {
        _ = self.session.offer(.sample("0", qos: .atMostOnce), canSend: false, limits: Self.limits)
        for number in 1...2 { _ = self.session.offer(.sample("\(number)"), canSend: false, limits: Self.limits) }
        #expect(self.session.offer(.sample("3"), canSend: false, limits: Self.limits) == .replacedOldest)
        #expect(self.session.queue.count == 3)
    }

    @Test("gives what waits in order, as far as the window goes")
    mutating func waiting() {
        for number in 1...3 { _ = self.session.offer(.sample("\(number)"), canSend: false, limits: Self.limits) }
        var expired = 0
        var texts: [String] = []
        while let next = self.session.nextWaiting(now: Self.now, expired: &expired) {
            #expect(next.identifier != nil)
            texts.append(next.message.text)
        }
        #expect(texts == ["1", "2"])
        #expect(self.session.window.receivedPubAck(1) == true)
        #expect(self.session.nextWaiting(now: Self.now, expired: &expired)?.message.text == "3")
        #expect(!self.session.hasWaiting && expired == 0)
    }

    @Test("gives retained messages before all that came later")
    mutating func replay() {
        _ = self.session.offer(.sample("new"), canSend: false, limits: Self.limits)
        self.session.replay.append(.sample("over", expiresAt: Self.now))
        self.session.replay.append(.sample("retained", qos: .atMostOnce))
        #expect(self.session.offer(.sample("newer"), canSend: true, limits: Self.limits) == .queued)
        var expired = 0
        let first = self.session.nextWaiting(now: Self.now, expired: &expired)
        #expect(first?.message.text == "retained" && first?.identifier == nil && expired == 1)
        #expect(self.session.nextWaiting(now: Self.now, expired: &expired)?.message.text == "new")
    }

    @Test("sends nothing new before it has repeated the old [MQTT-4.4.0-1]")
    mutating func resumption() {
        _ = self.session.offer(.sample("old"), canSend: true, limits: Self.limits)
        self.session.window.resume(receiveMaximum: 2)
        #expect(self.session.hasWaiting)
        #expect(self.session.offer(.sample("new"), canSend: true, limits: Self.limits) == .queued)
        #expect(self.session.window.takeResumptions() == ["old as 1"])
        var expired = 0
        #expect(self.session.nextWaiting(now: Self.now, expired: &expired)?.message.text == "new")
    }

    @Test("expires as many seconds after its connection as it was granted, or never [MQTT-3.1.2-23]")
    mutating func expiry() {
        let wishes: [(UInt32, Timestamp)] = [
            (0, Self.now), (10, Timestamp(nanoseconds: 10_000_001_000)), (.max, .never),
        ]
        for (seconds, expected) in wishes {
            self.session.expirySeconds = seconds
            #expect(self.session.expiry(from: Self.now) == expected)
        }
    }

    @Test("keeps of what waits only what may still be read")
    mutating func keepWaiting() {
        self.session.replay.append(.sample("secret"))
        for text in ["secret", "open"] {
            _ = self.session.offer(.sample(text), canSend: false, limits: Self.limits)
        }
        self.session.keepWaiting { $0.text == "open" }
        var expired = 0
        #expect(self.session.nextWaiting(now: Self.now, expired: &expired)?.message.text == "open")
        #expect(!self.session.hasWaiting)
    }
}
