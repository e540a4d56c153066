import BusContract
import CMosquitto
import Glibc
import Synchronization

/// What libmosquitto's callbacks reach through its user pointer: the events since the last hand-over.
final class EventBatch: Sendable {
    private struct State {
        var events: [MosquittoEvent] = []
        var byteCount = 0
        var acknowledgedCount = 0
        /// Messages that libmosquitto answers with an acknowledgement.
        var answerCount = 0
    }

    private let state = Mutex(State())
    let keyPassword: String?
    /// A hand-over is due when so much has gathered: meanwhile nothing more is read from the socket.
    private static let eventsMax = 256
    private static let bytesMax = 1 << 20

    init(keyPassword: String?) {
        self.keyPassword = keyPassword
    }

    func append(_ event: MosquittoEvent) {
        self.state.withLock { state in
            state.events.append(event)
            switch event {
            case .message(let message):
                state.byteCount += message.payload.count
                if message.qos > 0 { state.answerCount += 1 }
            case .published, .subscribed, .unsubscribed: state.acknowledgedCount += 1
            case .connected, .refused, .dismissed, .disconnected: break
            }
        }
    }

    var count: Int { self.state.withLock { $0.events.count } }

    /// Packets of this connection that have come to their end.
    var acknowledgedCount: Int { self.state.withLock { $0.acknowledgedCount } }

    /// Acknowledgements that libmosquitto has queued since this was last asked.
    func takeAnswerCount() -> Int {
        self.state.withLock { state in
            defer { state.answerCount = 0 }
            return state.answerCount
        }
    }

    /// A new connection begins.
    func reset() {
        self.state.withLock { state in
            state.acknowledgedCount = 0
            state.answerCount = 0
        }
    }

    var isFull: Bool {
        self.state.withLock { $0.events.count >= Self.eventsMax || $0.byteCount >= Self.bytesMax }
    }

    func take() -> [MosquittoEvent] {
        self.state.withLock { state in
            guard !state.events.isEmpty else { return [] }
            var events: [MosquittoEvent] = []
            // The next batch is often as large as this one.
            events.reserveCapacity(state.events.count)
            swap(&events, &state.events)
            state.byteCount = 0
            return events
        }
    }
}

/// One handle of libmosquitto, used for one network connection and freed with its scope.
///
/// A handle that connects again would send once more what was under way when its connection was lost. Here every
/// connection begins with a new one: what was lost is told as lost, and nothing runs behind the caller's back.
@safe struct MosquittoHandle: ~Copyable {
    // libmosquitto's handle is made for several threads.
    let pointer: OpaquePointer

    /// - Parameter batch: must outlive the handle.
    static func make(
        _ settings: MosquittoSettings, _ batch: EventBatch
    ) throws(MosquittoFailure) -> MosquittoHandle {
        let user = unsafe Unmanaged.passUnretained(batch).toOpaque()
        guard let pointer = unsafe mosquitto_new(settings.clientIdentifier, true, user) else {
            throw MosquittoFailure(
                code: 3, description: "libmosquitto refuses the client identifier '\(settings.clientIdentifier)'")
        }
        let handle = unsafe MosquittoHandle(pointer)
        try handle.configure(settings)
        if let tls = settings.tls { try handle.configure(tls) }
        handle.setCallbacks()
        return handle
    }

    private init(_ pointer: OpaquePointer) {
        unsafe self.pointer = pointer
    }

    deinit {
        unsafe mosquitto_destroy(self.pointer)
    }

    private borrowing func configure(_ settings: MosquittoSettings) throws(MosquittoFailure) {
        try check(unsafe mosquitto_int_option(self.pointer, MOSQ_OPT_PROTOCOL_VERSION, Int32(MQTT_PROTOCOL_V5)))
        try check(unsafe mosquitto_int_option(self.pointer, MOSQ_OPT_TCP_NODELAY, 1))
        // Publishes from other threads are queued for the network thread. Writing them where they come from spares a lone
        // call a hand-over, which `MosquittoClient` allows, and tears the batches of many calls apart.
        try check(unsafe mosquitto_threaded_set(self.pointer, true))
        try check(unsafe mosquitto_max_inflight_messages_set(self.pointer, 1000))
        let password = settings.passwordSource?() ?? settings.password
        if settings.userName != nil || password != nil {
            try check(unsafe mosquitto_username_pw_set(self.pointer, settings.userName, password))
        }
        if let will = settings.will {
            try check(
                unsafe mosquitto_will_set_v5(
                    self.pointer, will.topic, Int32(will.payload.count), will.payload, Int32(will.qos),
                    will.isRetained, nil))
        }
    }

