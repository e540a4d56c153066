package import BusTopics
package import BusWire

/// An application message on its way to one session: the published content and what this recipient changes.
package struct OutgoingMessage: Sendable {
    /// The content; its own QoS, packet identifier and flags are the publisher's and are not sent.
    package var publish: Publish
    /// The lower of the published QoS and the subscription's maximum ([MQTT-3.8.4-8]).
    package var qos: QoS
    package var isRetained: Bool
    /// A function call handed to an instance. It lives and dies with the network connection: a call that waits in a
    /// session of an absent instance would be answered by nobody.
    package var isCall: Bool
    /// The shared subscription whose member the recipient is, if that is how it got the message.
    package var group: SubscriptionTree.GroupIdentifier?
    /// Of all subscriptions that matched, most often none.
    package var subscriptionIdentifiers: [UInt32]
    /// When the message expires, `.never` without a Message Expiry Interval.
    package var expiresAt: Timestamp
    package var record = DeliveryRecord()

    package init(
        _ publish: Publish, qos: QoS, isRetained: Bool = false, isCall: Bool = false,
        subscriptionIdentifiers: [UInt32] = [], expiresAt: Timestamp = .never
    ) {
        self.publish = publish
        self.qos = qos
        self.isRetained = isRetained
        self.isCall = isCall
        self.subscriptionIdentifiers = subscriptionIdentifiers
        self.expiresAt = expiresAt
    }

    /// What the message costs a queue, in bytes: content plus the bookkeeping around it.
    package var queuedByteCount: Int {
        self.publish.storedByteCount + MemoryLayout<OutgoingMessage>.stride
    }
}
