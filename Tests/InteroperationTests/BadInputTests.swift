import Foundation
import Testing

/// Bytes that no client should send: the connection that sent them ends, nothing else notices.
@Suite("Bad input", .enabled(if: RunningBroker.isAvailable), .timeLimit(.minutes(2)))
struct BadInputTests {
    static let connect5: [UInt8] = [
        0x10, 0x0F, 0, 4, 0x4D, 0x51, 0x54, 0x54, 5, 2, 0, 60, 0, 0, 2, 0x63, 0x31,
    ]

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var bytes: [UInt8]
        /// The reason code in the last packet of the broker, `nil` where it just closes.
        var reason: UInt8?
    }

    static let cases = [
        Case(testDescription: "garbage", bytes: Array("GET / HTTP/1.1\r\n\r\n".utf8), reason: nil),
        Case(testDescription: "256 MB announced at once", bytes: [0x10, 0xFF, 0xFF, 0xFF, 0x7F], reason: nil),
        Case(
            testDescription: "256 MB announced after CONNECT", bytes: Self.connect5 + [0x30, 0xFF, 0xFF, 0xFF, 0x7F],
            reason: 0x95),
        Case(testDescription: "a second CONNECT", bytes: Self.connect5 + Self.connect5, reason: 0x82),
        Case(
            testDescription: "a wildcard in a topic name",
            bytes: Self.connect5 + [0x30, 0x06, 0, 3, 0x61, 0x2F, 0x23, 0], reason: 0x90),
        Case(testDescription: "reserved flags", bytes: Self.connect5 + [0xC1, 0], reason: 0x81),
        Case(
            testDescription: "a remaining length of five bytes",
            bytes: Self.connect5 + [0x30, 0x80, 0x80, 0x80, 0x80, 1], reason: 0x81),
        Case(testDescription: "QoS 3", bytes: Self.connect5 + [0x36, 0x06, 0, 1, 0x61, 0, 1, 0], reason: 0x81),
        Case(
            testDescription: "a topic that is not UTF-8", bytes: Self.connect5 + [0x30, 0x05, 0, 2, 0xC0, 0x80, 0],
            reason: 0x81),
        Case(
            testDescription: "packet identifier 0", bytes: Self.connect5 + [0x32, 0x06, 0, 1, 0x61, 0, 0, 0],
            reason: 0x82),
    ]

    @Test("The connection ends with the right reason and the broker goes on", arguments: Self.cases)
    func refused(_ bad: Case) async throws {
        try await RunningBroker.with { broker in
            let socket = try TestSocket(port: broker.port)
            try socket.send(bad.bytes)
            let answer = try socket.receiveToEnd(timeout: 5)
            if let reason = bad.reason {
                let goodbye = try #require(answer.lastIndex(of: 0xE0), "no DISCONNECT in \(answer)")
                #expect(answer[goodbye + 2] == reason)
            }
            let other = try TestSocket(port: broker.port)
            try other.send(Self.connect5)
            #expect(try other.receive(count: 1, timeout: 5) == [0x20])
        }
    }

    @Test("Half a CONNECT and silence is closed after five seconds, and costs nobody anything")
    func halfConnect() async throws {
        try await RunningBroker.with { broker in
            let socket = try TestSocket(port: broker.port)
            try socket.send(Array(Self.connect5.prefix(7)))
            #expect(try socket.receiveToEnd(timeout: 9).isEmpty)
        }
    }

    @Test("A thousand connections of garbage and of huge announcements leave memory where it was (R08, R11)")
    func memory() async throws {
        try await RunningBroker.with { broker in
            for _ in 0..<200 { try Self.annoy(broker) }
            let before = try broker.residentMemory()
            for _ in 0..<1000 { try Self.annoy(broker) }
            let grown = try broker.residentMemory() - before
            #expect(grown < 5 * 1024, "grew by \(grown) KiB")
        }
    }

    private static func annoy(_ broker: RunningBroker) throws {
        let garbage = try TestSocket(port: broker.port)
        try garbage.send((0..<32).map { _ in UInt8.random(in: 0...255) })
        let announcer = try TestSocket(port: broker.port)
        try announcer.send(Self.connect5 + [0x30, 0xFF, 0xFF, 0xFF, 0x7F])
        _ = try announcer.receive(count: 1, timeout: 5)
    }
}
