package import BusContract
import CMosquitto
import Glibc
import Synchronization

/// One client of libmosquitto on a thread of its own: it connects, reads, writes, and connects again by itself.
///
/// The owner hears everything through `onEvents`, on that thread, in batches: all that could be read at once. While it
/// handles a batch nothing more is read, so that what waits, waits in the socket and not in memory. It may publish,
/// subscribe and unsubscribe from there, and must not wait.
///
/// Ending is explicit: `close` lets the thread say DISCONNECT, free its handle and end.
@safe package final class MosquittoClient: Sendable {
    @safe private struct State {
        // The thread's own, lent to publishers as long as it is connected; it is freed only after it was taken back.
        nonisolated(unsafe) var handle: OpaquePointer?
        /// Packets handed to libmosquitto that something will answer, on this connection.
        var queuedCount = 0
        var hasEnded = false
        var onEnd: [@Sendable () -> Void] = []
    }

    private let settings: MosquittoSettings
    private let onEvents: @Sendable ([MosquittoEvent]) -> Void
    private let batch: EventBatch
    private let wakeUp = WakeUp()
    private let state = Mutex(State())
    /// Looked at in every round of the thread, which must not wait there for one that publishes.
    private let isClosing = Atomic(false)
    /// Packets that were queued since the last time that all were written, besides the acknowledgements.
    private let unwrittenCount = Atomic(0)
    /// The last messages came one at a time.
    private let isQuiet = Atomic(true)
    private static let isLibraryReady: Bool = mosquitto_lib_init() == 0
    /// The system did not take what was written.
    private static let systemFailure = Int32(MOSQ_ERR_ERRNO.rawValue)
    /// How long a DISCONNECT may take to leave.
    private static let farewell = Duration.seconds(2)

    /// Makes the client; `start` connects it.
    ///
    /// - Throws: what libmosquitto does not take: a client identifier, a will, a certificate file.
    package init(
        _ settings: MosquittoSettings, onEvents: @escaping @Sendable ([MosquittoEvent]) -> Void
    ) throws(MosquittoFailure) {
        precondition(Self.isLibraryReady, "libmosquitto could not set itself up")
        self.settings = settings
        self.onEvents = onEvents
        self.batch = EventBatch(keyPassword: settings.tls?.keyPassword)
        // Made once for its errors, which are better told now.
        _ = try MosquittoHandle.make(settings, self.batch)
    }

    // MARK: Life

    /// Starts the thread, which connects.
    package func start() {
        let box = unsafe Unmanaged.passRetained(self)
        var thread = pthread_t()
        let result = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                unsafe Unmanaged<MosquittoClient>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, box.toOpaque())
        precondition(result == 0, "the process cannot start another thread")
        pthread_detach(thread)
    }

    /// Says DISCONNECT and ends the thread; `onEnd` is called when no further event will come. That is soon, unless the
    /// thread waits for a host that does not answer: then it ends when the system gives that up.
    package func close(onEnd: @escaping @Sendable () -> Void) {
        let hasEnded = self.state.withLock { state in
            self.isClosing.store(true, ordering: .sequentiallyConsistent)
            if !state.hasEnded { state.onEnd.append(onEnd) }
            return state.hasEnded
        }
        self.wakeUp.signal()
        if hasEnded { onEnd() }
    }

    private var mustEnd: Bool { self.isClosing.load(ordering: .sequentiallyConsistent) }

    /// The network thread.
    private func run() {
        var attempt = 0
        while !self.mustEnd {
            let start = ContinuousClock.now
            let reason = self.connectAndServe()
            guard !self.mustEnd else { break }
            if ContinuousClock.now - start > .seconds(10) { attempt = 0 }
            let delay = self.settings.delay(beforeAttempt: attempt, random: .random(in: 0...1))
            attempt += 1
            self.batch.append(.disconnected(reason: reason, retryAfter: delay))
            self.handOver()
            self.sleep(delay)
        }
        let callbacks = self.state.withLock { state in
            state.hasEnded = true
            return state.onEnd
        }
        for callback in callbacks { callback() }
    }

    /// One network connection from its beginning to its end, and why it ended.
    private func connectAndServe() -> String {
        do throws(MosquittoFailure) {
            let handle = try MosquittoHandle.make(self.settings, self.batch)
            var properties = PropertyList()
            try properties.add(maximumPacketSize: UInt32(clamping: self.settings.packetBytesMax))
            try check(
                unsafe mosquitto_connect_bind_v5(
                    handle.pointer, self.settings.host, Int32(self.settings.port),
                    Int32(self.settings.keepAliveSeconds), nil, properties.list))
            guard self.lend(handle) else { return "closed" }
            let reason = self.serve(handle)
            self.state.withLock { unsafe $0.handle = nil }
            // Not before nobody can publish with it any more.
            _ = consume handle
            return MosquittoFailure(reason).description
        } catch {
            return error.description
        }
    }

    /// Lets others publish with the handle, unless the end has come already.
    private func lend(_ handle: borrowing MosquittoHandle) -> Bool {
        let pointer = unsafe handle.pointer
        return self.state.withLock { state in
            guard !self.mustEnd else { return false }
            unsafe state.handle = pointer
            state.queuedCount = 0
            self.unwrittenCount.store(0, ordering: .relaxed)
            self.batch.reset()
            return true
        }
    }

    /// Reads and writes until the connection ends; returns libmosquitto's reason.
    private func serve(_ handle: borrowing MosquittoHandle) -> Int32 {
        var nextCheck = ContinuousClock.now
        while true {
            if self.mustEnd { return self.sayGoodbye(handle) }
            let socket = unsafe mosquitto_socket(handle.pointer)
            guard socket >= 0 else { return 7 }
            let isReadable = self.wait(handle, socket)
            var reason: Int32 = 0
            if isReadable { reason = self.read(handle) }
            // First what has arrived: what the owner says to it leaves together with the acknowledgements.
            self.handOver()
            if reason == 0 { reason = self.write(handle, socket) }
            if reason == 0, ContinuousClock.now >= nextCheck {
                // Keep alive.
                reason = unsafe mosquitto_loop_misc(handle.pointer)
                nextCheck = .now + .seconds(1)
            }
            self.handOver()
            if reason != 0 { return reason }
        }
    }

    /// Waits until everything that was queued has come to its end, and then says DISCONNECT.
    ///
    /// Not before: behind a DISCONNECT that waits, libmosquitto takes the next acknowledgement for a violation of the
    /// protocol; and a socket that is closed while an acknowledgement in it is unread takes with it what the broker has
    /// not read of ours.
    private func sayGoodbye(_ handle: borrowing MosquittoHandle) -> Int32 {
        let queuedCount = self.state.withLock { state in
            unsafe state.handle = nil
            return state.queuedCount
        }
        let deadline = ContinuousClock.now + Self.farewell
        while unsafe mosquitto_want_write(handle.pointer) || self.batch.acknowledgedCount < queuedCount {
            guard ContinuousClock.now < deadline, self.exchange(handle) else { break }
            self.handOver()
        }
        let reason = unsafe mosquitto_disconnect_v5(handle.pointer, 0, nil)
        while unsafe mosquitto_want_write(handle.pointer), ContinuousClock.now < deadline {
            guard self.exchange(handle) else { break }
        }
        return reason
    }

    /// Reads and writes what is possible within a moment; whether the connection goes on.
    private func exchange(_ handle: borrowing MosquittoHandle) -> Bool {
        let socket = unsafe mosquitto_socket(handle.pointer)
        guard socket >= 0 else { return false }
        let wantsWrite = unsafe mosquitto_want_write(handle.pointer)
        var polled = pollfd(fd: socket, events: Int16(POLLIN) | (wantsWrite ? Int16(POLLOUT) : 0), revents: 0)
        _ = unsafe poll(&polled, 1, 100)
        if wantsWrite, unsafe mosquitto_loop_write(handle.pointer, 1) != 0 { return false }
        guard polled.revents & Int16(POLLIN | POLLERR | POLLHUP) != 0 else { return true }
        return self.read(handle) == 0
    }

    /// Sleeps until the socket can be read or, where something waits for that, written, at most a second.
    private func wait(_ handle: borrowing MosquittoHandle, _ socket: Int32) -> Bool {
        self.wakeUp.fallAsleep()
        let wantsWrite = unsafe mosquitto_want_write(handle.pointer)
        let events = Int16(POLLIN) | (wantsWrite ? Int16(POLLOUT) : 0)
        var polled = [
            pollfd(fd: socket, events: events, revents: 0),
            pollfd(fd: self.wakeUp.readEnd, events: Int16(POLLIN), revents: 0),
        ]
        // A signal that interrupts it is as good as the time.
        _ = unsafe poll(&polled, 2, 1000)
        self.wakeUp.awake(hasByte: polled[1].revents != 0)
        return polled[0].revents & Int16(POLLIN | POLLERR | POLLHUP) != 0
    }

    /// libmosquitto reads one packet at a time: goes on as long as that brings something, up to a full batch.
    private func read(_ handle: borrowing MosquittoHandle) -> Int32 {
        while true {
            let count = self.batch.count
            let reason = unsafe mosquitto_loop_read(handle.pointer, 1)
            if reason != 0 || self.batch.count == count || self.batch.isFull { return reason }
        }
    }

    /// Writes everything that waits. libmosquitto makes a system call of each packet; several are held back until the
    /// last of them, so that they pass through the network's layers, and wake the broker, once.
    private func write(_ handle: borrowing MosquittoHandle, _ socket: Int32) -> Int32 {
        let packetCount = self.unwrittenCount.exchange(0, ordering: .relaxed) + self.batch.takeAnswerCount()
        guard unsafe mosquitto_want_write(handle.pointer) else { return 0 }
        guard packetCount > 1 else { return unsafe mosquitto_loop_write(handle.pointer, 1) }
        Self.cork(socket, 1)
        let reason = unsafe mosquitto_loop_write(handle.pointer, 1)
        // Not on a number that may be another's by now.
        if reason == 0 { Self.cork(socket, 0) }
        return reason
    }

    /// Where it is not understood, packets leave one by one.
    private static func cork(_ socket: Int32, _ flag: Int32) {
        var flag = flag
        _ = unsafe setsockopt(socket, Int32(IPPROTO_TCP), TCP_CORK, &flag, socklen_t(MemoryLayout<Int32>.size))
    }

    private func handOver() {
        let events = self.batch.take()
        guard !events.isEmpty else { return }
        let messageCount = events.reduce(0) { if case .message = $1 { $0 + 1 } else { $0 } }
        if messageCount > 0 { self.isQuiet.store(messageCount == 1, ordering: .relaxed) }
        self.onEvents(events)
    }

    /// In steps, so that `close` never waits long.
    private func sleep(_ duration: Duration) {
        let end = ContinuousClock.now + duration
        while !self.mustEnd, ContinuousClock.now < end { usleep(20_000) }
    }

    // MARK: Packets

    /// Queues a PUBLISH; its end comes as `published` with the identifier returned.
    package func publish(_ message: ApplicationMessage) throws(MosquittoFailure) -> Int32 {
        let properties = try PropertyList(message.properties)
        // What is written without an answer is told by the network thread, which would not hear of it.
        return try unsafe self.queue(isWritable: message.qos > 0) { handle, identifier in
            unsafe message.topic.withCString { topic in
                unsafe mosquitto_publish_v5(
                    handle, &identifier, topic, Int32(clamping: message.payload.count), message.payload,
                    Int32(message.qos), message.isRetained, properties.list)
            }
        }
    }

    package func subscribe(_ filter: String, qos: Int, noLocal: Bool = false) throws(MosquittoFailure) -> Int32 {
        let options: Int32 = noLocal ? 0x04 : 0
        return try unsafe self.queue { handle, identifier in
            unsafe mosquitto_subscribe_v5(handle, &identifier, filter, Int32(qos), options, nil)
        }
    }

    package func unsubscribe(_ filter: String) throws(MosquittoFailure) -> Int32 {
        try unsafe self.queue { handle, identifier in unsafe mosquitto_unsubscribe_v5(handle, &identifier, filter, nil)
        }
    }

    /// Whether a packet is better written by the thread that brings it: the network thread sleeps, and would be woken
    /// for this one alone. Where several arrive at a time, several leave at a time, and those are better gathered. The
    /// state of TLS belongs to the network thread.
    private func mayWriteHere(_ handle: OpaquePointer) -> Bool {
        guard self.settings.tls == nil, self.isQuiet.load(ordering: .relaxed), self.wakeUp.isSleeping else {
            return false
        }
        return unsafe !mosquitto_want_write(handle)
    }

    /// Hands a packet to libmosquitto while there is a connection, and wakes the thread that writes it.
    ///
    /// - Parameter isWritable: whether the packet may be written at once, where it is the only one.
    private func queue(
        isWritable: Bool = false, _ body: (OpaquePointer, inout Int32) -> Int32
    ) throws(MosquittoFailure) -> Int32 {
        var identifier: Int32 = 0
        let (code, waits) = self.state.withLock { state -> (Int32, Bool) in
            guard let handle = unsafe state.handle else { return (MosquittoFailure.notConnected.code, false) }
            let isAlone = unsafe isWritable && self.mayWriteHere(handle)
            // While this is off, libmosquitto writes what it is given; should the network thread awake meanwhile, an
            // acknowledgement of its own as well, which is as good.
            if isAlone { unsafe mosquitto_threaded_set(handle, false) }
            let code = unsafe body(handle, &identifier)
            if isAlone { unsafe mosquitto_threaded_set(handle, true) }
            if code == 0 { state.queuedCount += 1 }
            return (code, unsafe !isAlone || mosquitto_want_write(handle))
        }
        // A socket that the other end has closed is told so here too; the network thread hears of it by itself.
        guard code != MosquittoFailure.notConnected.code, code != Self.systemFailure else { throw .notConnected }
        try check(code)
        if waits {
            self.unwrittenCount.add(1, ordering: .relaxed)
            self.wakeUp.signal()
        }
        return identifier
    }
}
