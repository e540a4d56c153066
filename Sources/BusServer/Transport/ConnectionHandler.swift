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
    /// Something was written to the client after its last bytes came: their acknowledgement went along.
    private var hasWritten = false
    /// The last bytes held a message: an answer to it may take their acknowledgement along.
    private var mayBeAnswered = false
    private var isAcknowledgedLate = false
    /// Something was written since the wait for an answer began.
    private var hasWrittenMeanwhile = false
    /// How many reads are acknowledged at once before an answer is waited for again: who only publishes gets none, and
    /// each wait wakes the loop once more.
    private var impatience = 0
    private static let impatienceAfterNoAnswer = 31
    private var lingeringEnd: Scheduled<Void>?
    /// How long a client may take to close its side after our last word.
    private static let lingering = TimeAmount.seconds(2)
    /// How fast the client may publish; `nil` where nobody is held back.
    private var rate: RateLimit?
    private let stallTime: TimeAmount
    /// Looks from time to time whether a client that is behind still takes bytes.
    private var stallCheck: Scheduled<Void>?

    /// - Parameter opening: `nil` on a socket that speaks MQTT from its first byte.
    init(driver: LoopDriver, limits: ConnectionLimits, listener: Int, opening: Opening? = nil) {
        self.driver = driver
        self.reader = PacketReader(limits: limits.session)
        self.rate = limits.rates.isUnlimited ? nil : RateLimit(limits.rates, now: LoopDriver.now())
        self.stallTime = limits.stallTime
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
        self.hasWritten = false
        self.mayBeAnswered = false
        let bytes = self.unwrapInboundIn(data)
        var unreported = bytes.readableBytes
        var publishCount = 0
        self.reader.append(bytes)
        do throws(DecodingFailure) {
            var hasMore = true
            while hasMore {
                hasMore = try self.reader.read(upTo: LoopDriver.sliceMax, into: &self.driver.packets)
                if !self.mayBeAnswered { self.mayBeAnswered = self.driver.packets.contains(where: \.isPublish) }
                if self.rate != nil { publishCount += self.driver.packets.count(where: \.isPublish) }
                guard self.driver.receive(from: identifier, byteCount: unreported) else {
                    self.isClosing = true
                    return
                }
                unreported = 0
            }
        } catch {
            // The packets before the bad one count.
            _ = self.driver.receive(from: identifier, byteCount: unreported)
            self.driver.receive(error, from: identifier)
            self.isClosing = true
        }
        self.holdBack(publishCount, bytes: bytes.readableBytes, context)
        self.driver.lastRead = bytes
    }

    /// Stops reading a client that publishes faster than it may until it has paid for what it sent.
    private func holdBack(_ publishCount: Int, bytes: Int, _ context: ChannelHandlerContext) {
        let now = LoopDriver.now()
        guard let resume = self.rate?.spend(messages: publishCount, bytes: bytes, now: now) else { return }
        // A channel that is closing has no options any more, and needs none.
        try? context.channel.syncOptions?.setOption(.autoRead, value: false)
        let channel = context.channel
        context.eventLoop.scheduleTask(in: .nanoseconds(Int64(resume.nanoseconds - now.nanoseconds))) {
            try? channel.syncOptions?.setOption(.autoRead, value: true)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.reader.compact()
        self.driver.recycleLastRead()
        self.driver.flushSoon(after: self)
    }

    /// All that this read has caused at once was written.
    func readWasFlushed() {
        guard !self.hasWritten else { return }
        guard self.mayBeAnswered, self.impatience == 0 else {
            self.impatience = max(0, self.impatience - 1)
            return self.acknowledge()
        }
        if !self.isAcknowledgedLate { self.waitForAnswer() }
    }

    private func waitForAnswer() {
        self.isAcknowledgedLate = true
        self.hasWrittenMeanwhile = false
        self.driver.acknowledgeLate(self)
    }

    /// The time in which answers come has passed.
    func answerIsLate() {
        self.isAcknowledgedLate = false
        guard !self.hasWritten else { return }
        // What is not acknowledged came after that answer, and may find one of its own.
        guard !self.hasWrittenMeanwhile else { return self.waitForAnswer() }
        self.impatience = Self.impatienceAfterNoAnswer
        self.acknowledge()
    }

    /// A read that leaves nothing to write must not wait for the kernel's delayed acknowledgement, see
    /// `LateAcknowledgements`. The kernel forgets the wish after each read.
    private func acknowledge() {
        // Not every channel is a TCP socket; where the option is unknown there is nothing to cure.
        try? self.context?.channel.syncOptions?.setOption(.quickAcknowledge, value: 1)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard let identifier = self.identifier else { return }
        self.driver.setCongested(!context.channel.isWritable, on: identifier)
        if !context.channel.isWritable { self.watch(context) }
    }

    /// Gives up a client that takes no byte for the stall time while some wait for it.
    private func watch(_ context: ChannelHandlerContext) {
        guard self.stallCheck == nil, let before = self.bufferedBytes(context) else { return }
        self.stallCheck = context.eventLoop.assumeIsolated().scheduleTask(in: self.stallTime) {
            self.stallCheck = nil
            guard let context = self.context, let identifier = self.identifier, !context.channel.isWritable else {
                return
            }
            if let after = self.bufferedBytes(context), after >= before {
                self.driver.stalled(identifier)
            } else {
                self.watch(context)
            }
        }
    }

    private func bufferedBytes(_ context: ChannelHandlerContext) -> Int? {
        // Channels without this count are not sockets, and never stall.
        try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)
    }

    func channelInactive(context: ChannelHandlerContext) {
        if let identifier = self.identifier { self.driver.close(identifier) }
        self.identifier = nil
        // The timer would keep the whole connection in memory.
        self.lingeringEnd?.cancel()
        self.lingeringEnd = nil
        self.stallCheck?.cancel()
        self.stallCheck = nil
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A reset or a time-out of the network connection: the broker hears of it as the connection's end.
        context.close(promise: nil)
    }

    func write(_ bytes: ByteBuffer, thenCloses: Bool) {
        guard let context = self.context else { return }
        self.hasWritten = true
        self.hasWrittenMeanwhile = true
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
