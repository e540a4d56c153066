import NIOCore

/// Takes the PROXY header off a connection, tells the opening whose connection it is, and leaves the pipeline.
final class ProxyHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let opening: Opening
    private let log: EventLog
    private var buffer = ByteBuffer()
    private var isDone = false

    init(opening: Opening, log: EventLog) {
        self.opening = opening
        self.log = log
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        guard !self.isDone else {
            context.fireChannelRead(self.wrapInboundOut(bytes))
            return
        }
        self.buffer.writeBuffer(&bytes)
        do {
            guard let header = try ProxyHeader.read(from: &self.buffer) else { return }
            self.isDone = true
            if case .client(let address, let port) = header { self.opening.claim(address: address, port: port) }
            guard self.opening.admit() else {
                context.close(promise: nil)
                return
            }
            context.fireUserInboundEventTriggered(Opening.Event.proxied)
            if self.buffer.readableBytes > 0 { context.fireChannelRead(self.wrapInboundOut(self.buffer)) }
            self.buffer = ByteBuffer()
            context.pipeline.syncOperations.removeHandler(self, promise: nil)
        } catch {
            self.log.refused(address: self.opening.address, "\(error)")
            self.isDone = true
            context.close(promise: nil)
        }
    }
}
