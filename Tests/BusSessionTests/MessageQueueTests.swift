import BusSession
import BusWire
import Testing

@Suite("The message queue")
struct MessageQueueTests {
    static let now = Timestamp(nanoseconds: 1_000)

    static func queue(_ messages: [OutgoingMessage], _ limits: MessageQueue.Limits = .init()) -> MessageQueue {
        var queue = MessageQueue()
        for message in messages { _ = queue.append(message, limits: limits) }
        return queue
    }

    static func drain(_ queue: inout MessageQueue) -> [String] {
        var texts: [String] = []
        var expired = 0
        while let message = queue.popFirst(now: Self.now, expired: &expired) { texts.append(message.text) }
        return texts
    }

    @Test("gives messages in the order of their coming")
    func order() {
        var queue = Self.queue([.sample("1"), .sample("2", qos: .atMostOnce), .sample("3")])
        #expect(queue.count == 3 && queue.hasQoS0)
        #expect(Self.drain(&queue) == ["1", "2", "3"])
        #expect(queue.isEmpty && queue.byteCount == 0)
    }

    @Test("refuses what is above its number of messages")
    func messageLimit() {
        let limits = MessageQueue.Limits(messagesMax: 2)
        var queue = Self.queue([.sample("1"), .sample("2")], limits)
        #expect(queue.append(.sample("3"), limits: limits) == .refused)
        #expect(Self.drain(&queue) == ["1", "2"])
    }

    @Test("refuses what is above its number of bytes")
    func byteLimit() {
        let one = OutgoingMessage.sample("1")
        let limits = MessageQueue.Limits(bytesMax: 2 * one.queuedByteCount)
        var queue = Self.queue([one, one], limits)
        #expect(queue.byteCount == limits.bytesMax)
        #expect(queue.append(one, limits: limits) == .refused)
        #expect(queue.count == 2)
        #expect(Self.drain(&queue) == ["1", "1"])
    }

    @Test("gives up the oldest QoS 0 message before it refuses another")
    func replacement() {
        let limits = MessageQueue.Limits(messagesMax: 3)
        var queue = Self.queue(
            [.sample("1"), .sample("old", qos: .atMostOnce), .sample("young", qos: .atMostOnce)], limits)
        #expect(queue.append(.sample("2"), limits: limits) == .replacedOldest)
        #expect(queue.append(.sample("3"), limits: limits) == .replacedOldest)
        #expect(queue.append(.sample("4"), limits: limits) == .refused)
        #expect(Self.drain(&queue) == ["1", "2", "3"])
    }

    @Test("refuses a message that is larger than the whole queue, and keeps its bounds")
    func tooLarge() {
        let limits = MessageQueue.Limits(bytesMax: 10)
        var queue = MessageQueue()
        #expect(queue.append(.sample("x"), limits: limits) == .refused)
        #expect(queue.isEmpty && queue.byteCount == 0)
    }

    @Test("passes over expired messages and counts them [MQTT-3.3.2-5]")
    func expiry() {
        let soon = Timestamp(nanoseconds: 1_001)
        var queue = Self.queue([
            .sample("over", expiresAt: Self.now), .sample("lives", expiresAt: soon),
            .sample("over too", qos: .atMostOnce, expiresAt: Timestamp(nanoseconds: 1)),
        ])
        var expired = 0
        #expect(queue.popFirst(now: Self.now, expired: &expired)?.text == "lives")
        #expect(queue.popFirst(now: Self.now, expired: &expired) == nil)
        #expect(expired == 2)
        #expect(queue.byteCount == 0)
    }

    @Test("removes calls and keeps its account of the rest")
    func calls() {
        let kept = OutgoingMessage.sample("event", qos: .atMostOnce)
        var queue = Self.queue([.sample("call", isCall: true), kept, .sample("call", qos: .atMostOnce, isCall: true)])
        queue.removeCalls()
        #expect(queue.byteCount == kept.queuedByteCount && queue.count == 1)
        let limits = MessageQueue.Limits(messagesMax: 1)
        #expect(queue.append(.sample("next"), limits: limits) == .replacedOldest)
        #expect(Self.drain(&queue) == ["next"])
    }
}
