package import BusCore

/// An endless sequence of changes as a broker makes them, the same for the same seed: sessions come and go, messages fan
/// out, deliveries advance and end, mostly soon.
package struct StoreScript: Sendable {
    private struct Delivery {
        var session: UInt64
        var order: UInt64
        var message: UInt64
    }

    private var random: UInt64
    private var lastSession: UInt64 = 0
    private var lastMessage: UInt64 = 0
    private var lastOrder: UInt64 = 0
    private var sessions: [UInt64] = []
    private var deliveries: [Delivery] = []
    private var uses: [UInt64: Int] = [:]
    private var received: [UInt64: Set<UInt16>] = [:]

    package init(seed: UInt64) {
        self.random = seed
    }

    /// The changes of one append; now and then none is left of what they stored.
    package mutating func next() -> [StoreChange] {
        switch self.number(below: 100) {
        case ..<50: return self.publish()
        case ..<75: return self.acknowledge()
        case ..<80: return self.advance()
        case ..<86: return self.subscribe()
        case ..<90: return self.receive()
        case ..<93: return self.retain()
        case ..<96: return self.task()
        case ..<99: return self.connect()
        default: return self.endSession()
        }
    }

    // MARK: Kinds

    private mutating func publish() -> [StoreChange] {
        guard !self.sessions.isEmpty else { return self.connect() }
        self.lastMessage += 1
        let message = StoredMessage(packet: self.bytes(upTo: 400), expiresAt: self.instant())
        var changes = [StoreChange.saveMessage(number: self.lastMessage, message)]
        for _ in 0...self.number(below: 3) {
            let session = self.sessions[self.number(below: self.sessions.count)]
            self.lastOrder += 1
            let identifiers = (0..<self.number(below: 3)).map { _ in UInt32(self.number(below: 1 << 28)) }
            changes.append(
                .saveDelivery(
                    session: session,
                    StoredDelivery(
                        order: self.lastOrder, message: self.lastMessage, qos: UInt8(1 + self.number(below: 2)),
                        isRetained: self.number(below: 5) == 0, identifiers: identifiers)))
            self.deliveries.append(Delivery(session: session, order: self.lastOrder, message: self.lastMessage))
            self.uses[self.lastMessage, default: 0] += 1
        }
        return changes
    }

    private mutating func acknowledge() -> [StoreChange] {
        var changes: [StoreChange] = []
        for _ in 0...self.number(below: 4) where !self.deliveries.isEmpty {
            // Mostly the latest, as from a client that is there; sometimes the oldest, as from one that comes back.
            let isLatest = self.number(below: 3) > 0
            let delivery = self.deliveries.remove(at: isLatest ? self.deliveries.count - 1 : 0)
            changes.append(Self.removal(of: delivery))
            changes += self.release(delivery.message)
        }
        return changes
    }

    private static func removal(of delivery: Delivery) -> StoreChange {
        .removeDelivery(session: delivery.session, order: delivery.order, message: delivery.message)
    }

    private mutating func release(_ message: UInt64) -> [StoreChange] {
        let left = (self.uses[message] ?? 0) - 1
        self.uses[message] = left > 0 ? left : nil
        return left > 0 ? [] : [.removeMessage(number: message)]
    }

    private mutating func advance() -> [StoreChange] {
        guard !self.deliveries.isEmpty else { return self.publish() }
        let delivery = self.deliveries[self.number(below: self.deliveries.count)]
        let phase: StoredDelivery.Phase = self.number(below: 2) == 0 ? .published : .released
        return [
            .setDelivery(
                session: delivery.session, order: delivery.order, message: delivery.message,
                packetIdentifier: UInt16(1 + self.number(below: 65_535)), phase: phase)
        ]
    }

    private mutating func subscribe() -> [StoreChange] {
        guard !self.sessions.isEmpty else { return self.connect() }
        let session = self.sessions[self.number(below: self.sessions.count)]
        let filter = "plant/\(self.number(below: 6))/+/#"
        guard self.number(below: 3) > 0 else { return [.removeSubscription(session: session, filter: filter)] }
        let options = UInt8(self.number(below: 64))
        let identifier = UInt32(self.number(below: 1 << 28))
        let subscription = StoredSubscription(filter: filter, options: options, identifier: identifier)
        return [.saveSubscription(session: session, subscription)]
    }

    private mutating func receive() -> [StoreChange] {
        guard !self.sessions.isEmpty else { return self.connect() }
        let session = self.sessions[self.number(below: self.sessions.count)]
        let identifier = UInt16(1 + self.number(below: 12))
        if self.received[session]?.remove(identifier) != nil {
            return [.removeReceived(session: session, packetIdentifier: identifier)]
        }
        self.received[session, default: []].insert(identifier)
        return [.saveReceived(session: session, packetIdentifier: identifier)]
    }

    private mutating func retain() -> [StoreChange] {
        let topic = "état/\(self.number(below: 8))"
        guard self.number(below: 4) > 0 else { return [.removeRetained(topic: topic)] }
        let message = StoredMessage(packet: self.bytes(upTo: 900), expiresAt: self.instant())
        return [.saveRetained(topic: topic, message, publisher: self.number(below: 2) == 0 ? "" : "sensor")]
    }

    private mutating func task() -> [StoreChange] {
        let id = "task-\(self.number(below: 10))"
        guard self.number(below: 4) > 0 else { return [.removeTask(id: id)] }
        let state = UInt8(self.number(below: 6))
        return [
            .saveTask(
                StoredTask(
                    id: id, record: self.bytes(upTo: 300), state: state, dueAt: self.instant(), isDead: state == 5))
        ]
    }

    private mutating func connect() -> [StoreChange] {
        let isNew = self.sessions.count < 3 || self.number(below: 3) == 0
        if isNew {
            self.lastSession += 1
            self.sessions.append(self.lastSession)
        }
        let number = isNew ? self.lastSession : self.sessions[self.number(below: self.sessions.count)]
        let user = self.number(below: 2) == 0 ? nil : "user \(number)"
        return [
            .saveSession(
                StoredSession(
                    number: number, clientIdentifier: "client-\(number)", expirySeconds: .max,
                    disconnectedAt: self.instant(), user: user))
        ]
    }

    private mutating func endSession() -> [StoreChange] {
        guard !self.sessions.isEmpty else { return self.connect() }
        let session = self.sessions.remove(at: self.number(below: self.sessions.count))
        self.received[session] = nil
        let ended = self.deliveries.filter { $0.session == session }
        self.deliveries.removeAll { $0.session == session }
        return ended.flatMap { [Self.removal(of: $0)] + self.release($0.message) } + [.removeSession(number: session)]
    }

    // MARK: Randomness

    /// SplitMix64.
    private mutating func number(below bound: Int) -> Int {
        self.random &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.random
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ mixed >> 31) % UInt64(bound))
    }

    private mutating func bytes(upTo bound: Int) -> [UInt8] {
        (0..<self.number(below: bound)).map { _ in UInt8(self.number(below: 256)) }
    }

    private mutating func instant() -> Int64? {
        self.number(below: 2) == 0 ? nil : Int64(1_700_000_000_000 + self.number(below: 1_000_000))
    }
}
