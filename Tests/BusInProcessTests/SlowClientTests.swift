import BusCore
import BusInProcess
import BusWire
import FunctionBus
import NIOCore
import Synchronization
import Testing

@Suite("A client in process that falls behind", .timeLimit(.minutes(1)))
struct SlowClientTests {
    /// Notes what passes.
    private final class WatchedDoor: BrokerDoor {
        struct Seen {
            var holds = 0
            var resumptions = 0
        }

        private let broker = OwnBroker()
        private let state = Mutex(Seen())

        var seen: Seen { self.state.withLock { $0 } }

        func open(deliver: @escaping Deliver) -> ConnectionIdentifier? {
            self.broker.open { bytes, closes in
                let isBehind = deliver(bytes, closes)
                if isBehind { self.state.withLock { $0.holds += 1 } }
                return isBehind
            }
        }

        func send(_ packets: [Packet], from connection: ConnectionIdentifier) {
            self.broker.send(packets, from: connection)
        }

        func resume(_ connection: ConnectionIdentifier) {
            self.state.withLock { $0.resumptions += 1 }
            self.broker.resume(connection)
        }

        func close(_ connection: ConnectionIdentifier) {
            self.broker.close(connection)
        }
    }

    @Test(
        "It is held back with more than a mebibyte to take, goes on when it has taken it, and misses nothing of QoS 1")
    func heldBack() async throws {
        let door = WatchedDoor()
        let large = [UInt8](repeating: 7, count: 1_200_000)
        try await FunctionBus.withTransport(
            InProcessTransport(door, clientIdentifier: "c"), clientIdentifier: "c", connectTimeout: .seconds(10)
        ) { bus in
            let topics = try await bus.subscribe(["t/#"]) { messages in
                for number in 0..<5 { try await bus.publish("t/\(number)", Payload(large), qos: 1) }
                var topics: [String] = []
                for try await message in messages {
                    #expect(message.payload.bytes.count == large.count)
                    topics.append(message.topic)
                    if topics.count == 5 { break }
                }
                return topics
            }
            #expect(topics == (0..<5).map { "t/\($0)" })
        }
        #expect(door.seen.holds >= 5)
        #expect(door.seen.resumptions >= 1)
    }
}
