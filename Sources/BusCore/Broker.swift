import BusAccess
import BusCalls
package import BusSession
import BusTopics
package import BusWire
package import NIOCore

/// One MQTT broker as one value: inputs go in through its methods, bytes and events come out of `takeOutputs` and
/// `takeEvents`. It reads no clock, opens no file and starts nothing, so that every conversation can be replayed.
///
/// It cannot be copied: a call of a method that only reads would otherwise move its two kilobytes to pass them.
///
/// The driver calls, always with the present instant:
/// - `open` when a network connection is accepted, `close` when it is gone;
/// - `receive` with all packets that one read brought;
/// - `setCongested` when a client stops or starts to take its bytes;
/// - `advance` at `nextWakeUp`;
/// - after each of them `takeOutputs`, and then it writes;
/// - with a store, after each of them `takeChanges` too, `committed` and `setStore` when the store reports.
package struct Broker: ~Copyable, Sendable {
    /// May change while clients are connected: what exists keeps the terms it was told.
    package var limits: BrokerLimits
    var admission = Admission()
    var connections: Slab<Connection>
    var sessions: Slab<Session>
    var sessionOfClient: [ClientIdentifier: Int] = [:]
    var subscriptions: SubscriptionTree
    /// How many members each shared subscription has served, to take the next one.
    var groupTurns: [UInt32: Int] = [:]
    var routes: RouteCache
    var retained: RetainedMessages
    var calls: CallTable
    var tasks = TaskTable()
    var deadLetters = DeadLetters()
    var taskMemory = TaskMemory()
    /// Who is told, once the store holds a task, that it was accepted.
    var confirmations: [String: [TaskConfirmation]] = [:]
    var controlGrants = ControlGrants()
    var eventInterest = EventInterest()
    var announcements = Announcements()
    /// What the store is to hold; off without one.
    var journal = Journal()
    /// Holds for connections and topics that come from now on.
    package var durability = Durability()
    /// The call table's answers to the input in hand; empty between inputs.
    var callEffects: [CallTable.Effect] = []
    var spareCallEffects: [CallTable.Effect] = []
    var timers = TimerQueue()
    /// Whether the driver is asked who a client is; without, everyone is let in and no name counts.
    package var authenticates = false
    var pendingConnects: [Int: PendingConnect] = [:]
    var authenticationRequests: [AuthenticationRequest] = []
    var policy = AccessPolicy.open
    /// Whether there are rules at all.
    var restricts = false
    var policyGeneration: UInt64 = 0
    /// What the broker says itself: below `$SYS`, and the presences it makes; apart from the clients' retained messages and their limits.
    var system: RetainedMessages
    var systemTopics = SystemTopics()
    var systemIntervalSeconds: UInt64 = 0
    var startedAt = Timestamp(nanoseconds: 0)
    var memoryBytes = 0
    package internal(set) var pressure = MemoryPressure.none
    var connectionsOfUser: [String: Int] = [:]
    /// Who is behind each session, by the session's place.
    var standings: [Standing] = []
    /// Connections with something to flush or to close.
    var listed: [Int] = []
    var starved: [Int] = []
    var events: [BrokerEvent] = []
    var spareBuffers: [ByteBuffer] = []
    private static let spareBuffersMax = 64
    private static let spareCapacityMax = 256 << 10
    var scratch = FanOutScratch()
    var identifierSeed: UInt64
    package var statistics = Statistics()

    /// - Parameter seed: any number that outsiders don't know: it seeds hash tables and the client identifiers that
    ///   the broker assigns.
    package init(limits: BrokerLimits = BrokerLimits(), seed: UInt64) {
        self.limits = limits
        let unused = ConnectionOrigin(remoteAddress: "")
        self.connections = Slab(vacant: Connection(origin: unused, now: Timestamp(nanoseconds: 0)))
        self.sessions = Slab(vacant: Session(clientIdentifier: "", limits: limits.session))
        self.subscriptions = SubscriptionTree(seed: seed)
        self.routes = RouteCache(seed: seed)
        self.retained = RetainedMessages(seed: seed)
        self.system = RetainedMessages(seed: seed)
        self.calls = CallTable(limits: limits.calls, seed: seed)
        self.identifierSeed = seed
    }

    // MARK: Inputs from the driver

    /// Whether one more network connection of this address may be accepted. The place belongs to the connection that
    /// is then opened as admitted, or is given back with `leave`.
    package mutating func admit(_ address: String) -> Bool {
        if self.admission.admit(address, limits: self.limits) { return true }
        self.statistics.connectionsRefused += 1
        return false
    }

    package mutating func leave(_ address: String) {
        self.admission.leave(address)
    }

    /// A network connection was accepted; `nil` where there is no room for it: the driver closes it.
    package mutating func open(
        _ origin: ConnectionOrigin, isAdmitted: Bool = false, now: Timestamp
    ) -> ConnectionIdentifier? {
        guard isAdmitted || self.admit(origin.address) else { return nil }
        let index = self.connections.insert(Connection(origin: origin, now: now))
        self.statistics.connectionsOpened += 1
        let generation = self.connections.generation(of: index)
        self.timers.arm(
            TimerQueue.Entry(
                due: now.adding(seconds: self.limits.connectTimeoutSeconds), kind: .connectTimeout, index: index,
                generation: generation))
        return ConnectionIdentifier(index: index, generation: generation)
    }

    /// All packets that one read brought, in order. Returns `false` once the connection takes no more input.
    @discardableResult
    package mutating func receive(
        _ packets: [Packet], from identifier: ConnectionIdentifier, byteCount: Int = 0, now: Timestamp
    ) -> Bool {
        guard self.isOpen(identifier) else { return false }
        self.statistics.bytesReceived += byteCount
        let index = identifier.index
        self.connections[index].lastReceived = now
        self.statistics.packetsReceived += packets.count
        for packet in packets {
            guard self.connections[index].phase != .closing else { return false }
            self.receive(packet, on: index, now: now)
        }
        return self.connections[index].phase != .closing
    }

    /// The bytes of a connection could not be decoded: it ends with the failure's reason code.
    package mutating func receive(
        _ failure: DecodingFailure, from identifier: ConnectionIdentifier, now: Timestamp
    ) {
        guard self.isOpen(identifier) else { return }
        if self.connections[identifier.index].phase == .awaitingConnect, let version = failure.version {
            self.connections[identifier.index].version = version
        }
        self.end(identifier.index, .violation(failure.reasonCode, failure.message), now: now)
    }

    /// The client takes its bytes too slowly, or has caught up.
    package mutating func setCongested(
        _ isCongested: Bool, on identifier: ConnectionIdentifier, now: Timestamp
    ) {
        guard self.isOpen(identifier) else { return }
        self.connections[identifier.index].isCongested = isCongested
        let session = self.connections[identifier.index].session
        if !isCongested, session >= 0 { self.drain(session, now: now) }
    }

    /// The client has taken nothing for so long that it is given up.
    package mutating func stalled(_ identifier: ConnectionIdentifier, now: Timestamp) {
        guard self.isOpen(identifier) else { return }
        self.end(identifier.index, .violation(.quotaExceeded, "the client takes no bytes"), now: now)
    }

    /// The network connection is gone; the identifier is not used again.
    package mutating func close(_ identifier: ConnectionIdentifier, now: Timestamp) {
        guard self.isOpen(identifier) else { return }
        let index = identifier.index
        self.pendingConnects[index] = nil
        if self.connections[index].phase != .closing {
            let reason: DisconnectReason = .connectionLost
            self.report(index, reason)
            self.detach(index, now: now)
        }
        self.admission.leave(self.connections[index].origin.address)
        self.connections.remove(index)
        if let position = self.listed.firstIndex(of: index) { self.listed.remove(at: position) }
        self.pruneTimers()
    }

    /// Says goodbye to every client; sessions stay as after a lost connection.
    package mutating func shutDown(now: Timestamp) {
        for index in self.connections.indices { self.end(index, .shuttingDown, now: now) }
    }

    // MARK: What the driver takes

    /// Moves out everything that is to be written or closed, in no particular order between connections.
    package mutating func takeOutputs(into outputs: inout [Output]) {
        for index in self.listed {
            let session = self.connections[index].session
            if session >= 0, self.connections[index].outbound.readableBytes >= self.limits.session.outboundBytesMax {
                self.starved.append(session)
            }
            self.statistics.bytesSent += self.connections[index].outbound.readableBytes
            let generation = self.connections.generation(of: index)
            outputs.append(
                Output(
                    connection: ConnectionIdentifier(index: index, generation: generation),
                    loop: self.connections[index].origin.loop, bytes: self.connections[index].outbound,
                    closes: self.connections[index].phase == .closing))
            self.connections[index].outbound = ByteBuffer()
            self.connections[index].isListed = false
        }
        self.listed.removeAll(keepingCapacity: true)
    }

    package var hasOutputs: Bool { !self.listed.isEmpty }

    /// Whether sessions stopped sending only because their buffer was full when it was taken: after the flush the
    /// driver calls `feedStarved`, for no acknowledgement may ever wake them.
    package var hasStarved: Bool { !self.starved.isEmpty }

    package mutating func feedStarved(now: Timestamp) {
        let sessions = self.starved
        self.starved.removeAll(keepingCapacity: true)
        for session in sessions { self.drain(session, now: now) }
    }

    /// Takes back written buffers that nobody else holds, so that the next batch needs no allocation.
    package mutating func recycle(_ buffers: inout [ByteBuffer]) {
        while let buffer = buffers.popLast() {
            guard self.spareBuffers.count < Self.spareBuffersMax, buffer.capacity <= Self.spareCapacityMax else {
                continue
            }
            self.spareBuffers.append(buffer)
        }
    }

    package mutating func takeEvents() -> [BrokerEvent] {
        guard !self.events.isEmpty else { return [] }
        defer { self.events = [] }
        return self.events
    }

    // MARK: Gauges

    package var connectionCount: Int { self.connections.count }
    package var sessionCount: Int { self.sessions.count }
    package var subscriptionCount: Int { self.subscriptions.count }
    package var retainedCount: Int { self.retained.count }
    /// Function calls that wait or run.
    package var openCallCount: Int { self.calls.openCount }
    /// Asynchronous calls that were accepted and have not ended.
    package var taskCount: Int { self.tasks.count }

    // MARK: Shared by the slices of the broker

    func isOpen(_ identifier: ConnectionIdentifier) -> Bool {
        self.connections.isOccupied(identifier.index, generation: identifier.generation)
    }

    /// Notes that the connection has something to flush and gives it a buffer to write into.
    mutating func list(_ index: Int) {
        guard !self.connections[index].isListed else { return }
        self.connections[index].isListed = true
        if self.connections[index].outbound.capacity == 0, let spare = self.spareBuffers.popLast() {
            self.connections[index].outbound = spare
        }
        if !self.isBlocked(index) { self.listed.append(index) }
    }

    /// Sends a packet other than PUBLISH; `false` when it is larger than the client takes and was dropped
    /// ([MQTT-3.1.2-24]).
    @discardableResult
    mutating func send(_ packet: Packet, on index: Int) -> Bool {
        self.list(index)
        let isSent = self.connections[index].outbound.writePacket(
            packet, version: self.connections[index].version, limit: self.connections[index].maximumPacketSize)
        self.count(packetSent: isSent)
        return isSent
    }

    mutating func count(packetSent isSent: Bool) {
        if isSent { self.statistics.otherPacketsSent += 1 } else { self.statistics.droppedTooLarge += 1 }
    }
}

extension ByteBuffer {
    /// `false` when the packet is longer than `limit`, and nothing is written.
    mutating func writePacket(_ packet: Packet, version: ProtocolVersion, limit: Int) -> Bool {
        let start = self.writerIndex
        self.writePacket(packet, version: version)
        guard self.writerIndex - start > limit else { return true }
        self.moveWriterIndex(to: start)
        return false
    }
}
