import BusMosquitto
import Foundation
import Testing

/// A broker of few bytes: one connection on loopback, whose packets the test writes itself.
private final class ByteBroker: Sendable {
    private let listener: Int32
    let port: Int

    init() throws {
        self.listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = self.listener
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 && listen(listener, 1) == 0 ? getsockname(listener, $0, &size) : -1
            }
        }
        try #require(result == 0)
        self.port = Int(UInt16(bigEndian: address.sin_port))
    }

    /// Takes the connection, and answers each packet of the client with the next of these; then it hangs up. On a thread
    /// of its own: it waits.
    func answer(_ packets: [[UInt8]]) {
        Thread.detachNewThread { self.serve(packets) }
    }

    private func serve(_ packets: [[UInt8]]) {
        let connection = accept(self.listener, nil, nil)
        var buffer = [UInt8](repeating: 0, count: 1000)
        for packet in packets where recv(connection, &buffer, buffer.count, 0) > 0 {
            _ = send(connection, packet, packet.count, 0)
        }
        close(connection)
        // Nobody connects again.
        close(self.listener)
    }
}

@Suite("A broker that ends the connection", .timeLimit(.minutes(1)))
struct DismissalTests {
    @Test("Its reason code is told before the loss", arguments: [0x9E, 0x8B] as [UInt8])
    func reason(_ code: UInt8) async throws {
        let broker = try ByteBroker()
        var settings = MosquittoSettings(clientIdentifier: "c")
        settings.port = broker.port
        let (events, event) = AsyncStream.makeStream(of: MosquittoEvent.self)
        let client = try MosquittoClient(settings) { batch in for one in batch { event.yield(one) } }
        // CONNACK, DISCONNECT.
        broker.answer([[0x20, 3, 0, 0, 0], [0xE0, 2, code, 0]])
        client.start()
        var seen: [String] = []
        loop: for await event in events {
            switch event {
            case .connected:
                seen.append("connected")
                _ = try client.subscribe("$share/g/t", qos: 1)
            case .dismissed(let code): seen.append("dismissed \(code)")
            case .disconnected:
                seen.append("disconnected")
                break loop
            default: seen.append("\(event)")
            }
        }
        #expect(seen == ["connected", "dismissed \(code)", "disconnected"])
        await withCheckedContinuation { continuation in client.close { continuation.resume() } }
    }
}
