package import BusSession
import BusWire
import NIOCore

/// The broker about itself, and what it does when memory runs short.
extension Broker {
    /// Begins to publish below `$SYS`, every so many seconds.
    package mutating func startSystemTopics(every seconds: UInt64, now: Timestamp) {
        self.systemIntervalSeconds = seconds
        self.startedAt = now
        guard seconds > 0 else { return }
        self.publishSystemTopics(now: now)
    }

    mutating func publishSystemTopics(now: Timestamp) {
        let seconds = Double(max(1, self.systemIntervalSeconds))
        for (topic, value) in self.systemTopics.changes(self.snapshot(now: now), seconds: seconds) {
            let publish = Publish(topic: topic, isRetained: true, payload: ByteBuffer(string: value))
            _ = self.system.store(
                RetainedMessage(publish: publish, expiresAt: .never, publisher: nil), limits: self.limits)
            var live = publish
            live.isRetained = false
            self.publish(live, from: nil, now: now)
        }
        self.timers.arm(
            TimerQueue.Entry(
                due: now.adding(seconds: self.systemIntervalSeconds), kind: .system, index: 0, generation: 0))
    }

    /// The driver has measured the process's memory.
    package mutating func setMemory(bytes: Int) {
        self.memoryBytes = bytes
        let pressure = MemoryPressure(bytes: bytes, limit: self.limits.memoryBytesMax)
        guard pressure != self.pressure else { return }
        self.pressure = pressure
        self.events.append(.memoryPressure(pressure, bytes: bytes, limit: self.limits.memoryBytesMax))
    }
}

/// How near the process is to its limit of memory, and what the broker gives up for that.
package enum MemoryPressure: Int, Comparable, Sendable {
    case none
    /// From 80 %: new clients and durable work are refused with 0x97.
    case refusesClients
    /// From 90 %: QoS 0 messages are dropped, new subscriptions get no retained messages.
    case shedsQoS0
    /// From 95 %: every PUBLISH is refused with 0x97.
    case refusesPublishes

    init(bytes: Int, limit: Int) {
        let percent = limit > 0 ? bytes * 100 / limit : 0
        self = percent >= 95 ? .refusesPublishes : percent >= 90 ? .shedsQoS0 : percent >= 80 ? .refusesClients : .none
    }

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
