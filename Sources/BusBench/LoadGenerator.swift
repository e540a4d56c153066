import BusWire
import NIOCore
import NIOPosix

/// What one run of a scenario showed.
package struct BenchResult: Sendable {
    package var scenario: Scenario
    package var broker: String
    package var seconds: Double
    package var delivered: Int
    /// CPU time of the broker's process per delivered message, in microseconds.
    package var brokerMicroseconds: Double
    /// Messages that arrived twice or out of order, or did not arrive within two seconds after the last publish.
    package var faults: Int
    package var lost: Int

    package var rate: Double { Double(self.delivered) / self.seconds }
}

/// Drives one scenario against a broker from a single event loop.
package struct LoadGenerator {
    private let address: BrokerAddress

    package init(_ address: BrokerAddress) {
        self.address = address
    }

    /// - Parameters:
    ///   - seconds: length of the measured part; a fifth of it runs before, unmeasured.
    /// - Throws: `BenchFailure` when the broker refuses or vanishes.
    package func run(_ scenario: Scenario, seconds: Double) async throws -> BenchResult {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        do {
            let measurement = try await self.run(scenario, seconds: seconds, on: group.next())
            try await group.shutdownGracefully()
            return measurement
        } catch {
            try await group.shutdownGracefully()
            throw error
        }
    }

    private func run(_ scenario: Scenario, seconds: Double, on loop: any EventLoop) async throws -> BenchResult {
        let flows = try await loop.submit {
            NIOLoopBound((0..<scenario.publisherCount).map { Flow(scenario, index: $0) }, eventLoop: loop)
        }.get()
        for index in 0..<scenario.subscriberCount {
            let role = BenchClient.Role.subscriber(index: index, filter: scenario.filter(ofSubscriber: index))
            _ = try await self.connect(role, name: "bench-s\(index)", scenario, flows, on: loop)
        }
        for index in 0..<scenario.publisherCount {
            let channel = try await self.connect(
                .publisher(index: index), name: "bench-p\(index)", scenario, flows, on: loop)
            try await loop.submit { flows.value[index].start(on: channel) }.get()
        }
        try await Task.sleep(for: .seconds(seconds / 5))
        let before = try await self.sample(flows, on: loop)
        try await Task.sleep(for: .seconds(seconds))
        let after = try await self.sample(flows, on: loop)
        let (faults, lost) = try await self.finish(flows, on: loop)
        let delivered = max(1, after.delivered - before.delivered)
        return BenchResult(
            scenario: scenario, broker: self.address.name, seconds: after.time - before.time, delivered: delivered,
            brokerMicroseconds: (after.cpu - before.cpu) * 1_000_000 / Double(delivered), faults: faults, lost: lost)
    }

    private struct Sample {
        var time: Double
        var cpu: Double
        var delivered: Int
    }

    private func sample(_ flows: NIOLoopBound<[Flow]>, on loop: any EventLoop) async throws -> Sample {
        let cpu = try ProcessorTime.seconds(ofProcess: self.address.process)
        let delivered = try await loop.submit { flows.value.reduce(0) { $0 + $1.deliveredCount } }.get()
        return Sample(
            time: Double(NIODeadline.now().uptimeNanoseconds) / 1e9, cpu: cpu, delivered: delivered)
    }

    /// Stops publishing and waits for what is under way, at most two seconds.
    private func finish(
        _ flows: NIOLoopBound<[Flow]>, on loop: any EventLoop
    ) async throws -> (faults: Int, lost: Int) {
        try await loop.submit { for flow in flows.value { flow.isStopped = true } }.get()
        var lost = 0
        for _ in 0..<100 {
            lost = try await loop.submit { flows.value.reduce(0) { $0 + $1.underWay } }.get()
            if lost == 0 { break }
            try await Task.sleep(for: .milliseconds(20))
        }
        let faults = try await loop.submit { flows.value.reduce(0) { $0 + $1.faults.duplicatedOrReordered } }.get()
        return (faults, lost)
    }

    private func connect(
        _ role: BenchClient.Role, name: String, _ scenario: Scenario, _ flows: NIOLoopBound<[Flow]>,
        on loop: any EventLoop
    ) async throws -> any Channel {
        let ready = loop.makePromise(of: Void.self)
        let channel = try await ClientBootstrap(group: loop)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let client = BenchClient(
                        role, name: name, qos: scenario.qos, flows: flows.value, ready: ready)
                    try channel.pipeline.syncOperations.addHandler(client)
                }
            }
            .connect(host: self.address.host, port: self.address.port).get()
        try await ready.futureResult.get()
        return channel
    }
}

/// A broker to be measured.
package struct BrokerAddress: Sendable {
    package var name: String
    package var host: String
    package var port: Int
    /// The process whose CPU time counts.
    package var process: Int32
}
