import Glibc

/// Where a broker listens, by IPv4, and the socket calls that need it.
struct SocketAddress {
    let host: String
    let port: Int
    private let address: UInt32

    /// Looks the name up.
    init(host: String, port: Int) throws(BenchFailure) {
        self.host = host
        self.port = port
        var hints = unsafe addrinfo()
        unsafe hints.ai_family = AF_INET
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(host, nil, &hints, &found)
        defer { if let found = unsafe found { unsafe freeaddrinfo(found) } }
        guard code == 0, let first = unsafe found?.pointee.ai_addr else {
            throw BenchFailure("there is no host \(host)")
        }
        self.address = unsafe first.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
            unsafe $0.pointee.sin_addr.s_addr
        }
    }

    func refusal(_ code: Int32) -> BenchFailure {
        BenchFailure("no broker answers at \(self.host):\(self.port): \(Self.text(code))")
    }

    /// - Parameter source: a loopback address to come from, for more connections than one address has ports.
    func beginConnect(from source: UInt32?) throws(BenchFailure) -> Int32 {
        let flags = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_INET, flags, 0)
        guard descriptor >= 0 else {
            throw BenchFailure("no socket can be opened: \(Self.text(errno)); see ulimit -n")
        }
        var one: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, size)
        if let source { Self.bind(descriptor, to: source) }
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = UInt16(self.port).bigEndian
        target.sin_addr.s_addr = self.address
        let code = unsafe withUnsafePointer(to: &target) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 || errno == EINPROGRESS else {
            let reason = errno
            close(descriptor)
            throw self.refusal(reason)
        }
        return descriptor
    }

    private static func bind(_ descriptor: Int32, to source: UInt32) {
        var origin = sockaddr_in()
        origin.sin_family = sa_family_t(AF_INET)
        origin.sin_addr.s_addr = source.bigEndian
        // If it fails, the kernel chooses, and what was asked for is only more room.
        _ = unsafe withUnsafePointer(to: &origin) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    /// What became of a connect that had to wait; 0: it succeeded.
    static func pendingError(of descriptor: Int32) -> Int32 {
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
        return code
    }

    private static func text(_ code: Int32) -> String {
        unsafe strerror(code).map { unsafe String(cString: $0) } ?? "errno \(code)"
    }
}
