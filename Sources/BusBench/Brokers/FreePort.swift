import Glibc

/// Loopback ports for servers that a measurement starts.
enum FreePort {
    /// A port that nobody used a moment ago, from below those that the kernel gives to outgoing connections: one of
    /// these could be taken before the server has it, even by the very attempt to reach it.
    static func next() throws -> Int {
        for _ in 0..<100 {
            let port = Int.random(in: 10_240..<32_000)
            if try self.canBind(port) { return port }
        }
        throw BenchFailure("no free port on loopback")
    }

    private static func canBind(_ port: Int) throws -> Bool {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard socket >= 0 else { throw BenchFailure("no socket can be opened: errno \(errno)") }
        defer { close(socket) }
        var address = Self.loopback(port: UInt16(port))
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    static func isTaken(_ port: Int) -> Bool {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard socket >= 0 else { return false }
        defer { close(socket) }
        var address = Self.loopback(port: UInt16(port))
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    private static func loopback(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
}
