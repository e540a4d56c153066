import NIOCore
import NIOHTTP1
import NIOWebSocket

/// The HTTP request that turns a connection into a WebSocket for MQTT, and the answer to every other request.
struct WebSocketUpgrade: Sendable {
    let settings: WebSocketSettings
    let frameBytesMax: Int

    /// The name that MQTT has among the WebSocket subprotocols ([MQTT-6.0.0-3]), and the one of MQTT 3.1.
    private static let subprotocols = ["mqtt", "mqttv3.1"]

    /// Puts the HTTP handlers into the pipeline; `addConnection` adds what comes after the upgrade.
    func configure(
        _ channel: any Channel, addConnection: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) throws {
        let upgrader = NIOWebSocketServerUpgrader(
            maxFrameSize: self.frameBytesMax,
            shouldUpgrade: { channel, head in channel.eventLoop.makeSucceededFuture(self.answer(to: head)) },
            upgradePipelineHandler: { channel, _ in addConnection(channel) })
        let refusal = HTTPRefusal(path: self.settings.path)
        let bound = NIOLoopBound(refusal, eventLoop: channel.eventLoop)
        try channel.pipeline.syncOperations.configureHTTPServerPipeline(
            withServerUpgrade: (
                upgraders: [upgrader],
                completionHandler: { context in
                    context.pipeline.syncOperations.removeHandler(bound.value, promise: nil)
                }
            ))
        try channel.pipeline.syncOperations.addHandler(refusal)
    }

    /// The headers of the upgrade's answer, `nil` where the request is refused.
    func answer(to head: HTTPRequestHead) -> HTTPHeaders? {
        guard head.uri.split(separator: "?", maxSplits: 1).first.map(String.init) == self.settings.path else {
            return nil
        }
        if let origin = head.headers.first(name: "Origin"), !self.settings.origins.isEmpty,
            !self.settings.origins.contains(origin)
        {
            return nil
        }
        let offered = head.headers[canonicalForm: "Sec-WebSocket-Protocol"].map(String.init)
        // [MQTT-6.0.0-4]
        guard let chosen = Self.subprotocols.first(where: offered.contains) else { return nil }
        return ["Sec-WebSocket-Protocol": chosen]
    }
}

/// Answers plain HTTP requests on a WebSocket listener: it is no web server.
private final class HTTPRefusal: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let path: String

    init(path: String) {
        self.path = path
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .end = self.unwrapInboundIn(data) else { return }
        let text = "This is an MQTT broker: connect a WebSocket with the subprotocol mqtt to \(self.path).\n"
        let body = ByteBuffer(string: text)
        let head = HTTPResponseHead(
            version: .http1_1, status: .upgradeRequired,
            headers: [
                "Content-Type": "text/plain; charset=utf-8", "Content-Length": "\(body.readableBytes)",
                "Upgrade": "websocket", "Connection": "close",
            ])
        context.write(self.wrapOutboundOut(.head(head)), promise: nil)
        context.write(self.wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        let channel = context.channel
        context.writeAndFlush(self.wrapOutboundOut(.end(nil))).assumeIsolated().whenComplete { _ in
            channel.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A request that is no upgrade for us is reported as an error and then passed on, to be answered here.
        guard !(error is NIOWebSocketUpgradeError) else { return }
        context.close(promise: nil)
    }
}
