import BusWire
private import DequeModule

/// Messages that wait for their session: for its client to return, or for room in its window.
///
/// Bounded by messages and by bytes. When full, the oldest QoS 0 message makes room; if there is none, the new message
/// is refused and counted. Messages expire lazily: an expired one is dropped when its turn comes.
package struct MessageQueue: Sendable {
    package struct Limits: Sendable, Equatable {
        package var messagesMax: Int
        package var bytesMax: Int

        package init(messagesMax: Int = 1000, bytesMax: Int = 8 << 20) {
            self.messagesMax = messagesMax
            self.bytesMax = bytesMax
        }
    }

    package enum Admission: Equatable, Sendable {
        case queued
        /// Queued, at the price of an older QoS 0 message.
        case replacedOldest
        case refused
    }

    private var messages: Deque<OutgoingMessage> = []
    private var qos0Count = 0
    package private(set) var byteCount = 0
    /// Of stored messages that have expired and were dropped, until somebody takes them.
    package var expiredRecords: [DeliveryRecord] = []

    package init() {}

    /// Oldest first.
    package var waiting: some Sequence<OutgoingMessage> { self.messages }

    package var count: Int { self.messages.count }
    package var isEmpty: Bool { self.messages.isEmpty }
    package var hasQoS0: Bool { self.qos0Count > 0 }

    package mutating func append(_ message: OutgoingMessage, limits: Limits) -> Admission {
        var admission = Admission.queued
        let bytes = message.queuedByteCount
        while self.messages.count >= limits.messagesMax || self.byteCount + bytes > limits.bytesMax {
            guard self.dropOldestQoS0() else { return .refused }
            admission = .replacedOldest
        }
        self.byteCount += bytes
        if message.qos == .atMostOnce { self.qos0Count += 1 }
        self.messages.append(message)
        return admission
    }

    /// The next message that has not expired; expired ones before it are dropped and counted in `expired`.
    package mutating func popFirst(now: Timestamp, expired: inout Int) -> OutgoingMessage? {
        while let message = self.messages.popFirst() {
            self.forget(message)
            if message.expiresAt > now { return message }
            expired += 1
            if message.record.isStored { self.expiredRecords.append(message.record) }
        }
        return nil
    }

    /// All messages, oldest first; the queue is empty after.
    package mutating func takeAll() -> [OutgoingMessage] {
        defer { self = MessageQueue() }
        return Array(self.messages)
    }

    /// Removes function calls, which must not outlive the network connection they were dispatched to.
    package mutating func removeCalls() {
        self.keep { !$0.isCall }
    }

    /// Removes all messages for which `isKept` says no.
    package mutating func keep(where isKept: (OutgoingMessage) -> Bool) {
        guard self.messages.contains(where: { !isKept($0) }) else { return }
        let kept = self.messages.filter(isKept)
        self.messages = Deque(kept)
        self.qos0Count = kept.count { $0.qos == .atMostOnce }
        self.byteCount = kept.reduce(0) { $0 + $1.queuedByteCount }
    }

    private mutating func dropOldestQoS0() -> Bool {
        guard self.qos0Count > 0, let index = self.messages.firstIndex(where: { $0.qos == .atMostOnce }) else {
            return false
        }
        self.forget(self.messages.remove(at: index))
        return true
    }

    private mutating func forget(_ message: OutgoingMessage) {
        self.byteCount -= message.queuedByteCount
        if message.qos == .atMostOnce { self.qos0Count -= 1 }
    }
}
