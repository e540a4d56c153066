package import BusContract
import BusCore
import BusWire
package import FunctionBus
import NIOCore
import Synchronization

/// The transport to a broker in the same process: packets as values on the way in, bytes on the way out, no socket.
///
/// What the broker delivers is put aside and handed over by a task that lives as long as there is something: batches
/// grow by themselves when the receiver is busy.
package final class InProcessTransport: Transport {
    fileprivate struct State {
        var session: ClientSession
        var connection: ConnectionIdentifier?
        var decoder = PacketDecoder(role: .client, maximumPacketSize: .max, version: .v5)
        /// Not decoded yet.
        var inbox = ByteBuffer()
        /// There was more in it than `inboxMax`, and the broker was told.
        var isBehind = false
        /// The broker has closed the connection behind what is in the inbox.
        var isCut = false
        var isClosed = false
        /// A task hands over.
        var isHandingOver = false
        var onIdle: [CheckedContinuation<Void, Never>] = []
        var pings: Task<Void, Never>?
    }

    /// A closure that lies bare in a lock gains a thunk with every look at it.
    private struct Receiver: Sendable {
        var tell: @Sendable ([TransportEvent]) -> Void
    }

    private let door: any BrokerDoor
    private let clientIdentifier: String
    private let will: ApplicationMessage
    private let receiver = Mutex<Receiver?>(nil)
    private let state: Mutex<State>
    /// Bytes; above, the broker holds back, as for a client whose socket is full.
    private static let inboxMax = 1 << 20
    /// Before a connection that was closed by the broker is opened again.
    private static let retryPause = Duration.milliseconds(100)

    package init(_ door: any BrokerDoor, clientIdentifier: String) {
        self.door = door
        self.clientIdentifier = clientIdentifier
        self.will = ApplicationMessage(
            topic: FunctionBus.presenceTopic(of: clientIdentifier), payload: [], qos: 1, isRetained: true)
        self.state = Mutex(State(session: ClientSession(clientIdentifier: clientIdentifier, will: self.will)))
    }

    // MARK: Life

    package func start(_ receive: @escaping @Sendable ([TransportEvent]) -> Void) {
        self.receiver.withLock { $0 = Receiver(tell: receive) }
        self.open()
    }

    private func open() {
        let connection = self.door.open { [weak self] bytes, closes in self?.put(bytes, closes: closes) ?? false }
        let packets = self.state.withLock { state -> [Packet] in
            state.connection = connection
            state.inbox = ByteBuffer()
            state.isBehind = false
            state.isCut = false
            state.pings = nil
            state.session = ClientSession(clientIdentifier: self.clientIdentifier, will: self.will)
            return state.session.takePackets()
        }
        guard let connection else { return self.connectionEnded("the broker takes no more connections") }
        self.door.send(packets, from: connection)
    }

    package func close() async {
        let (packets, connection) = self.state.withLock { state in
            state.isClosed = true
            state.pings?.cancel()
            state.session.disconnect()
            return (state.session.takePackets(), state.connection.take())
        }
        if let connection {
            self.door.send(packets, from: connection)
            self.door.close(connection)
        }
        await withCheckedContinuation { continuation in
            let isIdle = self.state.withLock { state in
                if state.isHandingOver { state.onIdle.append(continuation) }
                return !state.isHandingOver
            }
            if isIdle { continuation.resume() }
        }
    }

    /// Tells it, and tries again.
    private func connectionEnded(_ reason: String) {
        let isClosed = self.state.withLock { state in
            state.connection = nil
            state.pings?.cancel()
            return state.isClosed
        }
        guard !isClosed else { return }
        self.tell([.disconnected(reason: reason)])
        Task { [weak self] in
            // Nothing cancels this task.
            try? await Task.sleep(for: Self.retryPause)
            guard let self, !self.state.withLock({ $0.isClosed }) else { return }
            self.open()
        }
    }

    // MARK: Packets out

    package func publish(_ message: ApplicationMessage) throws(TransportFailure) -> Int32 {
        try self.send { session throws(TransportFailure) in try session.publish(message) }
    }

    package func subscribe(_ filter: String, qos: Int) throws(TransportFailure) -> Int32 {
        try self.send { session throws(TransportFailure) in try session.subscribe(filter, qos: qos) }
    }

    package func unsubscribe(_ filter: String) throws(TransportFailure) -> Int32 {
        try self.send { session throws(TransportFailure) in try session.unsubscribe(filter) }
    }

    private func send(
        _ body: (inout ClientSession) throws(TransportFailure) -> Int32
    ) throws(TransportFailure) -> Int32 {
        let sent = try self.state.withLock { state throws(TransportFailure) in
            guard let connection = state.connection, !state.isClosed else { throw .notConnected }
            let identifier = try body(&state.session)
            return (
                identifier: identifier, packets: state.session.takePackets(), connection: connection,
                hasEvents: !state.session.events.isEmpty
            )
        }
        self.door.send(sent.packets, from: sent.connection)
        // Of QoS 0 the end is known at once.
        if sent.hasEvents { self.handOver() }
        return sent.identifier
    }

    // MARK: Bytes in

    /// Called with the lock of the broker held. Returns whether enough is waiting.
    private func put(_ bytes: ByteBuffer, closes: Bool) -> Bool {
        let isBehind = self.state.withLock { state in
            var bytes = bytes
            if state.inbox.readableBytes == 0 {
                state.inbox = bytes
            } else {
                state.inbox.writeBuffer(&bytes)
            }
            if closes { state.isCut = true }
            if state.inbox.readableBytes > Self.inboxMax { state.isBehind = true }
            return state.isBehind
        }
        self.handOver()
        return isBehind
    }

    private func handOver() {
        let isMine = self.state.withLock { state in
            defer { state.isHandingOver = true }
            return !state.isHandingOver
        }
        if isMine { Task { self.handOverAll() } }
    }

    private func handOverAll() {
        while true {
            let batch = self.nextBatch()
            if let connection = batch.connection, !batch.packets.isEmpty {
                self.door.send(batch.packets, from: connection)
            }
            self.tell(batch.events)
            if batch.hasCaughtUp, let connection = batch.connection { self.door.resume(connection) }
            if batch.isCut { self.connectionEnded("the broker has closed the connection") }
            guard batch.isEmpty else { continue }
            return
        }
    }

    private struct Batch {
        var packets: [Packet] = []
        var events: [TransportEvent] = []
        var connection: ConnectionIdentifier?
        var isCut = false
        var hasCaughtUp = false

        var isEmpty: Bool { self.packets.isEmpty && self.events.isEmpty && !self.isCut }
    }

    /// Everything that has come since the last one; the task ends where that is nothing.
    private func nextBatch() -> Batch {
        let (batch, idle) = self.state.withLock { state -> (Batch, [CheckedContinuation<Void, Never>]) in
            state.decode()
            var batch = Batch()
            batch.packets = state.session.takePackets()
            batch.events = state.session.takeEvents()
            batch.connection = state.connection
            batch.isCut = state.isCut
            state.isCut = false
            batch.hasCaughtUp = state.isBehind
            state.isBehind = false
            if state.session.keepAliveSeconds > 0, state.pings == nil { state.pings = self.pings(state.session) }
            guard batch.isEmpty else { return (batch, []) }
            state.isHandingOver = false
            defer { state.onIdle = [] }
            return (batch, state.onIdle)
        }
        for continuation in idle { continuation.resume() }
        return batch
    }

    private func tell(_ events: [TransportEvent]) {
        guard !events.isEmpty else { return }
        self.receiver.withLock { $0 }?.tell(events)
    }

    /// Keeps the connection of a broker that wants to hear of its clients.
    private func pings(_ session: ClientSession) -> Task<Void, Never> {
        let pause = Duration.seconds(Int64(max(2, session.keepAliveSeconds))) / 2
        return Task { [weak self] in
            // Cancelled with the connection.
            while (try? await Task.sleep(for: pause)) != nil {
                guard let self else { return }
                let (packets, connection) = self.state.withLock { state in
                    state.session.ping()
                    return (state.session.takePackets(), state.connection)
                }
                if let connection { self.door.send(packets, from: connection) }
            }
        }
    }
}

extension InProcessTransport.State {
    fileprivate mutating func decode() {
        do throws(DecodingFailure) {
            while let packet = try self.decoder.next(in: &self.inbox) { self.session.receive(packet) }
            if self.inbox.readableBytes == 0 { self.inbox = ByteBuffer() }
        } catch {
            preconditionFailure("the broker wrote what the codec refuses: \(error)")
        }
    }
}
