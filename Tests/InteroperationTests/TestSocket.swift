import Foundation
import Glibc

/// A plain TCP connection to loopback that sends and receives bytes, closed with its last reference.
final class TestSocket {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private let descriptor: Int32

    /// A loopback port that nobody listened on a moment ago.
    static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 ? getsockname(descriptor, $0, &size) : -1
            }
        }
        guard result == 0 else { throw Failure(description: "no free port: errno \(errno)") }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    init(port: Int) throws {
        self.descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(self.descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Failure(description: "cannot connect to \(port): errno \(errno)") }
    }

    deinit {
        close(self.descriptor)
    }

    func send(_ bytes: [UInt8]) throws {
        guard Glibc.send(self.descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
            throw Failure(description: "send failed: errno \(errno)")
        }
    }

    /// Exactly `count` bytes.
    func receive(count: Int, timeout seconds: Int) throws -> [UInt8] {
        var received: [UInt8] = []
        while received.count < count {
            let chunk = try self.read(atMost: count - received.count, timeout: seconds)
            guard !chunk.isEmpty else { throw Failure(description: "closed after \(received)") }
            received += chunk
        }
        return received
    }

    /// Everything until the peer closes; a peer that does not close in time is a failure.
    func receiveToEnd(timeout seconds: Int) throws -> [UInt8] {
        var received: [UInt8] = []
        while true {
            let chunk = try self.read(atMost: 4096, timeout: seconds)
            if chunk.isEmpty { return received }
            received += chunk
        }
    }

    /// An empty result means that the peer has closed.
    private func read(atMost count: Int, timeout seconds: Int) throws -> [UInt8] {
        var waiting = pollfd(fd: self.descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, Int32(seconds * 1000)) > 0 else {
            throw Failure(description: "nothing came in \(seconds) s")
        }
        var buffer = [UInt8](repeating: 0, count: count)
        let result = recv(self.descriptor, &buffer, count, 0)
        // A reset is a close too: the peer had unread bytes of ours.
        return result > 0 ? Array(buffer.prefix(result)) : []
    }
}
