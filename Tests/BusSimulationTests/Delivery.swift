import BusSession
import BusWire

/// One copy of a message that the broker owes a session, or for QoS 0 may give it.
struct Delivery {
    /// Unique among all deliveries of a run.
    var identity = 0
    /// The place of the PUBLISH among all that the broker has taken in.
    var arrival: Int
    /// What the publisher wrote into the payload; 0 for an empty one.
    var number: Int
    var publisher: String
    var topic: String
    var qos: QoS
    var isRetained: Bool
    var subscriptionIdentifiers: [UInt32]
    var expiresAt: Timestamp
    var isLarge: Bool

    var summary: String {
        "\(self.topic) q\(self.qos.rawValue)\(self.isRetained ? " r" : "") \(self.subscriptionIdentifiers)"
    }

    func isSame(as other: Delivery) -> Bool {
        self.topic == other.topic && self.qos == other.qos && self.isRetained == other.isRetained
            && self.subscriptionIdentifiers == other.subscriptionIdentifiers
    }

    /// Whether `publish`, sent at `now`, is this copy.
    func isSame(as publish: Publish, topic: String, now: Timestamp) -> Bool {
        self.topic == topic && self.qos == publish.qos && self.isRetained == publish.isRetained
            && self.expiresAt > now
            && self.subscriptionIdentifiers == publish.properties.subscriptionIdentifiers.sorted()
    }
}

/// A message for a shared subscription: one of the members of that moment gets it.
final class GroupDelivery {
    let group: String
    /// As published; the member's own QoS lowers it.
    let message: Delivery
    let members: [(session: ModelSession, subscription: ModelSubscription)]
    /// The member that got it, as far as one can tell: where a client would get the same copy by several ways, the
    /// packet does not say by which it came.
    var receiver: ModelSession?

    init(group: String, message: Delivery, members: [(session: ModelSession, subscription: ModelSubscription)]) {
        self.group = group
        self.message = message
        self.members = members
    }

    /// The copy that `session` would get.
    func delivery(to session: ModelSession) -> Delivery? {
        guard let subscription = self.members.first(where: { $0.session === session })?.subscription else { return nil }
        return subscription.copy(of: self.message)
    }

    /// The copy for `session`, if that is what `isSame` looks for.
    func delivery(to session: ModelSession, if isSame: (Delivery) -> Bool) -> Delivery? {
        self.delivery(to: session).flatMap { isSame($0) ? $0 : nil }
    }

    /// Whether nobody may have got it without the broker being at fault.
    var mayBeLost: Bool {
        self.message.expiresAt < .never
            || self.members.contains { member in
                member.session.isEnded || member.subscription.qos == .atMostOnce || self.message.qos == .atMostOnce
                    || self.message.isLarge && member.session.takesOnlySmallPackets
            }
    }
}

struct ModelSubscription {
    var filter: String
    var qos: QoS
    var noLocal: Bool
    var retainAsPublished: Bool
    var identifier: UInt32

    /// The message as this subscription gets it.
    func copy(of message: Delivery) -> Delivery {
        var copy = message
        copy.qos = min(message.qos, self.qos)
        copy.isRetained = message.isRetained && self.retainAsPublished
        copy.subscriptionIdentifiers = self.identifier == 0 ? [] : [self.identifier]
        return copy
    }
}
