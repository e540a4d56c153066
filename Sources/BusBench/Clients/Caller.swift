import BusWire
import NIOCore

/// One caller and its calls under way.
///
/// A call's number holds its slot above and, below, how often the slot was used: a late or second reply is told from
/// the reply to the call that has the slot now.
final class Caller {
    private struct Slot {
        var due: UInt64 = 0
        var generation: UInt32 = 0
        var isBusy = false
    }

    let client: BenchClient
    private let template: MessageTemplate
    private var slots: [Slot]
    private var free: [Int]
    private var identifiers: PacketIdentifierPool?

    init(_ client: BenchClient, _ template: MessageTemplate, slots: Int) {
        self.client = client
        self.template = template
        self.slots = Array(repeating: Slot(), count: slots)
        self.free = Array((0..<slots).reversed())
    }

    /// Once it is connected.
    func start() {
        guard self.template.needsIdentifier, let client = self.client as? MQTTClient else { return }
        self.identifiers = PacketIdentifierPool(capacity: client.receiveMaximum)
    }

    var busyCount: Int { self.slots.count - self.free.count }

    var canCall: Bool {
        guard !self.free.isEmpty, let link = self.client.link, link.state == .open, !link.isCongested else {
            return false
        }
        return self.identifiers.map { $0.freeCount > 0 } ?? true
    }

    /// The caller has checked `canCall`.
    func call(due: UInt64) {
        guard let link = self.client.link, let slot = self.free.popLast() else { return }
        self.slots[slot].due = due
        self.slots[slot].generation &+= 1
        self.slots[slot].isBusy = true
        let number = UInt64(slot) << 32 | UInt64(self.slots[slot].generation)
        let stamp = PayloadStamp(stream: UInt32(self.client.index), sequence: number, time: due)
        let identifier = self.identifiers?.take()
        let start = self.template.append(to: &link.output, stamp, identifier: identifier)
        self.template.setCall(number, caller: UInt64(self.client.index), at: start, in: &link.output)
        link.touch()
    }

    /// Returns when the call was due, `nil` when no such call is under way.
    func finish(_ number: UInt64) -> UInt64? {
        let slot = Int(number >> 32)
        guard slot < self.slots.count, self.slots[slot].isBusy,
            self.slots[slot].generation == UInt32(truncatingIfNeeded: number)
        else { return nil }
        self.slots[slot].isBusy = false
        self.free.append(slot)
        return self.slots[slot].due
    }

    /// Gives up calls that were due before an instant; returns how many.
    func expire(before instant: UInt64) -> Int {
        var count = 0
        for slot in self.slots.indices where self.slots[slot].isBusy && self.slots[slot].due < instant {
            self.slots[slot].isBusy = false
            self.free.append(slot)
            count += 1
        }
        return count
    }

    func acknowledged(_ identifier: PacketIdentifier) {
        _ = self.identifiers?.giveBack(identifier)
    }

    /// What a call of this number carries.
    static func correlation(_ caller: Int, _ number: UInt64) -> ByteBuffer {
        var bytes = ByteBufferAllocator().buffer(capacity: MessageTemplate.correlationBytes)
        bytes.writeMultipleIntegers(UInt64(caller), number)
        return bytes
    }
}

/// One instance: answers each request with its own payload.
final class Instance {
    let client: BenchClient
    private let qos: QoS
    /// `nil`: the NATS protocol.
    private let version: ProtocolVersion?
    private var identifiers: PacketIdentifierPool?
    /// Replies that wait for a packet identifier.
    private var waiting: [Publish] = []

    init(_ client: BenchClient, _ workload: Workload, version: ProtocolVersion?) {
        self.client = client
        self.qos = workload.qos
        self.version = version
    }

    /// Returns `false` for a request that does not say where its answer goes.
    func answer(_ request: ReceivedMessage) -> Bool {
        guard let link = self.client.link else { return true }
        if let subject = request.replySubject {
            link.output.writeString("PUB ")
            link.output.writeImmutableBuffer(subject)
            link.output.writeString(" \(request.payload.readableBytes)\r\n")
            link.output.writeImmutableBuffer(request.payload)
            link.output.writeString("\r\n")
            link.touch()
            return true
        }
        guard let properties = request.publish?.properties, let topic = properties.responseTopic else { return false }
        var answer = Properties()
        if let correlation = properties.correlationData { answer.append(.correlationData(correlation)) }
        self.send(Publish(topic: topic, qos: self.qos, properties: answer, payload: request.payload))
        return true
    }

    private func send(_ reply: Publish) {
        guard let link = self.client.link, let version = self.version else { return }
        var reply = reply
        if self.qos != .atMostOnce {
            if self.identifiers == nil, let client = self.client as? MQTTClient {
                self.identifiers = PacketIdentifierPool(capacity: client.receiveMaximum)
            }
            guard let free = self.identifiers?.freeCount, free > 0, let identifier = self.identifiers?.take() else {
                self.waiting.append(reply)
                return
            }
            reply.packetIdentifier = PacketIdentifier(identifier)
        }
        link.output.writePacket(.publish(reply), version: version)
        link.touch()
    }

    func acknowledged(_ identifier: PacketIdentifier) {
        _ = self.identifiers?.giveBack(identifier)
        if !self.waiting.isEmpty { self.send(self.waiting.removeFirst()) }
    }
}
