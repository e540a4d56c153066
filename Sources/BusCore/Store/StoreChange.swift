/// One fact to remember. Order matters; the store applies them in order, many in one transaction.
///
/// Numbers of messages and orders of deliveries are never used twice: a store may leave out what was saved and removed
/// before it came to write it.
package enum StoreChange: Sendable, Equatable {
    /// Inserts or replaces; the number is the key.
    case saveSession(StoredSession)
    /// Removes it with its subscriptions and identifiers. Its deliveries are removed before, one by one: a store finds
    /// them by their messages.
    case removeSession(number: UInt64)
    case saveSubscription(session: UInt64, StoredSubscription)
    case removeSubscription(session: UInt64, filter: String)
    /// Content, before the first delivery that uses it.
    case saveMessage(number: UInt64, StoredMessage)
    case removeMessage(number: UInt64)
    /// The key is session and order; the message, which never changes, tells a store where it lies.
    case saveDelivery(session: UInt64, StoredDelivery)
    case setDelivery(
        session: UInt64, order: UInt64, message: UInt64, packetIdentifier: UInt16, phase: StoredDelivery.Phase)
    case removeDelivery(session: UInt64, order: UInt64, message: UInt64)
    /// A QoS 2 message that came in and is not yet released.
    case saveReceived(session: UInt64, packetIdentifier: UInt16)
    case removeReceived(session: UInt64, packetIdentifier: UInt16)
    case saveRetained(topic: String, StoredMessage, publisher: String)
    case removeRetained(topic: String)
    /// Inserts or replaces by id.
    case saveTask(StoredTask)
    case removeTask(id: String)

    /// About what it occupies in memory while it waits for its commit.
    package var approximateBytes: Int {
        let fixed = 96
        switch self {
        case .saveSession(let session):
            return fixed + session.clientIdentifier.utf8.count + (session.user?.utf8.count ?? 0)
        case .saveSubscription(_, let subscription): return fixed + subscription.filter.utf8.count
        case .removeSubscription(_, let filter): return fixed + filter.utf8.count
        case .saveMessage(_, let message): return fixed + message.packet.count
        case .saveDelivery(_, let delivery): return fixed + delivery.identifiers.count * 4
        case .saveRetained(let topic, let message, let publisher):
            return fixed + topic.utf8.count + message.packet.count + publisher.utf8.count
        case .removeRetained(let topic): return fixed + topic.utf8.count
        case .saveTask(let task): return fixed + task.id.utf8.count + task.record.count
        case .removeTask(let id): return fixed + id.utf8.count
        case .removeSession, .removeMessage, .setDelivery, .removeDelivery, .saveReceived, .removeReceived:
            return fixed
        }
    }
}

extension StoreChange {
    /// The change that stores a record.
    package init(_ record: StoredRecord) {
        switch record {
        case .session(let session): self = .saveSession(session)
        case .subscription(let session, let subscription): self = .saveSubscription(session: session, subscription)
        case .message(let number, let message): self = .saveMessage(number: number, message)
        case .delivery(let session, let delivery): self = .saveDelivery(session: session, delivery)
        case .received(let session, let identifier):
            self = .saveReceived(session: session, packetIdentifier: identifier)
        case .retained(let topic, let message, let publisher):
            self = .saveRetained(topic: topic, message, publisher: publisher)
        case .task(let task): self = .saveTask(task)
        }
    }
}
