import CMosquitto
import Glibc
import Synchronization

/// One client of libmosquitto on a thread of its own: it connects, reads, writes, and connects again by itself.
///
/// The owner hears everything through `onEvent`, on that thread, and must not call back into the client from there except
/// `publish`, `subscribe` and `unsubscribe`, which only queue. Ending is explicit: `close` says DISCONNECT, joins the
/// thread and frees the handle; it must not be called from `onEvent`.
@safe package final class MosquittoClient: Sendable {
    /// What the callbacks reach through libmosquitto's user pointer.
    private final class Context: Sendable {
        let onEvent: @Sendable (MosquittoEvent) -> Void

        init(_ onEvent: @escaping @Sendable (MosquittoEvent) -> Void) {
            self.onEvent = onEvent
        }
    }

    private struct State {
        var isClosing = false
        var isClosed = false
        var thread: pthread_t?
    }

    // libmosquitto's handle is made for several threads; it is freed once, after its thread was joined.
    private nonisolated(unsafe) let handle: OpaquePointer
    private let context: Context
    private let settings: MosquittoSettings
    private let state = Mutex(State())
    private static let isLibraryReady: Bool = mosquitto_lib_init() == 0

    /// Makes the client; `start` connects it.
    package init(
        _ settings: MosquittoSettings, onEvent: @escaping @Sendable (MosquittoEvent) -> Void
    ) throws(MosquittoFailure) {
        precondition(Self.isLibraryReady, "libmosquitto could not set itself up")
        let context = Context(onEvent)
        let pointer = unsafe Unmanaged.passUnretained(context).toOpaque()
        guard let handle = unsafe mosquitto_new(settings.clientIdentifier, true, pointer) else {
            throw MosquittoFailure(code: 1, description: "libmosquitto has no memory for another client")
        }
        unsafe self.handle = handle
        self.context = context
        self.settings = settings
        do throws(MosquittoFailure) {
            try self.configure()
        } catch {
            unsafe mosquitto_destroy(handle)
            throw error
        }
    }

    private func configure() throws(MosquittoFailure) {
        try check(unsafe mosquitto_int_option(self.handle, MOSQ_OPT_PROTOCOL_VERSION, Int32(MQTT_PROTOCOL_V5)))
        try check(unsafe mosquitto_int_option(self.handle, MOSQ_OPT_TCP_NODELAY, 1))
        // Publishes from other threads wake the network thread instead of writing to the socket themselves.
        try check(unsafe mosquitto_threaded_set(self.handle, true))
        try check(unsafe mosquitto_max_inflight_messages_set(self.handle, 1000))
        if let user = self.settings.userName {
            try check(unsafe mosquitto_username_pw_set(self.handle, user, self.settings.password))
        }
        if let tls = self.settings.tls {
            if tls.authorityFile == nil {
                try check(unsafe mosquitto_int_option(self.handle, MOSQ_OPT_TLS_USE_OS_CERTS, 1))
            }
            try check(
                unsafe mosquitto_tls_set(
                    self.handle, tls.authorityFile, nil, tls.certificateFile, tls.keyFile, nil))
        }
        if let will = self.settings.will {
            try check(
                unsafe mosquitto_will_set_v5(
                    self.handle, will.topic, Int32(will.payload.count), will.payload, Int32(will.qos), will.isRetained,
                    nil))
        }
        self.setCallbacks()
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
        self.state.withLock { $0.thread = thread }
    }

    /// Says DISCONNECT, waits for the thread and frees the handle. Safe to call twice.
    package func close() {
        let thread: pthread_t? = self.state.withLock { state in
            guard !state.isClosing else { return nil }
            state.isClosing = true
            return state.thread
        }
        guard let thread else { return }
        unsafe mosquitto_disconnect_v5(self.handle, 0, nil)
        pthread_join(thread, nil)
        self.state.withLock { $0.isClosed = true }
        unsafe mosquitto_destroy(self.handle)
    }

    private var isClosing: Bool { self.state.withLock { $0.isClosing } }

    /// The network thread.
    private func run() {
        var attempt = 0
        while !self.isClosing {
            let connected = unsafe mosquitto_connect_bind_v5(
                self.handle, self.settings.host, Int32(self.settings.port), Int32(self.settings.keepAliveSeconds), nil,
                nil)
            var reason = connected
            if connected == 0 {
                let start = ContinuousClock.now
                repeat {
                    reason = unsafe mosquitto_loop(self.handle, 1000, 1)
                } while reason == 0 && !self.isDone
                if ContinuousClock.now - start > .seconds(10) { attempt = 0 }
            }
            guard !self.isClosing else { return }
            let delay = self.delay(beforeAttempt: attempt)
            attempt += 1
            let text = unsafe mosquitto_strerror(reason).map { unsafe String(cString: $0) } ?? "error \(reason)"
            self.context.onEvent(.disconnected(reason: text, retryAfter: delay))
            self.sleep(delay)
        }
    }

    /// After `close` the loop goes on until the DISCONNECT is written, which ends it with an error code.
    private var isDone: Bool {
        guard self.isClosing else { return false }
        return unsafe mosquitto_want_write(self.handle) == false
    }

    private func delay(beforeAttempt attempt: Int) -> Duration {
        let doubled = self.settings.firstRetry * (1 << min(attempt, 10))
        return min(doubled, self.settings.lastRetry) * Double.random(in: 0.8...1.2)
    }

    /// In steps, so that `close` never waits long.
    private func sleep(_ duration: Duration) {
        let end = ContinuousClock.now + duration
        while !self.isClosing, ContinuousClock.now < end { usleep(20_000) }
    }

    // MARK: Packets

    /// Queues a PUBLISH; its end comes as `published` with the identifier returned.
    package func publish(_ message: MosquittoMessage) throws(MosquittoFailure) -> Int32 {
        let properties = try PropertyList(message.properties)
        var identifier: Int32 = 0
        let code = unsafe mosquitto_publish_v5(
            self.handle, &identifier, message.topic, Int32(clamping: message.payload.count), message.payload,
            Int32(message.qos), message.isRetained, properties.list)
        try check(code)
        return identifier
    }

    package func subscribe(_ filter: String, qos: Int, noLocal: Bool = false) throws(MosquittoFailure) -> Int32 {
        var identifier: Int32 = 0
        let options: Int32 = noLocal ? 0x04 : 0
        try check(unsafe mosquitto_subscribe_v5(self.handle, &identifier, filter, Int32(qos), options, nil))
        return identifier
    }

    package func unsubscribe(_ filter: String) throws(MosquittoFailure) -> Int32 {
        var identifier: Int32 = 0
        try check(unsafe mosquitto_unsubscribe_v5(self.handle, &identifier, filter, nil))
        return identifier
    }

    // MARK: Callbacks

    private func setCallbacks() {
        unsafe mosquitto_connect_v5_callback_set(self.handle) { _, user, code, flags, properties in
            let context = unsafe MosquittoClient.context(user)
            guard code == 0 else {
                context?.onEvent(.refused(reasonCode: Int(code)))
                return
            }
            let read = unsafe PropertyList.read(properties)
            context?.onEvent(.connected(sessionPresent: flags & 1 != 0, userProperties: read.userProperties))
        }
        unsafe mosquitto_publish_v5_callback_set(self.handle) { _, user, identifier, code, _ in
            unsafe MosquittoClient.context(user)?.onEvent(.published(identifier: identifier, reasonCode: Int(code)))
        }
        unsafe mosquitto_subscribe_v5_callback_set(self.handle) { _, user, identifier, count, codes, _ in
            let list = unsafe UnsafeBufferPointer(start: codes, count: Int(count)).map { Int($0) }
            unsafe MosquittoClient.context(user)?.onEvent(.subscribed(identifier: identifier, reasonCodes: list))
        }
        unsafe mosquitto_unsubscribe_v5_callback_set(self.handle) { _, user, identifier, _ in
            unsafe MosquittoClient.context(user)?.onEvent(.unsubscribed(identifier: identifier))
        }
        unsafe mosquitto_message_v5_callback_set(self.handle) { _, user, message, properties in
            guard let message = unsafe message?.pointee, let topic = unsafe message.topic else { return }
            let payload = unsafe [UInt8](
                UnsafeRawBufferPointer(start: message.payload, count: Int(message.payloadlen)))
            var copy = unsafe MosquittoMessage(
                topic: String(cString: topic), payload: payload, qos: Int(message.qos), isRetained: message.retain)
            copy.properties = unsafe PropertyList.read(properties)
            unsafe MosquittoClient.context(user)?.onEvent(.message(copy))
        }
    }

    /// The context lives as long as the client, and the client as long as its thread.
    private static func context(_ user: UnsafeMutableRawPointer?) -> Context? {
        guard let user = unsafe user else { return nil }
        return unsafe Unmanaged<Context>.fromOpaque(user).takeUnretainedValue()
    }
}
