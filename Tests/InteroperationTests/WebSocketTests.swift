import Foundation
import Testing

/// The rules of chapter 6, frame by frame.
@Suite("WebSocket frames", .enabled(if: RunningBroker.isAvailable), .timeLimit(.minutes(2)))
struct WebSocketTests {
    /// A frame as a client sends it; with a mask of zeros the data stay as they are.
    private static func frame(_ first: UInt8, _ data: [UInt8]) -> [UInt8] {
        [first, 0x80 | UInt8(data.count), 0, 0, 0, 0] + data
    }

    private static let connect: [UInt8] = [0x10, 13, 0, 4, 0x4D, 0x51, 0x54, 0x54, 4, 2, 0, 60, 0, 1, 0x61]
    private static let pingReq: [UInt8] = [0xC0, 0]

    private func withSocket(_ body: (TestSocket, String) throws -> Void) async throws {
        let port = try TestSocket.freePort()
        let file = FileManager.default.temporaryDirectory.appending(path: "fcbus-\(UUID().uuidString).yaml")
        try "listeners: [{ port: 0 }, { port: \(port), webSocket: { path: /mqtt } }]"
            .write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        try await RunningBroker.with(["broker", "--config", file.path]) { _ in
            let socket = try TestSocket(port: port)
            let lines = [
                "GET /mqtt HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Protocol: mqtt", "", "",
            ]
            try socket.send(Array(lines.joined(separator: "\r\n").utf8))
            var answer = ""
            while !answer.hasSuffix("\r\n\r\n") {
                answer += String(decoding: try socket.receive(count: 1, timeout: 10), as: UTF8.self)
            }
            try body(socket, answer.lowercased())
        }
    }

    /// The data of binary frames until there are `count` bytes.
    private func receive(count: Int, from socket: TestSocket) throws -> [UInt8] {
        var data: [UInt8] = []
        while data.count < count {
            let head = try socket.receive(count: 2, timeout: 10)
            #expect(head[0] == 0x82)
            data += try socket.receive(count: Int(head[1]), timeout: 10)
        }
        return data
    }

    // [MQTT-6.0.0-3] [MQTT-6.0.0-4] [MQTT311-6.0.0-3] [MQTT311-6.0.0-4]
    @Test("The server selects the subprotocol that the client offers")
    func subprotocol() async throws {
        try await self.withSocket { _, answer in
            #expect(answer.hasPrefix("http/1.1 101"))
            #expect(answer.contains("\r\nsec-websocket-protocol: mqtt\r\n"))
        }
    }

    @Test("A packet may come in two frames, and two packets in one [MQTT-6.0.0-2] [MQTT311-6.0.0-2]")
    func notAligned() async throws {
        try await self.withSocket { socket, _ in
            try socket.send(Self.frame(0x82, Array(Self.connect.prefix(5))))
            try socket.send(Self.frame(0x82, Self.connect.dropFirst(5) + Self.pingReq + Self.pingReq.prefix(1)))
            try socket.send(Self.frame(0x82, Array(Self.pingReq.suffix(1))))
            #expect(try self.receive(count: 8, from: socket) == [0x20, 2, 0, 0, 0xD0, 0, 0xD0, 0])
        }
    }

    @Test("A text frame ends the connection, with Close 1003 [MQTT-6.0.0-1] [MQTT311-6.0.0-1]")
    func textFrame() async throws {
        try await self.withSocket { socket, _ in
            try socket.send(Self.frame(0x82, Self.connect))
            #expect(try self.receive(count: 4, from: socket) == [0x20, 2, 0, 0])
            try socket.send(Self.frame(0x81, Self.pingReq))
            #expect(try socket.receiveToEnd(timeout: 10).starts(with: [0x88, 2, 0x03, 0xEB]))
        }
    }
}
