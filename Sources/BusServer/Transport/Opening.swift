import BusCore
import BusSession
import NIOCore
import NIOSSL
import NIOTLS

/// What is learnt of a network connection before its first MQTT byte: whose it is, and that it hurries.
///
/// A plain TCP connection is open as soon as it is accepted. One behind a proxy, TLS or WebSocket is open after those
/// have said their piece, at most `deadline` later.
final class Opening {
    enum Event: Sendable {
        /// The PROXY header was read.
        case proxied
    }

    private(set) var address: String
    private(set) var port: Int
    let listener: Int
    /// The user that the client's certificate names.
    private(set) var certificateUser: String?
    /// What has to be said before MQTT: of each step that is left, its name.
    private var steps: Set<Step>
    private var timer: Scheduled<Void>?
    private var isAdmitted = false
    private let driver: LoopDriver
    private let identity: TLSIdentity?

    enum Step: Sendable {
        case proxyHeader, handshake, upgrade
    }

    init(_ channel: any Channel, listener: Int, driver: LoopDriver, steps: Set<Step>, identity: TLSIdentity?) {
        self.steps = steps
        self.identity = identity
        self.address = channel.remoteAddress?.ipAddress ?? ""
        self.port = channel.remoteAddress?.port ?? 0
        self.listener = listener
        self.driver = driver
    }

    var isWaiting: Bool { !self.steps.isEmpty }

    /// A step was taken.
    func take(_ step: Step) {
        self.steps.remove(step)
    }

    /// An event of the handlers before the connection's own.
    func heard(_ event: Any, on context: ChannelHandlerContext) {
        switch event {
        case TLSUserEvent.handshakeCompleted:
            self.take(.handshake)
            guard let identity = self.identity else { return }
            // Without a certificate there is no user in it.
            let handler = try? context.pipeline.syncOperations.handler(type: NIOSSLServerHandler.self)
            self.certificateUser = identity.userName(of: handler?.peerCertificate)
        case Event.proxied:
            self.take(.proxyHeader)
        default:
            break
        }
    }

    /// The address that a trusted proxy names.
    func claim(address: String, port: Int) {
        self.address = address
        self.port = port
    }

    /// Asks whether there is room for one more connection of this address; the place is given back by `leave`.
    func admit() -> Bool {
        self.isAdmitted = self.driver.admit(self.address)
        return self.isAdmitted
    }

    func leave() {
        self.timer?.cancel()
        self.timer = nil
        if self.isAdmitted { self.driver.leave(self.address) }
        self.isAdmitted = false
    }

    /// Closes the channel unless `opened` comes in time.
    func hurry(_ channel: any Channel, within time: TimeAmount) {
        self.timer = channel.eventLoop.assumeIsolated().scheduleTask(in: time) { channel.close(promise: nil) }
    }

    /// The first MQTT byte may come; the place among the connections goes to the broker.
    func opened() -> ConnectionOrigin {
        self.timer?.cancel()
        self.timer = nil
        self.isAdmitted = false
        let text = self.address.isEmpty ? "local" : "\(self.address):\(self.port)"
        return ConnectionOrigin(
            remoteAddress: text, address: self.address, loop: self.driver.index, listener: self.listener,
            certificateUser: self.certificateUser)
    }
}
