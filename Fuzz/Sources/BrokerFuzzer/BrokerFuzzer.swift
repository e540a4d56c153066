import BusCore
import BusSession
import BusWire
import Glibc
import NIOCore

/// libFuzzer's own `main`, as a function. Swift names the entry point of a package's executable itself, so that
/// libFuzzer cannot bring its own.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ argumentCount: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ testOneInput: @convention(c) (UnsafePointer<UInt8>, Int) -> CInt
) -> CInt

@main
enum BrokerFuzzer {
    static func main() {
        var count = CommandLine.argc
        var arguments = unsafe CommandLine.unsafeArgv
        let status = unsafe runDriver(&count, &arguments) { start, count in
            let input = unsafe UnsafeBufferPointer(start: start, count: count)
            var conversation = unsafe Conversation(ArraySlice(input))
            conversation.run()
            return 0
        }
        exit(status)
    }
}

/// Two clients, whose turns and bytes an input says.
///
/// Layout: records of two bytes and what they announce. The lowest bit of the first byte names the client, the next one
/// lets two seconds go by before; the second byte is the number of bytes that the client sends.
struct Conversation {
    private var broker: Broker
    private var readers: [PacketReader]
    private var connections: [ConnectionIdentifier] = []
    private var now = Timestamp(nanoseconds: 1)
    private var input: ArraySlice<UInt8>

    init(_ input: ArraySlice<UInt8>) {
        var limits = BrokerLimits()
        limits.session.packetBytesMax = 4096
        limits.session.queue = MessageQueue.Limits(messagesMax: 10, bytesMax: 10_000)
        self.broker = Broker(limits: limits, seed: 1)
        self.readers = [PacketReader(limits: limits.session), PacketReader(limits: limits.session)]
        self.input = input
        for name in ["first", "second"] {
            if let identifier = self.broker.open(ConnectionOrigin(remoteAddress: name), now: self.now) {
                self.connections.append(identifier)
            }
        }
    }

    mutating func run() {
        while let head = self.input.popFirst(), let count = self.input.popFirst() {
            let client = Int(head & 1)
            if head & 2 != 0 { self.advance() }
            let bytes = self.input.prefix(Int(count))
            self.input = self.input.dropFirst(bytes.count)
            self.receive(ByteBuffer(bytes: bytes), from: client)
            self.takeOutputs()
        }
        for connection in self.connections { self.broker.close(connection, now: self.now) }
        precondition(self.broker.connectionCount == 0, "a connection is left")
    }

    private mutating func advance() {
        self.now = self.now.adding(seconds: 2)
        self.broker.advance(to: self.now)
    }

    private mutating func receive(_ bytes: ByteBuffer, from client: Int) {
        self.readers[client].append(bytes)
        var packets: [Packet] = []
        do throws(DecodingFailure) {
            while try self.readers[client].read(upTo: 256, into: &packets) {}
            self.broker.receive(packets, from: self.connections[client], now: self.now)
        } catch {
            self.broker.receive(packets, from: self.connections[client], now: self.now)
            self.broker.receive(error, from: self.connections[client], now: self.now)
        }
    }

    private mutating func takeOutputs() {
        var outputs: [Output] = []
        repeat {
            outputs.removeAll(keepingCapacity: true)
            self.broker.takeOutputs(into: &outputs)
            if self.broker.hasStarved { self.broker.feedStarved(now: self.now) }
        } while self.broker.hasOutputs || self.broker.hasStarved
        _ = self.broker.takeEvents()
    }
}
