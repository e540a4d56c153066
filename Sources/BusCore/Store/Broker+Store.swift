package import BusSession
import BusTopics
import BusWire
import NIOCore

/// The broker and its driver's store: what is taken from here, what comes back, and who waits for it.
extension Broker {
    /// From now on what outlives the process is gathered for a store. Called before the first input.
    ///
    /// - Parameter wallMilliseconds: what the wall clock shows now, in milliseconds since 1970.
    package mutating func attachStore(wallMilliseconds: Int64, now: Timestamp) {
        self.journal.turnOn()
        self.setWallClock(milliseconds: wallMilliseconds, now: now)
    }

    /// The wall clock was read again: it may have been set since.
    package mutating func setWallClock(milliseconds: Int64, now: Timestamp) {
        self.journal.clock = WallClock(milliseconds: milliseconds, at: now)
    }

    package var hasChanges: Bool { self.journal.hasChanges }

    /// The changes since the last time, as the batch of that number; `nil` when there are none.
    package mutating func takeChanges() -> (changes: [StoreChange], number: UInt64)? {
        self.journal.take()
    }

    /// All batches up to a number are on disk: what waited for them leaves.
    package mutating func committed(upTo number: UInt64, now: Timestamp) {
        self.journal.commit(upTo: number)
        while let waiter = self.journal.nextReady() {
            switch waiter {
            case .connection(let index, let generation):
                guard self.connections.isOccupied(index, generation: generation) else { continue }
                self.releaseHeld(index)
            case .session(let session, let generation):
                guard self.sessions.isOccupied(session, generation: generation) else { continue }
                self.drain(session, now: now)
            case .task(let task):
                self.taskCommitted(task, now: now)
            case .answer(let answer): self.give(answer, now: now)
            }
        }
        self.performCallEffects(now: now)
    }

    /// The store has no room, has room again, or has failed for good.
    package mutating func setStore(_ condition: StoreCondition, reason: String = "") {
        guard condition != self.journal.condition, self.journal.condition != .failed else { return }
        self.journal.setCondition(condition)
        self.events.append(.store(condition, reason: reason))
    }

    package var storeCondition: StoreCondition? { self.journal.isOn ? self.journal.condition : nil }

    // MARK: Acknowledgements

    /// Sends what a client may hear only once the store holds it: after the commit of that number, and behind the
    /// acknowledgements that wait already: they stay in order, as clients expect.
    mutating func acknowledge(_ packet: Packet, on index: Int, after commit: UInt64) {
        if commit <= self.journal.committed, self.connections[index].held.isEmpty {
            self.send(packet, on: index)
        } else {
            self.hold(packet, on: index, for: commit)
        }
    }

    private mutating func hold(_ packet: Packet, on index: Int, for commit: UInt64) {
        guard self.connections[index].phase != .closing else { return }
        let last = self.connections[index].held.last?.commit
        if last.map({ $0 < commit }) ?? true {
            self.connections[index].held.append(HeldPackets(commit: commit))
            self.journal.wait(
                .connection(index, generation: self.connections.generation(of: index)), for: commit)
        }
        let place = self.connections[index].held.count - 1
        let isSent = self.connections[index].held[place].bytes.writePacket(
            packet, version: self.connections[index].version, limit: self.connections[index].maximumPacketSize)
        self.count(packetSent: isSent)
    }

    private mutating func releaseHeld(_ index: Int) {
        if self.isBlocked(index), self.connections[index].blockedUntil <= self.journal.committed {
            self.connections[index].blockedUntil = 0
            if self.connections[index].isListed { self.listed.append(index) }
        }
        let count = self.connections[index].held.prefix { $0.commit <= self.journal.committed }.count
        guard count > 0 else { return }
        self.list(index)
        for place in 0..<count {
            self.connections[index].outbound.writeImmutableBuffer(self.connections[index].held[place].bytes)
        }
        self.connections[index].held.removeFirst(count)
    }

    /// Keeps everything from the client until the commit that holds its session.
    mutating func block(_ index: Int, until commit: UInt64) {
        let wasListed = self.connections[index].isListed
        self.connections[index].blockedUntil = commit
        if wasListed { self.listed.removeAll { $0 == index } }
        self.journal.wait(
            .connection(index, generation: self.connections.generation(of: index)), for: commit)
    }

    func isBlocked(_ index: Int) -> Bool { self.connections[index].blockedUntil != 0 }

    /// A connection that ends says nothing more that waits, and nothing at all before its CONNACK.
    mutating func dropHeld(_ index: Int) {
        self.connections[index].held = []
        guard self.isBlocked(index) else { return }
        self.connections[index].blockedUntil = 0
        self.connections[index].outbound.clear()
        if self.connections[index].isListed { self.listed.append(index) }
    }

    // MARK: Room

    /// Whether a session that such a CONNECT asks for would have to be stored, where nothing new can be.
    func needsRoomInStore(sessionExpiry: UInt32) -> Bool {
        self.journal.isOn && !self.journal.hasRoom && sessionExpiry > 0
    }

    /// A client of 3.x, which can be told nothing, is let do it and waits for its SUBACK.
    func needsRoomInStore(_ record: Session.SubscriptionRecord, session: Int) -> Bool {
        guard self.journal.isOn, !self.journal.hasRoom, self.sessions[session].storage.isOn else { return false }
        guard let index = self.sessions[session].connection, self.connections[index].isSpeakingV5 else { return false }
        return self.sessions[session].subscriptions[record.filter] != record
    }

    /// Whether a message would have to be stored, where nothing new can be. A client of 3.x cannot be refused: its
    /// message waits in memory, within the limits of its recipients, and its acknowledgement for the commit.
    func needsRoomInStore(_ publish: Publish, along route: Route, on index: Int) -> Bool {
        guard publish.qos > .atMostOnce, self.connections[index].isSpeakingV5 else { return false }
        // Tasks have an answer of their own.
        if case .async(_, _) = route.kind { return false }
        let session = self.connections[index].session
        if publish.qos == .exactlyOnce, let identifier = publish.packetIdentifier {
            if self.sessions[session].inbound.hasUnreleased(identifier) { return false }
            if self.sessions[session].storage.isOn { return true }
        }
        guard self.stores(route, from: session) else { return false }
        return route.recipients.contains { self.isStored($0.session, $0.options) }
            || route.groups.contains { group in
                self.subscriptions.members(of: group).contains {
                    self.isStored(Int($0.subscriber.rawValue), SubscriptionOptions(rawValue: $0.options))
                }
            }
    }

    private func isStored(_ recipient: Int, _ options: SubscriptionOptions) -> Bool {
        self.sessions[recipient].storage.isOn && options.maximumQoS > .atMostOnce
    }
}