    private borrowing func configure(_ tls: MosquittoSettings.TLS) throws(MosquittoFailure) {
        let files = [
            ("authorities", tls.authorityFile), ("certificate", tls.certificateFile), ("key", tls.keyFile),
        ]
        for case (let name, let path?) in files where unsafe access(path, R_OK) != 0 {
            throw MosquittoFailure(code: 3, description: "the file of the \(name), \(path), cannot be read")
        }
        guard (tls.certificateFile == nil) == (tls.keyFile == nil) else {
            throw MosquittoFailure(code: 3, description: "a client certificate and its key come together")
        }
        if tls.authorityFile == nil {
            try check(unsafe mosquitto_int_option(self.pointer, MOSQ_OPT_TLS_USE_OS_CERTS, 1))
        }
        try check(
            unsafe mosquitto_tls_set(
                self.pointer, tls.authorityFile, nil, tls.certificateFile, tls.keyFile, MosquittoHandle.keyPassword))
        if !tls.verifiesHostName { try check(unsafe mosquitto_tls_insecure_set(self.pointer, true)) }
    }

    // MARK: Callbacks

    /// Without this one, OpenSSL would ask on the terminal.
    private static let keyPassword:
        @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?) -> Int32 = {
            buffer, size, _, user in
            guard let buffer = unsafe buffer, let user = unsafe user,
                let batch = unsafe MosquittoHandle.batch(mosquitto_userdata(OpaquePointer(user))),
                let password = batch.keyPassword, password.utf8.count < Int(size)
            else { return 0 }
            var length = 0
            for byte in password.utf8 {
                unsafe buffer[length] = CChar(bitPattern: byte)
                length += 1
            }
            return Int32(length)
        }

    /// They copy into Swift values and return.
    private borrowing func setCallbacks() {
        unsafe mosquitto_connect_v5_callback_set(self.pointer) { _, user, code, _, properties in
            let batch = unsafe MosquittoHandle.batch(user)
            guard code == 0 else {
                batch?.append(.refused(reasonCode: Int(code)))
                return
            }
            let read = unsafe PropertyList.read(properties)
            // Without the property they are there (MQTT 5.0, section 3.2.2.3.13).
            let isShared = unsafe PropertyList.byte(MQTT_PROP_SHARED_SUB_AVAILABLE, of: properties) != 0
            batch?.append(.connected(userProperties: read.userProperties, hasSharedSubscriptions: isShared))
        }
        unsafe mosquitto_disconnect_v5_callback_set(self.pointer) { _, user, code, _ in
            // libmosquitto's own reasons are smaller numbers.
            if code >= 0x80 { unsafe MosquittoHandle.batch(user)?.append(.dismissed(reasonCode: Int(code))) }
        }
        unsafe mosquitto_publish_v5_callback_set(self.pointer) { _, user, identifier, code, _ in
            unsafe MosquittoHandle.batch(user)?.append(.published(identifier: identifier, reasonCode: Int(code)))
        }
        unsafe mosquitto_subscribe_v5_callback_set(self.pointer) { _, user, identifier, count, codes, _ in
            let list = unsafe UnsafeBufferPointer(start: codes, count: Int(count)).map { Int($0) }
            unsafe MosquittoHandle.batch(user)?.append(.subscribed(identifier: identifier, reasonCodes: list))
        }
        unsafe mosquitto_unsubscribe_v5_callback_set(self.pointer) { _, user, identifier, _ in
            unsafe MosquittoHandle.batch(user)?.append(.unsubscribed(identifier: identifier))
        }
        unsafe mosquitto_message_v5_callback_set(self.pointer) { _, user, message, properties in
            guard let message = unsafe message?.pointee, let topic = unsafe message.topic else { return }
            let payload = unsafe [UInt8](
                UnsafeRawBufferPointer(start: message.payload, count: Int(message.payloadlen)))
            var copy = unsafe ApplicationMessage(
                topic: String(cString: topic), payload: payload, qos: Int(message.qos), isRetained: message.retain)
            copy.properties = unsafe PropertyList.read(properties)
            unsafe MosquittoHandle.batch(user)?.append(.message(copy))
        }
    }

    /// The batch lives as long as the client, and the client as long as its thread.
    private static func batch(_ user: UnsafeMutableRawPointer?) -> EventBatch? {
        guard let user = unsafe user else { return nil }
        return unsafe Unmanaged<EventBatch>.fromOpaque(user).takeUnretainedValue()
    }
}
