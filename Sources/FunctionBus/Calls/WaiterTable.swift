/// Who waits for what, found by packet, by correlation data and by deadline.
///
/// A waiter ends exactly once: by whoever takes it out of the table. `Handle` is what its task is woken by.
///
/// A reply that finds no waiter is late: identifiers are never used again, so nothing has to be remembered of those
/// that were answered.
struct WaiterTable<Handle> {
    enum Purpose: Hashable, Sendable {
        case connection
        /// The preparations that another task is making.
        case readiness
        /// An instance of this function, `service/function`.
        case instance(of: String)
        /// A change of the instances on a broker without shared subscriptions.
        case seats
        case acknowledgement(packet: Int32)
        case subscription(packet: Int32)
        /// With the packet where its acknowledgement may end the wait.
        case reply(correlation: [UInt8], packet: Int32?)
    }

    struct Waiter {
        var purpose: Purpose
        var deadline: ContinuousClock.Instant
        var handle: Handle
        /// Who has the call, where it has said so.
        var instance: String?
    }

    private var waiters: [UInt64: Waiter] = [:]
    private var ofPacket: [Int32: UInt64] = [:]
    private var ofReply: [CorrelationKey: UInt64] = [:]

    var count: Int { self.waiters.count }
    var earliestDeadline: ContinuousClock.Instant? { self.waiters.values.lazy.map(\.deadline).min() }

    /// Enters a waiter under everything by which it can be found.
    mutating func add(_ waiter: Waiter, as identifier: UInt64) {
        self.waiters[identifier] = waiter
        switch waiter.purpose {
        case .connection, .readiness, .instance, .seats: break
        case .acknowledgement(let packet), .subscription(let packet): self.ofPacket[packet] = identifier
        case .reply(let correlation, let packet):
            self.ofReply[CorrelationKey(correlation)] = identifier
            if let packet { self.ofPacket[packet] = identifier }
        }
    }

    /// - Parameter isFound: whether the correlation data that led to it has been taken out already.
    mutating func take(_ identifier: UInt64, isFound: Bool = false) -> Waiter? {
        guard let waiter = self.waiters.removeValue(forKey: identifier) else { return nil }
        switch waiter.purpose {
        case .connection, .readiness, .instance, .seats: break
        case .acknowledgement(let packet), .subscription(let packet): self.forget(packet, of: identifier)
        case .reply(let correlation, let packet):
            // Nothing to look for where it was found by just that.
            if !isFound { self.forget(CorrelationKey(correlation), of: identifier) }
            if let packet { self.forget(packet, of: identifier) }
        }
        return waiter
    }

    /// The packet identifier may belong to another one by now.
    private mutating func forget(_ packet: Int32, of identifier: UInt64) {
        if self.ofPacket[packet] == identifier { self.ofPacket.removeValue(forKey: packet) }
    }

    private mutating func forget(_ correlation: CorrelationKey, of identifier: UInt64) {
        if self.ofReply[correlation] == identifier { self.ofReply.removeValue(forKey: correlation) }
    }

    mutating func take(correlation: [UInt8]) -> Waiter? {
        guard let identifier = self.ofReply.removeValue(forKey: CorrelationKey(correlation)) else { return nil }
        return self.take(identifier, isFound: true)
    }

    mutating func take(packet: Int32) -> Waiter? {
        self.ofPacket[packet].flatMap { self.take($0) }
    }

    /// The request has reached the broker, which says nothing of its outcome; otherwise the acknowledgement is taken as
    /// the end of the wait.
    ///
    /// - Parameter endsCalls: whether the reason code says that no reply will come.
    mutating func acknowledged(packet: Int32, endsCalls: Bool) -> Waiter? {
        guard let identifier = self.ofPacket[packet], let waiter = self.waiters[identifier] else { return nil }
        guard case .reply = waiter.purpose, !endsCalls else { return self.take(identifier) }
        self.ofPacket[packet] = nil
        return nil
    }

    /// An interim reply: the waiter stays, and from now on is known to be with this instance.
    mutating func progressed(correlation: [UInt8], instance: String?) -> Waiter? {
        guard let identifier = self.ofReply[CorrelationKey(correlation)] else { return nil }
        if let instance { self.waiters[identifier]?.instance = instance }
        return self.waiters[identifier]
    }

    mutating func takeOverdue(at now: ContinuousClock.Instant) -> [Waiter] {
        self.takeAll { $0.deadline <= now }
    }

    /// Takes out every waiter that fits.
    mutating func takeAll(where fits: (Waiter) -> Bool) -> [Waiter] {
        self.waiters.filter { fits($0.value) }.keys.sorted().compactMap { self.take($0) }
    }
}

extension WaiterTable: Sendable where Handle: Sendable {}
extension WaiterTable.Waiter: Sendable where Handle: Sendable {}
