import NIOCore
import NIOWebSocket

/// MQTT bytes in and out of WebSocket frames. Frames and packets need not coincide ([MQTT-6.0.0-2]).
final class WebSocketHandler: ChannelDuplexHandler {
    typealias InboundIn = WebSocketFrame
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = WebSocketFrame

    /// A message of several frames has begun and not ended.
    private var isInMessage = false
    private var hasSentClose = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var frame = self.unwrapInboundIn(data)
        guard !self.hasSentClose else { return }
        // RFC 6455, section 5.1: a client masks everything.
        guard let mask = frame.maskKey else {
            self.sendClose(.protocolError, context)
            return
        }
        frame.data.webSocketUnmask(mask)
        switch frame.opcode {
        case .binary where !self.isInMessage, .continuation where self.isInMessage:
            self.isInMessage = !frame.fin
            if frame.data.readableBytes > 0 { context.fireChannelRead(self.wrapInboundOut(frame.data)) }
        case .text:
            // [MQTT-6.0.0-1]
            self.sendClose(.unacceptableData, context)
        case .ping:
            // A client that asks and does not listen gets no answers that would pile up.
            guard context.channel.isWritable else { return }
            let pong = WebSocketFrame(fin: true, opcode: .pong, data: frame.data)
            context.writeAndFlush(self.wrapOutboundOut(pong), promise: nil)
        case .pong:
            break
        case .connectionClose:
            self.sendClose(.normalClosure, context)
        default:
            self.sendClose(.protocolError, context)
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let frame = WebSocketFrame(fin: true, opcode: .binary, data: self.unwrapOutboundIn(data))
        context.write(self.wrapOutboundOut(frame), promise: promise)
    }

    /// The broker's last word is followed by the Close frame that browsers wait for.
    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if mode == .output { self.writeClose(.normalClosure, context) }
        context.close(mode: mode, promise: promise)
    }

    private func sendClose(_ code: WebSocketErrorCode, _ context: ChannelHandlerContext) {
        self.writeClose(code, context)
        context.close(promise: nil)
    }

    private func writeClose(_ code: WebSocketErrorCode, _ context: ChannelHandlerContext) {
        guard !self.hasSentClose else { return }
        self.hasSentClose = true
        var data = context.channel.allocator.buffer(capacity: 2)
        data.write(webSocketErrorCode: code)
        let frame = WebSocketFrame(fin: true, opcode: .connectionClose, data: data)
        context.writeAndFlush(self.wrapOutboundOut(frame), promise: nil)
    }
}
