import BusCore
import BusSession
import BusWire
import NIOCore

/// The one channel handler of a network connection: bytes in, packets to the broker, bytes out.
final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let driver: LoopDriver
    private var reader: PacketReader
    private var context: ChannelHandlerContext?
    /// What lies before MQTT on this connection; `nil` on a plain socket, and once it is open.
    private var opening: Opening?
    private let listener: Int
    private(set) var identifier: ConnectionIdentifier?
    /// After the last word to the client its input is read and thrown away, so that the word is not lost to a reset.
    private var isClosing = false
    /// Something was written to the client since its last read: an acknowledgement of its bytes went along.
    private var hasWritten = false
    private var lingeringEnd: Scheduled<Void>?
    /// How long a client may take to close its side after our last word.
    private static let lingering = TimeAmount.seconds(2)

    /// - Parameter opening: `nil` on a socket that speaks MQTT from its first byte.
    init(driver: LoopDriver, limits: SessionLimits, listener: Int, opening: Opening? = nil) {
        self.driver = driver
        self.reader = PacketReader(limits: limits)
        self.listener = listener
        self.opening = opening
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive, self.opening?.isWaiting != true { self.open(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        if self.opening?.isWaiting != true { self.open(context) }
        context.fireChannelActive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let opening = self.opening {
            opening.heard(event, on: context)
            if !opening.isWaiting { self.open(context) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    private func open(_ context: ChannelHandlerContext) {
        guard self.identifier == nil else { return }
        if let opening = self.opening {
            self.identifier = self.driver.open(self, opening.opened(), isAdmitted: true)
            self.opening = nil
        } else {
            let address = context.remoteAddress?.ipAddress ?? ""
            let text = address.isEmpty ? "local" : "\(address):\(context.remoteAddress?.port ?? 0)"
            let origin = ConnectionOrigin(
                remoteAddress: text, address: address, loop: self.driver.index, listener: self.listener)
            self.identifier = self.driver.open(self, origin, isAdmitted: false)
        }
        if self.identifier == nil { context.close(promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let identifier = self.identifier, !self.isClosing else { return }
        self.reader.append(self.unwrapInboundIn(data))
        do throws(DecodingFailure) {
            var hasMore = true
            while hasMore {
                hasMore = try self.reader.read(upTo: LoopDriver.sliceMax, into: &self.driver.packets)
                guard self.driver.receive(from: identifier) else {
                    self.isClosing = true
                    return
                }
            }
        } catch {
            // The packets before the bad one count.
            _ = self.driver.receive(from: identifier)
            self.driver.receive(error, from: identifier)
            self.isClosing = true
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.reader.compact()
        self.driver.flushSoon(after: self)
    }

    /// All that this read has caused was written.
    func readWasFlushed() {
        if !self.hasWritten, let context = self.context { self.acknowledgeAtOnce(context) }
        self.hasWritten = false
    }

    /// A read that leaves nothing to write must not wait for a delayed acknowledgement: a client with Nagle's algorithm
    /// on, as stock ones are, would hold back its next packet for 40 ms. The kernel forgets the wish after each read.
    private func acknowledgeAtOnce(_ context: ChannelHandlerContext) {
        // Not every channel is a TCP socket; where the option is unknown there is nothing to cure.
        try? context.channel.syncOptions?.setOption(.quickAcknowledge, value: 1)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard let identifier = self.identifier else { return }
        self.driver.setCongested(!context.channel.isWritable, on: identifier)
    }

    func channelInactive(context: ChannelHandlerContext) {
        if let identifier = self.identifier { self.driver.close(identifier) }
        self.identifier = nil
        // The timer would keep the whole connection in memory.
        self.lingeringEnd?.cancel()
        self.lingeringEnd = nil
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A reset or a time-out of the network connection: the broker hears of it as the connection's end.
        context.close(promise: nil)
    }

    func write(_ bytes: ByteBuffer, thenCloses: Bool) {
        guard let context = self.context else { return }
        self.hasWritten = true
        guard thenCloses else {
            context.writeAndFlush(self.wrapOutboundOut(bytes), promise: nil)
            return
        }
        self.isClosing = true
        if bytes.readableBytes > 0 { context.write(self.wrapOutboundOut(bytes), promise: nil) }
        context.flush()
        context.close(mode: .output, promise: nil)
        let channel = context.channel
        self.lingeringEnd = context.eventLoop.scheduleTask(in: Self.lingering) { channel.close(promise: nil) }
    }
}

extension ChannelOption where Self == ChannelOptions.Types.SocketOption {
    static var quickAcknowledge: Self { .tcpOption(.init(rawValue: 12)) }
}
