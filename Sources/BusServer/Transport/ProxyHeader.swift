import NIOCore

/// The header with which a proxy announces whose connection it passes on (PROXY protocol, versions 1 and 2).
enum ProxyHeader: Equatable {
    /// The client's address and port as `address:port`.
    case client(address: String, port: Int)
    /// The proxy itself connected, as its health checks do; the socket's own address counts.
    case local

    enum Failure: Error, Equatable {
        case malformed(String)
    }

    /// A version 1 line is at most this long, with its end.
    private static let lineBytesMax = 107
    /// A version 2 header may carry extensions, which are skipped; more than this is nobody's honest header.
    private static let extensionBytesMax = 2048
    private static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]

    /// Takes the header off the front of `buffer`; `nil` while it is incomplete.
    static func read(from buffer: inout ByteBuffer) throws(Failure) -> ProxyHeader? {
        let start = Array(buffer.readableBytesView.prefix(Self.signature.count))
        if Self.signature.starts(with: start) {
            return start.count < Self.signature.count ? nil : try self.readBinary(from: &buffer)
        }
        guard Array("PROXY ".utf8).starts(with: start.prefix(6)) else {
            throw .malformed("the connection does not begin with a PROXY header")
        }
        return try self.readLine(from: &buffer)
    }

    // MARK: Version 1: one line of text

    private static func readLine(from buffer: inout ByteBuffer) throws(Failure) -> ProxyHeader? {
        let view = buffer.readableBytesView.prefix(Self.lineBytesMax)
        guard let end = view.firstIndex(of: UInt8(ascii: "\n")) else {
            guard view.count < Self.lineBytesMax else { throw .malformed("the PROXY line is too long") }
            return nil
        }
        let line = String(decoding: view[view.startIndex..<end], as: UTF8.self)
        buffer.moveReaderIndex(forwardBy: end - view.startIndex + 1)
        guard line.hasSuffix("\r") else { throw .malformed("the PROXY line does not end with CR LF") }
        let words = line.dropLast().split(separator: " ", omittingEmptySubsequences: false)
        if words.count >= 2, words[1] == "UNKNOWN" { return .local }
        guard words.count == 6, words[1] == "TCP4" || words[1] == "TCP6",
            let address = try? SocketAddress(ipAddress: String(words[2]), port: 0).ipAddress,
            let port = UInt16(words[4])
        else { throw .malformed("the PROXY line names no address") }
        return .client(address: address, port: Int(port))
    }

    // MARK: Version 2: binary

    private static func readBinary(from buffer: inout ByteBuffer) throws(Failure) -> ProxyHeader? {
        let start = buffer.readerIndex + Self.signature.count
        guard let command = buffer.getInteger(at: start, as: UInt8.self),
            let family = buffer.getInteger(at: start + 1, as: UInt8.self),
            let length = buffer.getInteger(at: start + 2, as: UInt16.self)
        else { return nil }
        guard command >> 4 == 2, command & 0x0F <= 1 else { throw .malformed("an unknown PROXY version or command") }
        guard length <= Self.extensionBytesMax else { throw .malformed("the PROXY header is too long") }
        guard buffer.readableBytes >= Self.signature.count + 4 + Int(length) else { return nil }
        buffer.moveReaderIndex(forwardBy: Self.signature.count + 4)
        guard var body = buffer.readSlice(length: Int(length)) else { return nil }
        if command & 0x0F == 0 { return .local }
        switch family {
        case 0x11: return try self.readAddress(from: &body, byteCount: 4)
        case 0x21: return try self.readAddress(from: &body, byteCount: 16)
        default: return .local
        }
    }

    private static func readAddress(from body: inout ByteBuffer, byteCount: Int) throws(Failure) -> ProxyHeader {
        guard let source = body.readSlice(length: byteCount), body.readSlice(length: byteCount) != nil,
            let port = body.readInteger(as: UInt16.self),
            let address = try? SocketAddress(packedIPAddress: source, port: 0).ipAddress
        else { throw .malformed("the PROXY header is shorter than its addresses") }
        return .client(address: address, port: Int(port))
    }
}
