import BusCore
import BusSession
import BusWire
import Logging
import NIOCore

/// What one event loop knows: its connections, its timer, and the arrays it uses again and again.
///
/// It decides nothing: bytes become inputs of the broker, outputs of the broker become writes.
final class LoopDriver {
    let eventLoop: any EventLoop
    let index: Int
    /// Packets decoded outside the lock, at most `sliceMax` at a time; empty between reads.
    var packets: [Packet] = []
    static let sliceMax = 256
    let readBuffer = ReadBuffer()
    /// What the connection in hand has read, until it is decoded.
    var lastRead: ByteBuffer?
    /// Of connections that are opened from now on.
    var limits: ConnectionLimits

    private let broker: SharedBroker
    private let authenticator: Authenticator
    private let log: EventLog
    private var handlers: [ConnectionHandler?] = []
    /// Connections in this process, which have no handler.
    private var locals: [ConnectionIdentifier: LocalClients.Deliver] = [:]
    private var outputs: [Output] = []
    private var isDistributing = false
    /// Buffers that were written to their end: the broker's next outputs need no others.
    private var written: [ByteBuffer] = []
    /// Connections that were read since the last flush.
    private var readers: [ConnectionHandler] = []
    private var lateAcknowledgements = LateAcknowledgements()
    private var timer: Scheduled<Void>?
    private var timerDue = Timestamp.never

    init(
        eventLoop: any EventLoop, index: Int, broker: SharedBroker, authenticator: Authenticator, log: EventLog,
        limits: ConnectionLimits
    ) {
        self.eventLoop = eventLoop
        self.index = index
        self.broker = broker
        self.authenticator = authenticator
        self.log = log
        self.limits = limits
        self.packets.reserveCapacity(Self.sliceMax)
    }

    static func now() -> Timestamp {
        Timestamp(nanoseconds: NIODeadline.now().uptimeNanoseconds)
    }

    // MARK: Inputs

    /// Whether there is room for one more connection of the address; see `Broker.admit`.
    func admit(_ address: String) -> Bool {
        self.broker.withBroker { $0.admit(address) }
    }

    func leave(_ address: String) {
        self.broker.withBroker { $0.leave(address) }
    }

    /// `nil` where there is no room: the connection is to be closed.
    func open(_ handler: ConnectionHandler, _ origin: ConnectionOrigin, isAdmitted: Bool) -> ConnectionIdentifier? {
        let opened = self.broker.withBroker { $0.open(origin, isAdmitted: isAdmitted, now: Self.now()) }
        guard let identifier = opened else { return nil }
        while self.handlers.count <= identifier.index { self.handlers.append(nil) }
        self.handlers[identifier.index] = handler
        self.flush()
        return identifier
    }

    /// Feeds the packets gathered in `packets`; `false` when the connection takes no more.
    func receive(from identifier: ConnectionIdentifier, byteCount: Int) -> Bool {
        defer { self.packets.removeAll(keepingCapacity: true) }
        return self.broker.withBroker {
            $0.receive(self.packets, from: identifier, byteCount: byteCount, now: Self.now())
        }
    }

    /// The bytes of the last read are decoded; packets that were kept have storage of their own.
    func recycleLastRead() {
        guard let bytes = self.lastRead.take(), bytes.storageCapacity == ReadBuffer.capacity else { return }
        self.readBuffer.giveBack(bytes)
    }

    func receive(_ failure: DecodingFailure, from identifier: ConnectionIdentifier) {
        self.broker.withBroker { $0.receive(failure, from: identifier, now: Self.now()) }
    }

    func setCongested(_ isCongested: Bool, on identifier: ConnectionIdentifier) {
        self.broker.withBroker { $0.setCongested(isCongested, on: identifier, now: Self.now()) }
        self.flush()
    }

    /// The client has taken no byte for a long time.
    func stalled(_ identifier: ConnectionIdentifier) {
        self.broker.withBroker { $0.stalled(identifier, now: Self.now()) }
        self.flush()
    }

    func close(_ identifier: ConnectionIdentifier) {
        self.handlers[identifier.index] = nil
        self.broker.withBroker { $0.close(identifier, now: Self.now()) }
        self.flush()
    }

    func openLocal(_ identifier: ConnectionIdentifier, _ deliver: @escaping LocalClients.Deliver) {
        self.locals[identifier] = deliver
    }

    func receiveLocal(_ packets: [Packet], from identifier: ConnectionIdentifier) {
        self.broker.withBroker { _ = $0.receive(packets, from: identifier, now: Self.now()) }
    }

    func closeLocal(_ identifier: ConnectionIdentifier) {
        self.locals[identifier] = nil
        self.broker.withBroker { $0.close(identifier, now: Self.now()) }
    }

    func shutDown() {
        self.broker.withBroker { $0.shutDown(now: Self.now()) }
        self.flush()
    }

    var openConnectionCount: Int { self.handlers.count { $0 != nil } }

    // MARK: Outputs

    /// Flushes after all sockets that are readable now were read: what several clients send to one leaves in one write.
    func flushSoon(after reader: ConnectionHandler) {
        let isFirst = self.readers.isEmpty
        self.readers.append(reader)
        if isFirst { self.eventLoop.assumeIsolatedUnsafeUnchecked().execute { self.flushAfterReads() } }
    }

    private func flushAfterReads() {
        self.flush()
        for reader in self.readers { reader.readWasFlushed() }
        self.readers.removeAll(keepingCapacity: true)
    }

