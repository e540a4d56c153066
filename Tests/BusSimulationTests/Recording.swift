import BusCore
import BusSession
import BusWire
import NIOCore

/// All inputs of a run, to be given to another broker in another way.
struct Recording {
    enum Input {
        case open(ConnectionIdentifier)
        case bytes(ConnectionIdentifier, ByteBuffer)
        case congested(ConnectionIdentifier, Bool)
        case close(ConnectionIdentifier)
        case advance
    }

    private(set) var inputs: [(input: Input, now: Timestamp)] = []

    mutating func append(_ input: Input, now: Timestamp) {
        self.inputs.append((input, now))
    }
}

/// A second broker that lives through a recording. Its clock stands still between the wake-ups, so that inputs may be
/// put together without changing their time.
final class Replay {
    enum Reading: CaseIterable {
        /// Every byte is a read of its own, every packet is handed over by itself.
        case byteByByte
        case asRecorded
        /// What came on one connection without anything in between is one read, and outputs are taken as late as they
        /// can be.
        case together
    }

    let reading: Reading
    private(set) var broker: Broker
    private(set) var sent: [ConnectionIdentifier: [UInt8]] = [:]
    private(set) var events: [BrokerEvent] = []
    private var readers: [ConnectionIdentifier: PacketReader] = [:]
    private var waiting: (identifier: ConnectionIdentifier, bytes: ByteBuffer)?
    private var now = Timestamp(nanoseconds: 1_000_000_000)

    init(_ reading: Reading, limits: BrokerLimits) {
        self.reading = reading
        self.broker = Broker(limits: limits, seed: 1)
    }

    func run(_ recording: Recording) {
        for (input, now) in recording.inputs {
            self.take(input, now)
            if self.reading != .together { self.takeOutputs() }
        }
        self.readWaiting()
        self.takeOutputs()
    }

    private func take(_ input: Recording.Input, _ now: Timestamp) {
        if case .bytes(let identifier, let bytes) = input {
            self.take(bytes, from: identifier)
            return
        }
        self.readWaiting()
        switch input {
        case .open(let identifier):
            _ = self.broker.open(ConnectionOrigin(remoteAddress: "recorded"), now: self.now)
            self.readers[identifier] = PacketReader(limits: self.broker.limits.session)
        case .congested(let identifier, let isCongested):
            self.broker.setCongested(isCongested, on: identifier, now: self.now)
        case .close(let identifier):
            self.takeOutputs()
            self.broker.close(identifier, now: self.now)
        case .advance:
            self.now = now
            self.broker.advance(to: now)
        case .bytes: break
        }
    }

    private func take(_ bytes: ByteBuffer, from identifier: ConnectionIdentifier) {
        switch self.reading {
        case .byteByByte:
            for byte in bytes.readableBytesView { self.read(ByteBuffer(bytes: [byte]), from: identifier) }
        case .asRecorded:
            self.read(bytes, from: identifier)
        case .together:
            if self.waiting?.identifier != identifier {
                self.readWaiting()
                self.waiting = (identifier, ByteBuffer())
            }
            self.waiting?.bytes.writeImmutableBuffer(bytes)
        }
    }

    private func readWaiting() {
        guard let (identifier, bytes) = self.waiting else { return }
        self.waiting = nil
        self.read(bytes, from: identifier)
    }

    private func read(_ bytes: ByteBuffer, from identifier: ConnectionIdentifier) {
        var packets: [Packet] = []
        self.readers[identifier]?.append(bytes)
        do throws(DecodingFailure) {
            while try self.readers[identifier]?.read(upTo: 256, into: &packets) == true {}
        } catch {
            self.broker.receive(error, from: identifier, now: self.now)
        }
        if !packets.isEmpty { self.broker.receive(packets, from: identifier, now: self.now) }
        if self.reading == .byteByByte { self.takeOutputs() }
    }

    private func takeOutputs() {
        var outputs: [Output] = []
        self.broker.takeOutputs(into: &outputs)
        for output in outputs { self.sent[output.connection, default: []] += Array(output.bytes.readableBytesView) }
        self.events += self.broker.takeEvents()
    }
}
