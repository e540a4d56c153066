import BusCore
import BusSession
import BusStore
package import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import UnixSignals

/// The broker on sockets: listens, drives the broker, reads its configuration again on SIGHUP, and says goodbye to
/// every client when it is told to stop.
package struct BrokerServer: Service {
    private let configuration: ServerConfiguration
    private let source: @Sendable () throws -> ServerConfiguration
    private let logger: Logger
    private let onReady: @Sendable ([ListeningAddress]) async -> Void
    /// Lets clients of this process in without a socket, while the server runs.
    package let localClients = LocalClients()

    /// - Parameters:
    ///   - source: reads the configuration again when SIGHUP asks for it.
    ///   - onReady: called once all listeners accept connections, with the addresses they got.
    package init(
        configuration: ServerConfiguration, source: @escaping @Sendable () throws -> ServerConfiguration,
        logger: Logger, onReady: @escaping @Sendable ([ListeningAddress]) async -> Void
    ) {
        self.configuration = configuration
        self.source = source
        self.logger = logger
        self.onReady = onReady
    }

    /// Runs until a graceful shutdown or cancellation.
    ///
    /// - Throws: `ServerFailure` when a listener cannot be opened.
    package func run() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: self.configuration.loops)
        do {
            try await self.serve(on: group)
        } catch {
            try await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
    }

    private func serve(on group: MultiThreadedEventLoopGroup) async throws {
        let identities = try self.configuration.listeners.map { listener in try listener.tls.map(TLSIdentity.init) }
        var random = SystemRandomNumberGenerator()
        let broker = try self.makeBroker(seed: random.next())
        // Whatever ends the server, what was taken is stored and the directory is let go.
        defer { broker.store?.close() }
        let log = EventLog(self.logger)
        let directory = try await UserDirectory.load(self.configuration.users)
        let authenticator = Authenticator(directory, self.configuration, log: log)
        let asksForUsers = self.configuration.asksForUsers
        broker.withBroker { broker in
            broker.authenticates = asksForUsers
            broker.setPolicy(directory.policy, now: LoopDriver.now())
        }
        let drivers = try await self.makeDrivers(on: group, broker: broker, authenticator: authenticator, log: log)
        var channels: [any Channel] = []
        var addresses: [ListeningAddress] = []
        for (number, listener) in self.configuration.listeners.enumerated() {
            let socket = ListenerSocket(
                listener: listener, number: number, identity: identities[number], log: log, drivers: drivers)
            let channel = try await socket.bind(on: group)
            channels.append(channel)
            addresses.append(ListeningAddress(listener, channel.localAddress))
        }
        let reloader = Reloader(
            configuration: self.configuration, source: self.source, broker: broker,
            authenticator: authenticator, identities: identities.compactMap(\.self), logger: self.logger)
        let systemInterval = UInt64(self.configuration.systemIntervalSeconds)
        broker.onEveryLoop { $0.start(systemInterval: systemInterval) }
        self.openLocally(on: group, broker, drivers)
        defer { self.localClients.leave() }
        await self.onReady(addresses)
        await self.reloadUntilShutdown(reloader)
        for channel in channels { try await channel.close() }
        try await self.drain(broker, on: group)
    }

    /// The broker with everything that its store holds.
    private func makeBroker(seed: UInt64) throws(ServerFailure) -> SharedBroker {
        let limits = self.configuration.limits
        guard let directory = self.configuration.persistence.directory else {
            self.logger.notice("store", metadata: ["directory": "none: nothing outlives this process"])
            return SharedBroker(Broker(limits: limits, seed: seed))
        }
        var broker = Broker(limits: limits, seed: seed)
        broker.durability = self.configuration.durability
        let store: StoreLink
        do {
            store = try StoreLink.open(directory: directory, into: &broker)
        } catch {
            // Only where another process holds it does starting again help as things are.
            throw ServerFailure(error.description, isConfiguration: error.kind != .inUse)
        }
        for notice in store.notices { self.logger.warning("store", metadata: ["notice": "\(notice)"]) }
        self.logger.notice(
            "store",
            metadata: [
                "directory": "\(directory)", "sessions": "\(broker.sessionCount)",
                "retained": "\(broker.retainedCount)", "tasks": "\(broker.taskCount)",
                "skipped": "\(store.skippedCount)",
            ])
        return SharedBroker(broker, store: store)
    }

    private func makeDrivers(
        on group: MultiThreadedEventLoopGroup, broker: SharedBroker, authenticator: Authenticator, log: EventLog
    ) async throws -> [ObjectIdentifier: NIOLoopBound<LoopDriver>] {
        let limits = self.configuration.connectionLimits
        var drivers: [ObjectIdentifier: NIOLoopBound<LoopDriver>] = [:]
        for (index, loop) in group.makeIterator().enumerated() {
            drivers[ObjectIdentifier(loop)] = try await loop.submit {
                let driver = LoopDriver(
                    eventLoop: loop, index: index, broker: broker, authenticator: authenticator, log: log,
                    limits: limits)
                broker.register(driver)
                return NIOLoopBound(driver, eventLoop: loop)
            }.get()
        }
        return drivers
    }

    /// Local clients are known without a password; durability is that of the listener for plain MQTT.
    private func openLocally(
        on group: MultiThreadedEventLoopGroup, _ broker: SharedBroker,
        _ drivers: [ObjectIdentifier: NIOLoopBound<LoopDriver>]
    ) {
        // The group's loops in the order of the drivers' indices.
        guard let loop = group.makeIterator().first(where: { _ in true }),
            let driver = drivers[ObjectIdentifier(loop)]
        else { return }
        let listener = self.configuration.listeners.firstIndex { $0.scheme == "mqtt" } ?? 0
        let origin = ConnectionOrigin(
            remoteAddress: "in process", loop: 0, listener: listener, certificateUser: LocalClients.user)
        self.localClients.settle(
            in: LocalClients.Home(broker: broker, eventLoop: loop, driver: driver, origin: origin))
    }

    private func reloadUntilShutdown(_ reloader: Reloader) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await _ in await UnixSignalsSequence(trapping: .sighup) { await reloader.reload() }
            }
            // Only a shutdown or a cancellation ends this wait.
            try? await gracefulShutdown()
            group.cancelAll()
        }
    }

    /// Tells every client that the server is going and waits until they are gone, at most the configured time.
    private func drain(_ broker: SharedBroker, on group: MultiThreadedEventLoopGroup) async throws {
        broker.onEveryLoop { $0.shutDown() }
        let deadline = ContinuousClock.now + self.configuration.drainTimeout
        while ContinuousClock.now < deadline {
            if broker.withBroker({ $0.connectionCount }) == 0 { break }
            try await Task.sleep(for: .milliseconds(20))
        }
        // What the ends of the connections have changed, and nobody has taken yet.
        if let store = broker.store { broker.withBroker { store.takeChanges(of: &$0) } }
    }
}

/// The server could not start or go on; the message says what to do.
package struct ServerFailure: Error, CustomStringConvertible {
    package let description: String
    /// What the configuration says cannot be done, however often it is tried.
    package let isConfiguration: Bool

    package init(_ description: String, isConfiguration: Bool = true) {
        self.description = description
        self.isConfiguration = isConfiguration
    }
}

/// Where a listener listens, with the port it got.
package struct ListeningAddress: Sendable, Equatable {
    package let listener: Listener

    init(_ listener: Listener, _ address: SocketAddress?) {
        var listener = listener
        if case .tcp(let host, _) = listener.address, let port = address?.port {
            listener.address = .tcp(host: address?.ipAddress ?? host, port: port)
        }
        self.listener = listener
    }

    /// `mqtt://127.0.0.1:1883`, `wss://127.0.0.1:8884/mqtt`, `mqtt+unix:///run/fcbus.sock`.
    package var url: String { self.listener.description }
}
