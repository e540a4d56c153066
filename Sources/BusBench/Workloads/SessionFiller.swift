import BusWire

/// One connection that publishes for sessions whose clients are away: its streams in turn, with a window of messages
/// that are not yet acknowledged, and when each of them left.
final class SessionFiller {
    let client: MQTTClient
    private var publishers: [Publisher] = []
    private var identifiers = PacketIdentifierPool(capacity: 1)
    private var sentAt: [UInt64] = []
    private var next = 0

    init(_ client: MQTTClient) {
        self.client = client
    }

    /// Once it is connected, since the broker says how much it takes.
    func start(_ publishers: [Publisher], window: Int) {
        self.publishers = publishers
        let window = min(window, self.client.receiveMaximum)
        // All share one connection, so this keeps the packet identifiers of all.
        self.identifiers = PacketIdentifierPool(capacity: window)
        self.sentAt = Array(repeating: 0, count: window + 1)
    }

    /// Sends what the window has room for, once that is a quarter of it, so that writes are large; returns how many.
    func send(most: Int, now: UInt64) -> Int {
        guard self.identifiers.freeCount >= max(1, self.identifiers.capacity / 4) else { return 0 }
        var count = 0
        while count < most, self.identifiers.freeCount > 0 {
            let publisher = self.publishers[self.next]
            guard publisher.canSend else { return count }
            let identifier = self.identifiers.take()
            self.sentAt[Int(identifier)] = now
            publisher.send(due: now, identifier: identifier)
            self.next = self.next + 1 == self.publishers.count ? 0 : self.next + 1
            count += 1
        }
        return count
    }

    /// How long the acknowledgement took, `nil` for a message that is not under way.
    func acknowledged(_ identifier: PacketIdentifier, now: UInt64) -> UInt64? {
        guard self.identifiers.giveBack(identifier) else { return nil }
        return now - self.sentAt[Int(identifier.rawValue)]
    }
}
