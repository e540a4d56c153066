package import BusCalls
package import BusSession
package import BusTopics

/// Bounds of a whole broker. What happens at each bound stands beside it.
package struct BrokerLimits: Sendable, Equatable {
    package var session = SessionLimits()
    package var topics = TopicLimits()
    package var calls = CallLimits()
    /// Network connections in all, and of one address; further ones are closed at once.
    package var connectionsMax = 10_000
    package var connectionsPerAddressMax = 1000
    /// Network connections of one user; CONNACK 0x97 beyond.
    package var connectionsPerUserMax = 1000
    /// Sessions, of clients that are away too; a CONNECT that needs one more is refused with 0x97.
    package var sessionsMax = 100_000
    /// Bytes of the process at which `MemoryPressure` is complete; 0: never.
    package var memoryBytesMax = 0
    /// Bytes of properties in one PUBLISH; refused with 0x97 beyond.
    package var propertyBytesMax = 16 << 10
    /// Seconds between the opening of a network connection and its CONNECT; then it is closed.
    package var connectTimeoutSeconds: UInt64 = 5
    /// Retained messages, and their bytes in all; beyond, a message is delivered but not kept, with 0x97.
    package var retainedMessagesMax = 100_000
    package var retainedBytesMax = 64 << 20
    /// Subscriptions of all clients; SUBACK 0x97 beyond.
    package var subscriptionsMax = 1_000_000
    /// One-way calls that have not ended, and their bytes in all; 507 beyond.
    package var tasksMax = 1_000_000
    package var taskBytesMax = 4 << 30
    /// How long a one-way call is tried that says nothing of it.
    package var taskAgeSeconds: UInt64 = 86_400

    package init() {}
}
