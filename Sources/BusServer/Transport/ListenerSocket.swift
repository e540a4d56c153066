import BusSession
import Glibc
import NIOCore
import NIOPosix

/// A listener on its socket: accepts connections and lays out what lies between their bytes and MQTT.
///
/// ```
/// socket - [PROXY header] - [TLS] - [HTTP, WebSocket] - ConnectionHandler
/// ```
struct ListenerSocket: Sendable {
    let listener: Listener
    /// Its number in the configuration.
    let number: Int
    let identity: TLSIdentity?
    let log: EventLog
    let drivers: [ObjectIdentifier: NIOLoopBound<LoopDriver>]

    /// How long a connection may take to its first MQTT byte, where TLS, HTTP or a PROXY header come before it.
    private static let openingTime = TimeAmount.seconds(10)

    /// - Throws: `ServerFailure` when the address cannot be had.
    func bind(on group: MultiThreadedEventLoopGroup) async throws -> any Channel {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .childChannelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 512, initial: 2048, maximum: 64 << 10)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.prepare(channel) }
            }
        switch self.listener.address {
        case .tcp(let host, let port):
            let tcp =
                bootstrap
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            do {
                return try await tcp.bind(host: host, port: port).get()
            } catch {
                throw ServerFailure(
                    "cannot listen on \(host):\(port): \(error). Is another broker running there? "
                        + "Choose another port with --port, or 0 for a free one.", isConfiguration: false)
            }
        case .unix(let path, let mode):
            return try await self.bind(bootstrap, path: path, mode: mode)
        }
    }

    private func bind(_ bootstrap: ServerBootstrap, path: String, mode: Int) async throws -> any Channel {
        do {
            // A socket that a broker left behind when it was killed is removed; a file of another kind is not.
            let channel = try await bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
            guard unsafe chmod(path, mode_t(mode)) == 0 else {
                throw ServerFailure("cannot set the permissions of \(path): errno \(errno)")
            }
            return channel
        } catch let failure as ServerFailure {
            throw failure
        } catch {
            throw ServerFailure(
                "cannot listen on the socket \(path): \(error). Is its folder there and writable?",
                isConfiguration: false)
        }
    }

    private func prepare(_ channel: any Channel) throws {
        guard let driver = self.drivers[ObjectIdentifier(channel.eventLoop)]?.value else {
            preconditionFailure("every loop of the group has a driver")
        }
        let high = driver.limits.session.outboundBytesMax
        try channel.syncOptions?.setOption(.writeBufferWaterMark, value: .init(low: high / 2, high: high))
        var steps: Set<Opening.Step> = []
        if self.listener.expectsProxyHeader { steps.insert(.proxyHeader) }
        if self.identity != nil { steps.insert(.handshake) }
        if self.listener.webSocket != nil { steps.insert(.upgrade) }
        guard !steps.isEmpty else {
            try channel.syncOptions?.setOption(.maxMessagesPerRead, value: 1)
            try channel.syncOptions?.setOption(.recvAllocator, value: LoopReadAllocator(driver.readBuffer))
            try channel.pipeline.syncOperations.addHandler(
                ConnectionHandler(driver: driver, limits: driver.limits, listener: self.number))
            return
        }
        let opening = Opening(
            channel, listener: self.number, driver: driver, steps: steps, identity: self.identity)
        // Behind a proxy the client's own address counts, and comes with the header.
        guard self.listener.expectsProxyHeader || opening.admit() else { throw ChannelError.ioOnClosedChannel }
        opening.hurry(channel, within: Self.openingTime)
        channel.closeFuture.assumeIsolated().whenComplete { _ in opening.leave() }
        try self.lay(channel, opening: opening, driver: driver)
    }

    private func lay(_ channel: any Channel, opening: Opening, driver: LoopDriver) throws {
        let pipeline = channel.pipeline.syncOperations
        if self.listener.expectsProxyHeader {
            try pipeline.addHandler(ProxyHandler(opening: opening, log: self.log))
        }
        if let identity = self.identity { try pipeline.addHandler(identity.makeHandler()) }
        guard let webSocket = self.listener.webSocket else {
            try pipeline.addHandler(
                ConnectionHandler(
                    driver: driver, limits: driver.limits, listener: self.number, opening: opening))
            return
        }
        try pipeline.addHandler(OpeningListener(opening))
        let bound = NIOLoopBound((opening, driver), eventLoop: channel.eventLoop)
        let limits = driver.limits
        let number = self.number
        let upgrade = WebSocketUpgrade(settings: webSocket, frameBytesMax: limits.session.packetBytesMax + 64)
        try upgrade.configure(channel) { channel in
            channel.eventLoop.makeCompletedFuture {
                let (opening, driver) = bound.value
                opening.take(.upgrade)
                try channel.pipeline.syncOperations.addHandlers([
                    WebSocketHandler(),
                    ConnectionHandler(driver: driver, limits: limits, listener: number, opening: opening),
                ])
            }
        }
    }
}

/// Hears what comes before a WebSocket upgrade, when the connection's own handler is not there yet.
private final class OpeningListener: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    private let opening: Opening

    init(_ opening: Opening) {
        self.opening = opening
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        self.opening.heard(event, on: context)
        context.fireUserInboundEventTriggered(event)
    }
}
