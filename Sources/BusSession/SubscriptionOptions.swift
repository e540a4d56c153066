package import BusWire

/// The options of a subscription in one byte, as the subscription tree keeps them.
///
/// ```
/// bit  7          6       5..4              3                    2         1..0
///      counts as  unused  retain handling   retain as published  no local  maximum QoS
///      instance
/// ```
/// The lower six bits are those of the SUBSCRIBE packet ([MQTT-3.8.3-1] ff.).
package struct SubscriptionOptions: RawRepresentable, Hashable, Sendable {
    package var rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    package init(_ subscription: Subscription, isInstance: Bool = false) {
        self.rawValue =
            subscription.maximumQoS.rawValue
            | (subscription.noLocal ? 0b0100 : 0)
            | (subscription.retainAsPublished ? 0b1000 : 0)
            | subscription.retainHandling.rawValue << 4
            | (isInstance ? 0b1000_0000 : 0)
    }

    /// Overlapping subscriptions of one client as one: the highest QoS, and each wish that all or any of them have.
    package mutating func merge(_ other: SubscriptionOptions) {
        let qos = max(self.maximumQoS, other.maximumQoS).rawValue
        // Copies of its own messages are kept from the client only if every subscription says so.
        let noLocal = self.rawValue & other.rawValue & 0b0100
        let anyOf = (self.rawValue | other.rawValue) & 0b1000_1000
        self.rawValue = qos | noLocal | anyOf
    }

    package mutating func markInstance() {
        self.rawValue |= 0b1000_0000
    }

    package var maximumQoS: QoS { QoS(rawValue: self.rawValue & 0b11) ?? .atMostOnce }
    package var noLocal: Bool { self.rawValue & 0b0100 != 0 }
    package var retainAsPublished: Bool { self.rawValue & 0b1000 != 0 }
    package var retainHandling: RetainHandling {
        RetainHandling(rawValue: self.rawValue >> 4 & 0b11) ?? .sendOnSubscribe
    }
    /// The subscriber serves the function whose requests the filter matches: it gets calls, not copies.
    package var isInstance: Bool { self.rawValue & 0b1000_0000 != 0 }
}
