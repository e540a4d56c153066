package import BusMosquitto

/// The connection that a `FunctionBus` speaks through. It connects again by itself; whoever owns it subscribes again.
///
/// Events come one at a time, in order, from a thread of the transport's own; a receiver may publish and subscribe from
/// there, and must not wait.
package protocol Transport: Sendable {
    /// Connects, and tells everything to `receive` from now on.
    func start(_ receive: @escaping @Sendable (MosquittoEvent) -> Void) throws(MosquittoFailure)
    /// Returns the packet identifier that the acknowledgement will carry.
    func publish(_ message: MosquittoMessage) throws(MosquittoFailure) -> Int32
    func subscribe(_ filter: String, qos: Int) throws(MosquittoFailure) -> Int32
    func unsubscribe(_ filter: String) throws(MosquittoFailure) -> Int32
    /// Disconnects and waits until no further event comes.
    func close() async
}

/// The transport over libmosquitto.
final class MosquittoTransport: Transport {
    private let settings: MosquittoSettings
    private let client = Once<MosquittoClient>()

    init(_ configuration: BusConfiguration, will: MosquittoMessage) {
        var settings = MosquittoSettings(clientIdentifier: configuration.clientIdentifier)
        settings.host = configuration.host
        settings.port = configuration.port
        settings.userName = configuration.userName
        settings.password = configuration.password
        settings.keepAliveSeconds = max(5, Int(configuration.keepAlive.components.seconds))
        settings.will = will
        if configuration.usesTLS {
            var tls = MosquittoSettings.TLS()
            tls.authorityFile = configuration.authorityFile
            tls.certificateFile = configuration.certificateFile
            tls.keyFile = configuration.keyFile
            settings.tls = tls
        }
        self.settings = settings
    }

    func start(_ receive: @escaping @Sendable (MosquittoEvent) -> Void) throws(MosquittoFailure) {
        let client = try MosquittoClient(self.settings, onEvent: receive)
        self.client.set(client)
        client.start()
    }

    func publish(_ message: MosquittoMessage) throws(MosquittoFailure) -> Int32 {
        try self.client.value.publish(message)
    }

    func subscribe(_ filter: String, qos: Int) throws(MosquittoFailure) -> Int32 {
        try self.client.value.subscribe(filter, qos: qos)
    }

    func unsubscribe(_ filter: String) throws(MosquittoFailure) -> Int32 {
        try self.client.value.unsubscribe(filter)
    }

    func close() async {
        guard let client = self.client.optional else { return }
        // Joining the network thread takes as long as its last write.
        await withCheckedContinuation { continuation in
            Thread.detach {
                client.close()
                continuation.resume()
            }
        }
    }
}
