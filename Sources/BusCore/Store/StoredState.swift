/// Everything that outlives the process, as a value: what a restart loads, and what the changes mean.
///
/// A store on disk and this value, given the same changes, hold the same records.
package struct StoredState: Sendable, Equatable {
    /// What belongs to one session number.
    package struct SessionRecords: Sendable, Equatable {
        package var session: StoredSession?
        package var subscriptions: [ExactText: StoredSubscription] = [:]
        /// In the order of delivery.
        package var deliveries: [StoredDelivery] = []
        /// QoS 2 identifiers of messages that came in and are not yet released.
        package var received: Set<UInt16> = []

        var isEmpty: Bool {
            self.session == nil && self.subscriptions.isEmpty && self.deliveries.isEmpty && self.received.isEmpty
        }
    }

    package struct Retained: Sendable, Equatable {
        package var message: StoredMessage
        /// The user who published it; its right to have done so is asked again at delivery.
        package var publisher: String
    }

    package private(set) var sessions: [UInt64: SessionRecords] = [:]
    package private(set) var messages: [UInt64: StoredMessage] = [:]
    package private(set) var retained: [ExactText: Retained] = [:]
    package private(set) var tasks: [ExactText: StoredTask] = [:]

    package init() {}

    /// New numbers go on above these.
    package var highestSession: UInt64 { self.sessions.keys.max() ?? 0 }
    package var highestMessage: UInt64 { self.messages.keys.max() ?? 0 }

    /// Takes in what a store gave back.
    package mutating func add(_ record: StoredRecord) {
        self.apply(StoreChange(record))
    }

    /// Takes in a change.
    package mutating func apply(_ change: StoreChange) {
        switch change {
        case .saveMessage(let number, let message): self.messages[number] = message
        case .removeMessage(let number): self.messages[number] = nil
        case .saveRetained(let topic, let message, let publisher):
            self.retained[ExactText(topic)] = Retained(message: message, publisher: publisher)
        case .removeRetained(let topic): self.retained[ExactText(topic)] = nil
        case .saveTask(let task): self.tasks[ExactText(task.id)] = task
        case .removeTask(let id): self.tasks[ExactText(id)] = nil
        case .saveSession(let session): self.sessions[session.number, default: SessionRecords()].session = session
        case .removeSession(let number):
            self.withRecords(of: number) { records in
                records.session = nil
                records.subscriptions = [:]
                records.received = []
            }
        case .saveSubscription(let number, let subscription):
            self.withRecords(of: number) { $0.subscriptions[ExactText(subscription.filter)] = subscription }
        case .removeSubscription(let number, let filter):
            self.withRecords(of: number) { $0.subscriptions[ExactText(filter)] = nil }
        case .saveDelivery(let number, let delivery): self.withRecords(of: number) { $0.save(delivery) }
        case .setDelivery(let number, let order, let message, let packetIdentifier, let phase):
            self.withRecords(of: number) { records in
                guard let place = records.place(of: order, message) else { return }
                records.deliveries[place].packetIdentifier = packetIdentifier
                records.deliveries[place].phase = phase
            }
        case .removeDelivery(let number, let order, let message):
            self.withRecords(of: number) { records in
                guard let place = records.place(of: order, message) else { return }
                records.deliveries.remove(at: place)
            }
        case .saveReceived(let number, let identifier):
            self.withRecords(of: number) { _ = $0.received.insert(identifier) }
        case .removeReceived(let number, let identifier):
            self.withRecords(of: number) { _ = $0.received.remove(identifier) }
        }
    }

    private mutating func withRecords(of number: UInt64, _ body: (inout SessionRecords) -> Void) {
        var records = self.sessions.removeValue(forKey: number) ?? SessionRecords()
        body(&records)
        if !records.isEmpty { self.sessions[number] = records }
    }
}

extension StoredState.SessionRecords {
    /// The first place whose order is not below `order`.
    private func insertionPlace(of order: UInt64) -> Int {
        var low = 0
        var high = self.deliveries.count
        while low < high {
            let middle = (low + high) / 2
            if self.deliveries[middle].order < order { low = middle + 1 } else { high = middle }
        }
        return low
    }

    fileprivate func place(of order: UInt64, _ message: UInt64) -> Int? {
        let place = self.insertionPlace(of: order)
        guard place < self.deliveries.count, self.deliveries[place].order == order else { return nil }
        return self.deliveries[place].message == message ? place : nil
    }

    fileprivate mutating func save(_ delivery: StoredDelivery) {
        let place = self.insertionPlace(of: delivery.order)
        if place < self.deliveries.count, self.deliveries[place].order == delivery.order {
            self.deliveries[place] = delivery
        } else {
            self.deliveries.insert(delivery, at: place)
        }
    }
}