    /// Sends the acknowledgement of what the connection has published, unless an answer does so soon.
    func acknowledgeLate(_ handler: ConnectionHandler) {
        let isFirst = self.lateAcknowledgements.isEmpty
        self.lateAcknowledgements.append(handler)
        if isFirst { self.ageAcknowledgements() }
    }

    private func ageAcknowledgements() {
        self.eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(in: LateAcknowledgements.period) {
            for handler in self.lateAcknowledgements.age() { handler.answerIsLate() }
            if !self.lateAcknowledgements.isEmpty { self.ageAcknowledgements() }
        }
    }

    /// Writes what the inputs since the last flush have caused; one write and one flush for each connection.
    func flush() {
        let (events, logins, wakeUp, isStarved) = self.broker.withBroker { broker in
            broker.recycle(&self.written)
            self.broker.store?.takeChanges(of: &broker)
            broker.takeOutputs(into: &self.outputs)
            return (
                broker.takeEvents(), broker.takeAuthenticationRequests(), broker.nextWakeUp, broker.hasStarved
            )
        }
        for login in logins { self.authenticate(login) }
        for event in events { self.log.write(event) }
        self.schedule(wakeUp)
        if !self.outputs.isEmpty { self.distribute() }
        if isStarved { self.eventLoop.assumeIsolatedUnsafeUnchecked().execute { self.feedStarved() } }
    }

    /// Asks who the client is; the answer comes back to the loop of its connection.
    private func authenticate(_ request: AuthenticationRequest) {
        let bound = NIOLoopBound(self, eventLoop: self.eventLoop)
        self.authenticator.check(request, now: Self.now()) { [broker, eventLoop] verdict in
            eventLoop.execute {
                broker.withBroker { $0.authenticated(request.connection, verdict, now: Self.now()) }
                bound.value.flush()
            }
        }
    }

    /// A write can find its socket full, which is an input of the broker and brings further outputs: they are appended,
    /// and written in their turn.
    private func distribute() {
        guard !self.isDistributing else { return }
        self.isDistributing = true
        defer { self.isDistributing = false }
        var mail: [Int: [Output]] = [:]
        var next = 0
        while next < self.outputs.count {
            var output = self.outputs[next]
            // Whoever writes the bytes is to be the only one that holds them.
            self.outputs[next].bytes = ByteBuffer()
            next += 1
            if output.loop == self.index {
                self.write(&output)
            } else {
                mail[output.loop, default: []].append(output)
            }
        }
        self.outputs.removeAll(keepingCapacity: true)
        for (loop, outputs) in mail { self.broker.post(outputs, to: loop) }
    }

    private func write(_ output: inout Output) {
        guard output.connection.index < self.handlers.count,
            let handler = self.handlers[output.connection.index], handler.identifier == output.connection
        else { return self.deliver(output) }
        handler.write(output.bytes, thenCloses: output.closes)
        // As a rule the socket has taken everything, and nobody else holds the buffer any more.
        if output.bytes.modifyIfUniquelyOwned({ $0.clear() }) != nil { self.written.append(output.bytes) }
    }

    private func deliver(_ output: Output) {
        guard let deliver = self.locals[output.connection] else { return }
        if deliver(output.bytes, output.closes) { self.setCongested(true, on: output.connection) }
        guard output.closes else { return }
        self.closeLocal(output.connection)
        self.flush()
    }

    func takeMail() {
        for var output in self.broker.takeMail(of: self.index) { self.write(&output) }
    }

    private func feedStarved() {
        self.broker.withBroker { $0.feedStarved(now: Self.now()) }
        self.flush()
    }

    // MARK: Time

    /// Begins what is done from time to time; the first loop does it for all.
    func start(systemInterval: UInt64) {
        guard self.index == 0 else { return }
        let bound = NIOLoopBound(self, eventLoop: self.eventLoop)
        self.broker.store?.listen { [eventLoop] in eventLoop.execute { bound.value.settleStore() } }
        self.broker.withBroker { $0.startSystemTopics(every: systemInterval, now: Self.now()) }
        self.flush()
        self.eventLoop.assumeIsolated().scheduleTask(in: .seconds(1)) { ProcessMemory.releaseStartUpCode() }
        self.measureMemory()
    }

    /// The store has news: what waited for a commit leaves.
    private func settleStore() {
        guard let store = self.broker.store else { return }
        self.broker.withBroker { store.settle(&$0, now: Self.now()) }
        self.flush()
    }

    /// Once a second.
    private func measureMemory() {
        self.eventLoop.assumeIsolated().scheduleTask(in: .seconds(1)) { self.measureMemory() }
        if self.broker.store != nil {
            self.broker.withBroker {
                $0.setWallClock(milliseconds: StoreLink.wallMilliseconds(), now: Self.now())
            }
        }
        guard let bytes = ProcessMemory.resident() else { return }
        let hasEvents = self.broker.withBroker { broker in
            let before = broker.pressure
            broker.setMemory(bytes: bytes)
            return broker.pressure != before
        }
        if hasEvents { self.flush() }
    }

    /// One timer for everything that waits; it is moved only when something is due earlier than it is set for.
    private func schedule(_ wakeUp: Timestamp) {
        guard wakeUp < self.timerDue else { return }
        self.timer?.cancel()
        self.timerDue = wakeUp
        let deadline = NIODeadline.uptimeNanoseconds(wakeUp.nanoseconds)
        self.timer = self.eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(deadline: deadline) { self.fire() }
    }

    private func fire() {
        self.timer = nil
        self.timerDue = .never
        self.broker.withBroker { $0.advance(to: Self.now()) }
        self.flush()
    }
}
