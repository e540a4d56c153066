import BusWire
import NIOCore

/// The messages of one publisher: what is under way, and what its subscribers have seen.
///
/// Each payload carries the publisher and a sequence number, so that a loss, a duplicate or a swap is seen and counted.
/// One flow lives on one event loop.
final class Flow {
    struct Faults: Sendable, Equatable {
        var duplicatedOrReordered = 0
        var misrouted = 0

        var isClean: Bool { self == Faults() }
    }

    private let scenario: Scenario
    private let index: Int
    private let packet: ByteBuffer
    private let sequenceOffset: Int
    private let identifierOffset: Int
    private var publisher: (any Channel)?
    private var sent = 0
    private var delivered = 0
    /// The last sequence number each subscriber has seen of this publisher.
    private var lastSeen: [Int]
    private var packetIdentifier: UInt16 = 0
    /// QoS 1 and 2 messages that the broker has not acknowledged to the end, never more than it takes.
    private var unacknowledged = 0
    var receiveMaximum = Int(UInt16.max)
    private(set) var faults = Faults()
    var isStopped = false

    init(_ scenario: Scenario, index: Int) {
        self.scenario = scenario
        self.index = index
        self.lastSeen = Array(repeating: 0, count: scenario.subscriberCount)
        var payload = ByteBuffer()
        payload.writeInteger(UInt64(0))
        payload.writeInteger(UInt64(index))
        payload.writeRepeatingByte(UInt8(ascii: "x"), count: scenario.payloadBytes - payload.readableBytes)
        let topic = scenario.topic(ofPublisher: index)
        let publish = Publish(
            topic: topic, qos: scenario.qos,
            packetIdentifier: scenario.qos == .atMostOnce ? nil : PacketIdentifier(rawValue: 1), payload: payload)
        var packet = ByteBuffer()
        packet.writePacket(.publish(publish), version: .v5)
        self.packet = packet
        self.sequenceOffset = packet.readableBytes - scenario.payloadBytes
        // The identifier follows the topic; an empty property block of one byte follows the identifier.
        self.identifierOffset = self.sequenceOffset - 3
    }

    var deliveredCount: Int { self.delivered }
    var underWay: Int { self.sent - self.delivered / self.scenario.copies }

    func start(on channel: any Channel) {
        self.publisher = channel
        self.pump()
    }

    /// Publishes as much as the window allows, in one write.
    func pump() {
        guard !self.isStopped, let channel = self.publisher else { return }
        var room = self.scenario.window - self.underWay
        if self.scenario.qos != .atMostOnce {
            room = min(room, self.receiveMaximum - self.unacknowledged)
        }
        guard room > 0 else { return }
        if self.scenario.qos != .atMostOnce { self.unacknowledged += room }
        var batch = channel.allocator.buffer(capacity: room * self.packet.readableBytes)
        for _ in 0..<room {
            self.sent += 1
            let start = batch.writerIndex
            batch.writeImmutableBuffer(self.packet)
            batch.setInteger(UInt64(self.sent), at: start + self.sequenceOffset)
            if self.scenario.qos != .atMostOnce {
                self.packetIdentifier = self.packetIdentifier == .max ? 1 : self.packetIdentifier + 1
                batch.setInteger(self.packetIdentifier, at: start + self.identifierOffset)
            }
        }
        channel.writeAndFlush(batch, promise: nil)
    }

    /// PUBACK or PUBCOMP.
    func acknowledged() {
        self.unacknowledged -= 1
    }

    /// A subscriber got a message of this flow.
    func received(sequence: UInt64, by subscriber: Int) {
        self.delivered += 1
        let number = Int(truncatingIfNeeded: sequence)
        // Members of a shared subscription see gaps; the others see every number.
        let isInOrder =
            self.scenario.isShared ? number > self.lastSeen[subscriber] : number == self.lastSeen[subscriber] + 1
        if !isInOrder { self.faults.duplicatedOrReordered += 1 }
        self.lastSeen[subscriber] = number
    }
}

extension Scenario {
    var isShared: Bool {
        if case .shared = self.shape { true } else { false }
    }
}
