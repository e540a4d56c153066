import Glibc
import NIOCore

/// One thread, one epoll set, all connections of a workload.
///
/// A turn reads what is ready, lets the workload write, then flushes each connection once: the generator does few
/// system calls per message, so that the broker stays the bottleneck.
final class LinkLoop {
    private static let readBytes = 256 * 1024
    let poller: Poller
    let address: SocketAddress
    /// When the bytes that are looked at were read.
    private(set) var now: UInt64
    fileprivate(set) var links: [Link] = []
    var dirty: [Link] = []
    /// Clients that have become ready, and connections that have ended, ever.
    var readyCount = 0
    private(set) var closedCount = 0
    /// Goes up with every answer that a client which is not ready yet waits for.
    var progressCount = 0
    private(set) var failure: BenchFailure?
    private var events: [Poller.Event] = []
    private var scratch: ByteBuffer

    init(_ address: SocketAddress) throws(BenchFailure) {
        self.poller = try Poller()
        self.address = address
        self.now = MonotonicClock.now()
        self.scratch = ByteBufferAllocator().buffer(capacity: 2 * Self.readBytes)
    }

    deinit {
        for link in self.links where link.state != .closed { Glibc.close(link.descriptor) }
    }

    /// Begins to connect; `owner` hears of the end.
    func connect(_ owner: any LinkOwner, source: UInt32? = nil) throws(BenchFailure) -> Link {
        let descriptor = try self.address.beginConnect(from: source)
        let link = Link(descriptor, token: self.links.count, loop: self, owner: owner)
        self.links.append(link)
        try self.poller.add(descriptor, token: link.token)
        return link
    }

    func close(_ link: Link) {
        guard link.state != .closed else { return }
        link.state = .closed
        self.closedCount += 1
        Glibc.close(link.descriptor)
        link.output.clear()
        link.rest = ByteBuffer()
        link.owner.linkClosed(link)
    }

    /// Says what is still to be said, then closes every connection.
    func closeAll() {
        for link in self.links where link.state != .closed {
            link.flush()
            self.close(link)
        }
    }

    /// One turn: at most until `deadline`, which may be now.
    ///
    /// - Parameter pump: lets the workload write; returns when it wants to be called again, `nil` for no such time.
    func turn(until deadline: UInt64, _ pump: (UInt64) -> UInt64?) throws(BenchFailure) {
        self.now = MonotonicClock.now()
        var due = deadline
        if let wanted = pump(self.now) { due = min(due, wanted) }
        self.flush()
        self.events.removeAll(keepingCapacity: true)
        self.poller.wait(until: due, into: &self.events)
        self.now = MonotonicClock.now()
        for event in self.events {
            let link = self.links[event.token]
            if event.isWritable { self.becameWritable(link) }
            if event.isReadable, link.state == .open { self.read(link) }
        }
        if let failure = self.failure { throw failure }
    }

    func run(until deadline: UInt64, _ pump: (UInt64) -> UInt64?) throws(BenchFailure) {
        repeat { try self.turn(until: deadline, pump) } while self.now < deadline
    }

    private func flush() {
        // A flush can fail and so close a connection, whose owner may write to another one.
        var index = 0
        while index < self.dirty.count {
            self.dirty[index].flush()
            index += 1
        }
        self.dirty.removeAll(keepingCapacity: true)
    }

    private func becameWritable(_ link: Link) {
        switch link.state {
        case .closed: break
        case .open:
            link.setWantsWrite(false)
            link.touch()
        case .connecting:
            let code = SocketAddress.pendingError(of: link.descriptor)
            guard code == 0 else {
                self.failure = self.failure ?? self.address.refusal(code)
                self.close(link)
                return
            }
            link.state = .open
            link.setWantsWrite(false)
            link.owner.linkOpened(link)
        }
    }

    private func read(_ link: Link) {
        var bytes = self.scratch
        self.scratch = ByteBuffer()
        defer { self.scratch = bytes }
        bytes.clear(minimumCapacity: Self.readBytes)
        bytes.writeImmutableBuffer(link.rest)
        let count = unsafe bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: Self.readBytes) { space in
            unsafe max(0, recv(link.descriptor, space.baseAddress, space.count, 0))
        }
        guard count > 0 else {
            if errno != EAGAIN && errno != EINTR { self.close(link) }
            return
        }
        self.now = MonotonicClock.now()
        do throws(BenchFailure) {
            try link.owner.linkReceived(&bytes, on: link)
        } catch {
            self.failure = self.failure ?? error
            self.close(link)
            return
        }
        let hasRest = bytes.readableBytes > 0
        if hasRest || link.rest.readableBytes > 0 {
            link.rest = hasRest ? ByteBuffer(bytes: bytes.readableBytesView) : ByteBuffer()
        }
    }
}
