package import BusWire

/// QoS 1 and 2 messages that were sent to the client and are not acknowledged to the end, within its Receive Maximum.
///
/// | phase        | the client owes | then                                   |
/// |--------------|-----------------|----------------------------------------|
/// | `published1` | PUBACK          | the identifier is free                 |
/// | `published2` | PUBREC          | `released`, or free when it is refused |
/// | `released`   | PUBCOMP         | the identifier is free                 |
///
/// Layout: a table whose size is a power of two, addressed by the low bits of the packet identifier, so that an
/// acknowledgement finds its message without hashing. Identifiers are given in turn and skip the occupied places.
/// Invariant: `onWireCount <= receiveMaximum`; `count` may be larger after a resumption with a smaller maximum.
package struct OutboundWindow: Sendable {
    private enum Phase {
        case free, published1, published2, released
    }

    private struct Slot {
        var phase = Phase.free
        var identifier: UInt16 = 0
        var sequence: UInt64 = 0
        var message: OutgoingMessage?
        /// Outlives the message, as the identifier does.
        var record = DeliveryRecord()
        /// The commit that holds what the next packet about it says.
        var commit: UInt64 = 0
    }

    /// What is to be sent again after a resumption, in the original order ([MQTT-4.4.0-1], [MQTT-4.6.0-1]).
    package enum Resumption: Sendable {
        case publish(OutgoingMessage, PacketIdentifier)
        case release(PacketIdentifier)
    }

    private var slots: ContiguousArray<Slot> = []
    private var lastIdentifier: UInt16 = 0
    private var lastSequence: UInt64 = 0
    /// Identifiers that a resumed session has yet to send again; the last one first.
    private var toResume: [UInt16] = []
    package private(set) var count = 0
    package private(set) var onWireCount = 0
    package private(set) var receiveMaximum: Int

    package init(receiveMaximum: Int) {
        self.receiveMaximum = receiveMaximum
    }

    package var hasRoom: Bool { self.onWireCount < self.receiveMaximum }

    // MARK: Inputs

    /// Takes a QoS 1 or 2 message and gives it an identifier; `nil` while the window is full: the caller queues it.
    package mutating func publish(_ message: OutgoingMessage) -> PacketIdentifier? {
        guard self.hasRoom else { return nil }
        if self.count == self.slots.count { self.grow() }
        let mask = UInt16(truncatingIfNeeded: self.slots.count - 1)
        var candidate = self.lastIdentifier
        repeat {
            candidate &+= 1
        } while candidate == 0 || self.slots[Int(candidate & mask)].phase != .free
        guard let identifier = PacketIdentifier(rawValue: candidate) else { return nil }
        self.lastIdentifier = candidate
        self.lastSequence += 1
        self.slots[Int(candidate & mask)] = Slot(
            phase: message.qos == .exactlyOnce ? .published2 : .published1, identifier: candidate,
            sequence: self.lastSequence, message: message, record: message.record)
        self.count += 1
        self.onWireCount += 1
        return identifier
    }

    /// PUBACK; `false` when no QoS 1 message with that identifier is under way (a late one after a takeover is legal).
    package mutating func receivedPubAck(_ identifier: PacketIdentifier) -> Bool {
        guard let index = self.index(of: identifier, in: .published1) else { return false }
        self.free(index)
        return true
    }

    /// What PUBREC asks of the broker.
    package enum Release: Equatable, Sendable {
        /// Send PUBREL.
        case release
        /// The client refused the message: the exchange is over ([MQTT-4.3.3-4]).
        case refused
        /// Answer PUBREL with 0x92 "packet identifier not found".
        case unknown
    }

    package mutating func receivedPubRec(_ identifier: PacketIdentifier, isRefused: Bool) -> Release {
        if self.index(of: identifier, in: .released) != nil { return .release }
        guard let index = self.index(of: identifier, in: .published2) else { return .unknown }
        if isRefused {
            self.free(index)
            return .refused
        }
        self.slots[index].phase = .released
        self.slots[index].message = nil
        return .release
    }

    package mutating func receivedPubComp(_ identifier: PacketIdentifier) -> Bool {
        guard let index = self.index(of: identifier, in: .released) else { return false }
        self.free(index)
        return true
    }

    /// A new network connection continues the session: everything unfinished must be sent again, within the window of
    /// the new connection.
    package mutating func resume(receiveMaximum: Int) {
        self.receiveMaximum = receiveMaximum
        self.onWireCount = 0
        self.toResume = self.slots.filter { $0.phase != .free }
            .sorted { $0.sequence > $1.sequence }
            .map(\.identifier)
    }

    /// The next unfinished exchange to send again; `nil` when there is none, the window is full, or the store does not
    /// yet hold what would be said.
    package mutating func nextResumption(committed: UInt64 = .max) -> Resumption? {
        while self.hasRoom, let raw = self.toResume.last {
            let index = self.slotIndex(raw)
            if self.slots[index].identifier == raw, self.slots[index].commit > committed { return nil }
            self.toResume.removeLast()
            guard let identifier = PacketIdentifier(rawValue: raw), self.slots[index].identifier == raw else {
                continue
            }
            self.onWireCount += 1
            guard let message = self.slots[index].message else { return .release(identifier) }
            return .publish(message, identifier)
        }
        return nil
    }

    package var hasResumptions: Bool { !self.toResume.isEmpty }

    /// Forgets messages that must not outlive the network connection.
    package mutating func removeCalls() {
        for index in self.slots.indices where self.slots[index].message?.isCall == true { self.free(index) }
    }

    /// QoS 1 messages under way, oldest first.
    package var messagesOfQoS1: [OutgoingMessage] {
        self.messages.filter { $0.qos == .atLeastOnce }
    }

    /// Messages under way whose content is still held, oldest first.
    package var messages: [OutgoingMessage] {
        self.slots.filter { $0.message != nil }.sorted { $0.sequence < $1.sequence }.compactMap(\.message)
    }

    // MARK: Storage

    /// What is stored of the exchange with that identifier.
    package func record(of identifier: PacketIdentifier) -> DeliveryRecord {
        self.slot(of: identifier)?.record ?? DeliveryRecord()
    }

    package func message(of identifier: PacketIdentifier) -> OutgoingMessage? {
        self.slot(of: identifier)?.message
    }

    package func isReleased(_ identifier: PacketIdentifier) -> Bool {
        self.slot(of: identifier)?.phase == .released
    }

    /// The commit that the next packet of an exchange waits for.
    package func commit(of identifier: PacketIdentifier) -> UInt64 {
        self.slot(of: identifier)?.commit ?? 0
    }

    package mutating func wait(_ identifier: PacketIdentifier, for commit: UInt64) {
        guard self.slot(of: identifier) != nil else { return }
        self.slots[self.slotIndex(identifier.rawValue)].commit = commit
    }

    /// Everything that is stored of unfinished exchanges.
    package var records: [DeliveryRecord] {
        self.slots.lazy.map(\.record).filter(\.isStored)
    }

    /// Takes up an exchange that an earlier process began; `false` where the identifier is taken.
    package mutating func restore(
        _ message: OutgoingMessage, as identifier: PacketIdentifier, isReleased: Bool
    ) -> Bool {
        guard self.slot(of: identifier) == nil else { return false }
        while self.slots.isEmpty || self.slots[self.slotIndex(identifier.rawValue)].phase != .free { self.grow() }
        self.lastSequence += 1
        let published: Phase = message.qos == .exactlyOnce ? .published2 : .published1
        self.slots[self.slotIndex(identifier.rawValue)] = Slot(
            phase: isReleased ? .released : published, identifier: identifier.rawValue, sequence: self.lastSequence,
            message: isReleased ? nil : message, record: message.record)
        self.count += 1
        return true
    }

    private func slot(of identifier: PacketIdentifier) -> Slot? {
        guard !self.slots.isEmpty else { return nil }
        let slot = self.slots[self.slotIndex(identifier.rawValue)]
        return slot.identifier == identifier.rawValue && slot.phase != .free ? slot : nil
    }

    // MARK: Table

    private func slotIndex(_ identifier: UInt16) -> Int {
        Int(identifier) & (self.slots.count - 1)
    }

    private func index(of identifier: PacketIdentifier, in phase: Phase) -> Int? {
        guard !self.slots.isEmpty else { return nil }
        let index = self.slotIndex(identifier.rawValue)
        let slot = self.slots[index].identifier == identifier.rawValue && self.slots[index].phase == phase
        return slot ? index : nil
    }

    private mutating func free(_ index: Int) {
        if self.toResume.isEmpty {
            self.onWireCount -= 1
        } else if let position = self.toResume.firstIndex(of: self.slots[index].identifier) {
            // Acknowledged on the new connection before it was sent again: it never counted there.
            self.toResume.remove(at: position)
        } else {
            self.onWireCount -= 1
        }
        self.count -= 1
        self.slots[index] = Slot()
    }

    /// Doubles the table. Identifiers that differ in their low bits go on differing with one more bit.
    private mutating func grow() {
        let old = self.slots
        self.slots = ContiguousArray(repeating: Slot(), count: max(16, old.count * 2))
        for slot in old where slot.phase != .free { self.slots[self.slotIndex(slot.identifier)] = slot }
    }
}
