import BusContract
import BusMosquitto

/// The transport over libmosquitto.
final class MosquittoTransport: Transport {
    private let settings: MosquittoSettings
    private let client = Once<MosquittoClient>()
    /// The network thread may be waiting for a host that does not answer: it is left to itself then.
    private static let closeTimeout = Duration.seconds(3)

    init(_ configuration: BusConfiguration, will: ApplicationMessage) {
        var settings = MosquittoSettings(clientIdentifier: configuration.clientIdentifier)
        settings.host = configuration.host
        settings.port = configuration.port
        settings.userName = configuration.userName
        settings.password = configuration.token ?? configuration.password
        settings.passwordSource = configuration.tokenSource
        settings.keepAliveSeconds = max(5, Int(clamping: configuration.keepAlive.components.seconds))
        settings.packetBytesMax = configuration.packetBytesMax
        settings.will = will
        if configuration.usesTLS {
            var tls = MosquittoSettings.TLS()
            tls.authorityFile = configuration.authorityFile
            tls.certificateFile = configuration.certificateFile
            tls.keyFile = configuration.keyFile
            tls.keyPassword = configuration.keyPassword
            tls.verifiesHostName = configuration.verifiesHostName
            settings.tls = tls
        }
        self.settings = settings
    }

    func start(_ receive: @escaping @Sendable ([TransportEvent]) -> Void) throws(TransportFailure) {
        let client = try Self.attempt { () throws(MosquittoFailure) in
            try MosquittoClient(self.settings) { events in receive(events.map(TransportEvent.init)) }
        }
        self.client.set(client)
        client.start()
    }

    func publish(_ message: ApplicationMessage) throws(TransportFailure) -> Int32 {
        try Self.attempt { () throws(MosquittoFailure) in try self.client.value.publish(message) }
    }

    func subscribe(_ filter: String, qos: Int) throws(TransportFailure) -> Int32 {
        try Self.attempt { () throws(MosquittoFailure) in try self.client.value.subscribe(filter, qos: qos) }
    }

    func unsubscribe(_ filter: String) throws(TransportFailure) -> Int32 {
        try Self.attempt { () throws(MosquittoFailure) in try self.client.value.unsubscribe(filter) }
    }

    func close() async {
        guard let client = self.client.optional else { return }
        let race = Race<Void>()
        client.close { race.finish(()) }
        let timer = Task {
            // Cancelled when the thread has ended.
            guard (try? await Task.sleep(for: Self.closeTimeout)) != nil else { return }
            race.finish(())
        }
        await race.result()
        timer.cancel()
    }

    private static func attempt<Value>(
        _ body: () throws(MosquittoFailure) -> Value
    ) throws(TransportFailure) -> Value {
        do throws(MosquittoFailure) {
            return try body()
        } catch {
            if error.isOversize { throw .oversize }
            if error.isNotConnected { throw .notConnected }
            throw .refused("libmosquitto refused: \(error)")
        }
    }
}

extension TransportEvent {
    fileprivate init(_ event: MosquittoEvent) {
        switch event {
        case .connected(let properties, let hasSharedSubscriptions):
            let isFcbus = properties.contains { $0.name == PropertyName.broker && $0.value == "1" }
            self = .connected(isFcbus: isFcbus, hasSharedSubscriptions: hasSharedSubscriptions)
        case .refused(let code): self = .refused(reasonCode: code)
        case .dismissed(let code): self = .dismissed(reasonCode: code)
        case .disconnected(let reason, _): self = .disconnected(reason: reason)
        case .published(let packet, let code): self = .published(packet: packet, reasonCode: code)
        case .subscribed(let packet, let codes): self = .subscribed(packet: packet, reasonCode: codes.first ?? 0x80)
        case .unsubscribed(let packet): self = .unsubscribed(packet: packet)
        case .message(let message): self = .message(message)
        }
    }
}
