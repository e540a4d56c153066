import BusCore

/// The changes of one commit, without those that cancel out.
///
/// A message to a session whose client is there and acknowledges at once is saved and removed within one commit: neither
/// need ever touch the disk. That is decided here, in memory, before the transaction. It rests on numbers of messages
/// and orders of deliveries being used once: what is saved in this batch was not on disk before.
struct ChangeBatch: ~Copyable {
    private struct DeliveryKey: Hashable {
        let session: UInt64
        let order: UInt64
    }

    /// In the order of arrival; nil where a change has cancelled out.
    private(set) var changes: [StoreChange?] = []
    /// How many changes were added, and how many of them are to be written.
    private(set) var added = 0
    private(set) var live = 0
    /// What the backlog counts for these changes, whether they cancelled out or not.
    private(set) var bytes = 0
    /// The number of the latest append.
    private(set) var lastNumber: UInt64 = 0

    // Where in `changes` something was saved that may yet cancel out.
    private var messages: [UInt64: Int] = [:]
    private var deliveries: [DeliveryKey: Int] = [:]
    private var tasks: [ExactText: Int] = [:]

    init() {}

    mutating func add(_ mail: Mail) {
        for changes in mail.changes {
            for change in changes { self.add(change) }
        }
        self.bytes += mail.bytes
        self.lastNumber = mail.lastNumber
    }

    mutating func add(_ change: StoreChange) {
        self.added += 1
        switch change {
        case .saveMessage(let number, _):
            self.strike(self.messages.updateValue(self.changes.count, forKey: number))
        case .removeMessage(let number):
            if self.strike(self.messages.removeValue(forKey: number)) { return }
        case .saveDelivery(let session, let delivery):
            let key = DeliveryKey(session: session, order: delivery.order)
            self.strike(self.deliveries.updateValue(self.changes.count, forKey: key))
        case .setDelivery(let session, let order, _, let packetIdentifier, let phase):
            let place = self.deliveries[DeliveryKey(session: session, order: order)]
            if let place, case .saveDelivery(_, var delivery) = self.changes[place] {
                delivery.packetIdentifier = packetIdentifier
                delivery.phase = phase
                self.changes[place] = .saveDelivery(session: session, delivery)
                return
            }
        case .removeDelivery(let session, let order, _):
            if self.strike(self.deliveries.removeValue(forKey: DeliveryKey(session: session, order: order))) { return }
        case .saveTask(let task):
            self.strike(self.tasks.updateValue(self.changes.count, forKey: ExactText(task.id)))
        case .removeTask(let id):
            // An earlier record may be on disk, so the removal itself stays.
            self.strike(self.tasks.removeValue(forKey: ExactText(id)))
        case .saveSession, .removeSession, .saveSubscription, .removeSubscription, .saveReceived, .removeReceived,
            .saveRetained, .removeRetained:
            break
        }
        self.changes.append(change)
        self.live += 1
    }

    @discardableResult
    private mutating func strike(_ place: Int?) -> Bool {
        guard let place else { return false }
        self.changes[place] = nil
        self.live -= 1
        return true
    }
}
