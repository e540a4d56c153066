import NIOCore

/// A client that speaks the NATS protocol: a yardstick for calls.
final class NATSClient: BenchClient {
    private let queueGroup: String?
    private let parser = NATSParser()
    private var hasIntroduced = false

    /// - Parameter queueGroup: the members of a group share the messages.
    init(
        _ role: Role, index: Int, subscriptions: SubscriptionList = .none, queueGroup: String? = nil,
        user: any ClientUser
    ) {
        self.queueGroup = queueGroup
        super.init(role, index: index, subscriptions: subscriptions, user: user)
    }

    // The server speaks first.

    override func linkReceived(_ bytes: inout ByteBuffer, on link: Link) throws(BenchFailure) {
        while let operation = try self.parser.next(in: &bytes) {
            switch operation {
            case .message(_, let reply, let payload):
                self.user.received(ReceivedMessage(payload: payload, publish: nil, replySubject: reply), by: self)
            case .info:
                self.introduce(on: link)
            case .ping:
                self.write("PONG\r\n", on: link)
            case .pong:
                self.becameReady()
            case .ok:
                break
            case .error(let text):
                throw BenchFailure("the NATS server complained: \(text)")
            }
        }
    }

    /// Further INFOs may come; one introduction is enough. The answer to PING says that all before it was taken.
    private func introduce(on link: Link) {
        guard !self.hasIntroduced else { return }
        self.hasIntroduced = true
        self.write(#"CONNECT {"verbose":false,"pedantic":false,"headers":false}"# + "\r\n", on: link)
        for index in 0..<self.subscriptions.count {
            let group = self.queueGroup.map { "\($0) " } ?? ""
            self.write("SUB \(self.subscriptions.filter(index)) \(group)\(index + 1)\r\n", on: link)
        }
        self.write("PING\r\n", on: link)
    }

    private func write(_ text: String, on link: Link) {
        link.output.writeString(text)
        link.touch()
    }
}
