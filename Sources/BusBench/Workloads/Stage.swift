import BusWire
import Glibc
import NIOCore

/// What every workload does with its clients: open them in bursts, let time pass, close them.
final class Stage {
    private static let connectingMax = 64
    /// Without a client becoming ready, or one's filters being taken.
    private static let patienceSeconds: UInt64 = 60
    /// Each address has some 28 000 ports for connections to one broker.
    private static let connectionsPerSource = 20_000

    let loop: LinkLoop
    let workload: Workload
    let address: BrokerAddress
    let prefix: String

    init(_ workload: Workload, _ address: BrokerAddress) throws(BenchFailure) {
        self.workload = workload
        self.address = address
        self.prefix = "bench-\(getpid())"
        let isNATS = workload.kind == .call && address.natsPort != nil
        let socket = try SocketAddress(host: address.host, port: isNATS ? address.natsPort ?? 0 : address.port)
        self.loop = try LinkLoop(socket)
    }

    var clientSettings: MQTTClient.Settings {
        MQTTClient.Settings(prefix: self.prefix, version: self.address.version, qos: self.workload.qos)
    }

    /// Connects the clients and waits until all their subscriptions stand.
    func open(_ clients: [BenchClient]) throws(BenchFailure) {
        try Self.allowOpenFiles(self.loop.links.count + clients.count + 100)
        let target = self.loop.readyCount + clients.count
        let closedBefore = self.loop.closedCount
        var next = 0
        var progressBefore = -1
        var lastProgress = MonotonicClock.now()
        while self.loop.readyCount < target {
            let missing = target - self.loop.readyCount
            if self.loop.progressCount != progressBefore {
                progressBefore = self.loop.progressCount
                lastProgress = self.loop.now
            }
            guard self.loop.now < lastProgress + Self.patienceSeconds * 1_000_000_000 else {
                throw BenchFailure("the broker let \(missing) of \(clients.count) clients wait for a minute")
            }
            guard self.loop.closedCount == closedBefore else {
                throw BenchFailure("the broker closed a connection before its client could begin")
            }
            while next < clients.count, next - (clients.count - missing) < Self.connectingMax {
                clients[next].link = try self.loop.connect(clients[next], source: self.sourceAddress)
                next += 1
            }
            try self.loop.turn(until: MonotonicClock.now() + 10_000_000) { _ in nil }
        }
    }

    /// Further loopback addresses, once the ports of the first are used up.
    private var sourceAddress: UInt32? {
        let number = self.loop.links.count / Self.connectionsPerSource
        return number > 0 && self.loop.address.host.hasPrefix("127.") ? 0x7F00_0001 + UInt32(number) : nil
    }

    func run(seconds: Double, _ pump: (UInt64) -> UInt64?) throws(BenchFailure) {
        try self.loop.run(until: MonotonicClock.now() + UInt64(seconds * 1e9), pump)
    }

    func sample(count: Int) throws(BenchFailure) -> Sample {
        try Sample(count: count, of: self.address)
    }

    func close(_ clients: [BenchClient]) {
        for client in clients where client.link != nil { client.disconnect() }
        for client in clients {
            guard let link = client.link else { continue }
            link.flush()
            self.loop.close(link)
            client.link = nil
        }
    }

    /// Asks for as many open files as the kernel grants without privileges.
    private static func allowOpenFiles(_ count: Int) throws(BenchFailure) {
        var limit = rlimit()
        unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        guard limit.rlim_cur < UInt(count) else { return }
        limit.rlim_cur = min(limit.rlim_max, UInt(count))
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        guard limit.rlim_cur >= UInt(count) else {
            throw BenchFailure("\(count) connections need ulimit -n \(count) (it is at most \(limit.rlim_max))")
        }
    }
}
