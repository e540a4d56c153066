import BusCore
import BusSession
package import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

/// The broker on sockets: listens, drives the broker, and says goodbye to every client when it is told to stop.
package struct BrokerServer: Service {
    private let configuration: ServerConfiguration
    private let logger: Logger
    private let onReady: @Sendable ([ListeningAddress]) async -> Void

    /// - Parameter onReady: called once all listeners accept connections, with the addresses they got.
    package init(
        configuration: ServerConfiguration, logger: Logger,
        onReady: @escaping @Sendable ([ListeningAddress]) async -> Void
    ) {
        self.configuration = configuration
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
        var random = SystemRandomNumberGenerator()
        let broker = SharedBroker(Broker(limits: self.configuration.limits, seed: random.next()))
        let drivers = try await self.makeDrivers(on: group, broker: broker)
        var channels: [any Channel] = []
        for listener in self.configuration.listeners {
            channels.append(try await self.listen(on: listener, group: group, drivers: drivers))
        }
        await self.onReady(channels.compactMap { ListeningAddress($0.localAddress) })
        // Only a shutdown or a cancellation ends this wait.
        try? await gracefulShutdown()
        for channel in channels { try await channel.close() }
        try await self.drain(broker, on: group)
    }

    private func makeDrivers(
        on group: MultiThreadedEventLoopGroup, broker: SharedBroker
    ) async throws -> [ObjectIdentifier: NIOLoopBound<LoopDriver>] {
        var drivers: [ObjectIdentifier: NIOLoopBound<LoopDriver>] = [:]
        let log = EventLog(self.logger)
        for (index, loop) in group.makeIterator().enumerated() {
            drivers[ObjectIdentifier(loop)] = try await loop.submit {
                let driver = LoopDriver(eventLoop: loop, index: index, broker: broker, log: log)
                broker.register(driver)
                return NIOLoopBound(driver, eventLoop: loop)
            }.get()
        }
        return drivers
    }

    private func listen(
        on listener: ServerConfiguration.Listener, group: MultiThreadedEventLoopGroup,
        drivers: [ObjectIdentifier: NIOLoopBound<LoopDriver>]
    ) async throws -> any Channel {
        let limits = self.configuration.limits.session
        let mark = ChannelOptions.Types.WriteBufferWaterMark(
            low: limits.outboundBytesMax / 2, high: limits.outboundBytesMax)
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.writeBufferWaterMark, value: mark)
            .childChannelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 512, initial: 2048, maximum: 64 << 10)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let driver = drivers[ObjectIdentifier(channel.eventLoop)] else {
                        preconditionFailure("every loop of the group has a driver")
                    }
                    try channel.pipeline.syncOperations.addHandler(
                        ConnectionHandler(driver: driver.value, limits: limits))
                }
            }
        do {
            return try await bootstrap.bind(host: listener.host, port: listener.port).get()
        } catch {
            throw ServerFailure(
                "cannot listen on \(listener.host):\(listener.port): \(error). Is another broker running there? "
                    + "Choose another port with --port, or 0 for a free one.")
        }
    }

    /// Tells every client that the server is going and waits until they are gone, at most the configured time.
    private func drain(_ broker: SharedBroker, on group: MultiThreadedEventLoopGroup) async throws {
        broker.onEveryLoop { $0.shutDown() }
        let deadline = ContinuousClock.now + self.configuration.drainTimeout
        while ContinuousClock.now < deadline {
            if broker.withBroker({ $0.connectionCount }) == 0 { return }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}

/// The server could not start or go on; the message says what to do.
package struct ServerFailure: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// Where a listener listens.
package struct ListeningAddress: Sendable, Equatable {
    package let host: String
    package let port: Int

    init?(_ address: SocketAddress?) {
        guard let host = address?.ipAddress, let port = address?.port else { return nil }
        self.host = host
        self.port = port
    }

    /// `mqtt://127.0.0.1:1883`
    package var url: String {
        self.host.contains(":") ? "mqtt://[\(self.host)]:\(self.port)" : "mqtt://\(self.host):\(self.port)"
    }
}
