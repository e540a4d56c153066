import BusWire
import NIOCore

/// One publisher: its template, its numbers, and how much of what it sent is under way.
final class Publisher {
    let client: MQTTClient
    let stream: Int
    private let template: MessageTemplate
    private var identifiers: PacketIdentifierPool?
    private(set) var nextSequence: UInt64 = 0
    /// Deliveries that are still to come.
    private(set) var outstanding = 0
    private var lastProgress: UInt64 = 0
    /// Waits to be looked at in the next turn.
    var isQueued = false

    init(_ client: MQTTClient, stream: Int, topic: String, _ workload: Workload) {
        self.client = client
        self.stream = stream
        self.template = MessageTemplate(
            topic: topic, qos: workload.qos, payloadBytes: workload.payloadBytes, version: client.settings.version)
    }

    /// Once it is connected, since the broker says how much it takes.
    func start(window: Int) {
        guard self.template.needsIdentifier else { return }
        self.identifiers = PacketIdentifierPool(capacity: min(window, self.client.receiveMaximum))
    }

    var topicOffset: Int { self.template.topicOffset }

    /// Whether a packet identifier and room in the connection are there for one more.
    var canSend: Bool {
        guard let link = self.client.link, link.state == .open, !link.isCongested else { return false }
        return self.identifiers.map { $0.freeCount > 0 } ?? true
    }

    /// How many messages the window has room for; 0 until it is a quarter of it, so that writes are large.
    func room(window: Int, copies: Int) -> Int {
        guard let link = self.client.link, link.state == .open, !link.isCongested else { return 0 }
        var room = window - (self.outstanding + copies - 1) / copies
        var least = max(1, window / 4)
        if let identifiers = self.identifiers {
            room = min(room, identifiers.freeCount)
            least = min(least, max(1, identifiers.capacity / 4))
        }
        return room < least ? 0 : room
    }

    /// Appends messages of its stream.
    func send(count: Int, due: UInt64, copies: Int) {
        guard count > 0, let link = self.client.link else { return }
        // Taken out of the objects once for all, since each look into an object is checked.
        var output = link.output
        link.output = ByteBuffer()
        var sequence = self.nextSequence
        let template = self.template
        let stream = UInt32(self.stream)
        for _ in 0..<count {
            let stamp = PayloadStamp(stream: stream, sequence: sequence, time: due)
            _ = template.append(to: &output, stamp, identifier: self.identifiers?.take())
            sequence += 1
        }
        link.output = output
        link.touch()
        self.nextSequence = sequence
        self.outstanding += count * copies
    }

    /// Appends a message; returns where it begins in the connection's output.
    @inline(__always)
    @discardableResult
    func send(_ stamp: PayloadStamp, copies: Int) -> Int {
        guard let link = self.client.link else { return 0 }
        let identifier = self.identifiers?.take()
        self.outstanding += copies
        link.touch()
        return self.template.append(to: &link.output, stamp, identifier: identifier)
    }

    /// Appends one message of its stream with an identifier that somebody else keeps.
    func send(due: UInt64, identifier: UInt16) {
        guard let link = self.client.link else { return }
        let stamp = PayloadStamp(stream: UInt32(self.stream), sequence: self.nextSequence, time: due)
        self.nextSequence += 1
        link.touch()
        _ = self.template.append(to: &link.output, stamp, identifier: identifier)
    }

    func delivered(now: UInt64) {
        if self.outstanding > 0 { self.outstanding -= 1 }
        self.lastProgress = now
    }

    /// Returns `false` for an identifier that is not under way.
    func acknowledged(_ identifier: PacketIdentifier, now: UInt64) -> Bool {
        self.lastProgress = now
        return self.identifiers?.giveBack(identifier) ?? false
    }

    /// A lost message would hold its place in the window for ever: after a second without progress it is given up.
    func forgive(now: UInt64) -> Bool {
        guard self.outstanding > 0 else { return false }
        guard now > self.lastProgress + 1_000_000_000 else { return false }
        self.outstanding = 0
        self.lastProgress = now
        return true
    }

    func noteStart(now: UInt64) {
        self.lastProgress = now
    }
}
