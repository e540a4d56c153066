/// Bounds on what one client may hold of the broker. What happens at each bound stands beside it.
package struct SessionLimits: Sendable, Equatable {
    /// QoS 2 messages that a client of MQTT 5 may have under way to us; announced in CONNACK, 0x93 beyond.
    package var receiveMaximumIn = 64
    /// QoS 1 and 2 messages under way to a client, if its own Receive Maximum allows; the rest waits in the queue. With
    /// 64 a pipelined QoS 1 message costs 1.6 us of broker CPU, with 1024 0.9: the window bounds what one write carries.
    package var receiveMaximumOut = 1024
    /// Messages and bytes that wait per session; see `MessageQueue`.
    package var queue = MessageQueue.Limits()
    /// Topic aliases a client may set; announced in CONNACK, 0x94 beyond.
    package var topicAliasMaximumIn: UInt16 = 16
    /// Topic aliases set towards a client, if it takes that many.
    package var topicAliasMaximumOut: UInt16 = 16
    /// Longest session expiry in seconds; a longer wish is lowered and the CONNACK says so. 7 days.
    package var sessionExpirySecondsMax: UInt32 = 7 * 24 * 3600
    /// Longest keep alive in seconds; a longer one (or none) is overridden by Server Keep Alive in MQTT 5. Clients of 3.x,
    /// which cannot be told, keep theirs.
    package var keepAliveSecondsMax: UInt16 = 300
    /// Longest client identifier in bytes; 0x85 beyond.
    package var clientIdentifierBytesMax = 256
    /// Subscriptions of one client; SUBACK 0x97 beyond.
    package var subscriptionsMax = 1000
    /// Subscriptions of one client to requests, invocations and cancellations of functions, which do not count above;
    /// SUBACK 0x97 beyond. A host has two for each of its functions.
    package var callSubscriptionsMax = 10_000
    /// Bytes written to a client and not yet taken by it. Above it QoS 0 is dropped and QoS 1 and 2 wait in the queue.
    package var outboundBytesMax = 1 << 20
    /// Largest packet a client may send, in bytes; announced in CONNACK, 0x95 beyond.
    package var packetBytesMax = 2_000_000
    /// Whether a payload that is said to be UTF-8 (Payload Format Indicator 1) is checked: 0x99 where it is not.
    package var checksPayloadFormat = true
    /// Largest packet before CONNECT was accepted; 0x95 beyond.
    package var firstPacketBytesMax = 16 << 10

    package init() {}
}
