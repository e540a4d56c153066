import NIOCore
import Testing

@testable import BusServer

@Suite("PROXY header")
struct ProxyHeaderTests {
    private static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
    private static let four: [UInt8] =
        signature + [0x21, 0x11, 0, 15, 192, 0, 2, 7, 192, 0, 2, 1, 0x15, 0xB3, 0x07, 0x5B, 3, 0, 0]
    private static let six: [UInt8] =
        signature + [0x21, 0x21, 0, 36] + [0x20, 0x01, 0x0D, 0xB8] + Array(repeating: 0, count: 11) + [9]
        + Array(repeating: 1, count: 16) + [0x15, 0xB3, 0x07, 0x5B]

    static let good: [(name: String, bytes: [UInt8], header: ProxyHeader)] = [
        (
            "v1, IPv4", Array("PROXY TCP4 192.0.2.7 192.0.2.1 5555 1883\r\n".utf8),
            .client(address: "192.0.2.7", port: 5555)
        ),
        (
            "v1, IPv6", Array("PROXY TCP6 2001:db8::9 ::1 5555 1883\r\n".utf8),
            .client(address: "2001:db8::9", port: 5555)
        ),
        ("v1, unknown", Array("PROXY UNKNOWN what ever\r\n".utf8), .local),
        ("v2, IPv4 with an extension", four, .client(address: "192.0.2.7", port: 5555)),
        ("v2, IPv6", six, .client(address: "2001:db8::9", port: 5555)),
        ("v2, the proxy itself", signature + [0x20, 0x00, 0, 0], .local),
        ("v2, a socket of the file system", signature + [0x21, 0x31, 0, 2, 1, 1], .local),
    ]

    @Test("A header is read whole, byte by byte, and nothing behind it is touched", arguments: good)
    func reads(_ name: String, _ bytes: [UInt8], _ header: ProxyHeader) throws {
        for count in 0..<bytes.count {
            var part = ByteBuffer(bytes: bytes.prefix(count))
            #expect(try ProxyHeader.read(from: &part) == nil, "\(name) after \(count) bytes")
        }
        var buffer = ByteBuffer(bytes: bytes + [0x10, 0x0D])
        #expect(try ProxyHeader.read(from: &buffer) == header)
        #expect(Array(buffer.readableBytesView) == [0x10, 0x0D])
    }

    static let bad: [(name: String, bytes: [UInt8])] = [
        ("an MQTT CONNECT", [0x10, 0x0D, 0x00, 0x04]),
        ("a line without an address", Array("PROXY TCP4 192.0.2.7\r\n".utf8)),
        ("a line with a bad address", Array("PROXY TCP4 here there 1 2\r\n".utf8)),
        ("a line with a bad port", Array("PROXY TCP4 192.0.2.7 192.0.2.1 70000 1883\r\n".utf8)),
        ("a line that ends with LF only", Array("PROXY UNKNOWN\n".utf8)),
        ("a line that does not end", Array(("PROXY TCP4 " + String(repeating: "1", count: 120)).utf8)),
        ("version 3", signature + [0x31, 0x11, 0, 0]),
        ("an unknown command", signature + [0x22, 0x11, 0, 0]),
        ("a length of 64 KiB", signature + [0x21, 0x11, 0xFF, 0xFF]),
        ("addresses that are cut off", signature + [0x21, 0x11, 0, 4, 1, 2, 3, 4]),
    ]

    @Test("What is no header is refused", arguments: bad)
    func refuses(_ name: String, _ bytes: [UInt8]) {
        var buffer = ByteBuffer(bytes: bytes)
        #expect(throws: ProxyHeader.Failure.self, "\(name)") { _ = try ProxyHeader.read(from: &buffer) }
    }
}
