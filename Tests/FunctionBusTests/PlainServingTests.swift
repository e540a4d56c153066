import FunctionBus
import Synchronization
import Testing

/// Where every instance gets every request, and they decide among themselves.
@Suite("Serving without shared subscriptions", .timeLimit(.minutes(1)))
struct PlainServingTests {
    /// Who has run what, in order.
    private final class Log: Sendable {
        private let state = Mutex<[(instance: String, payload: String)]>([])

        func add(_ instance: String, _ payload: String) { self.state.withLock { $0.append((instance, payload)) } }
        var payloads: [String] { self.state.withLock { $0.map(\.payload) } }
        var instances: [String] { self.state.withLock { $0.map(\.instance) } }
    }

    /// An instance of demo/echo until its task is cancelled; returns when it serves.
    private func instance(_ client: String, at network: PlainNetwork, _ log: Log) async throws -> Task<Void, any Error>
    {
        let (ready, signal) = AsyncStream.makeStream(of: Void.self)
        let handler = FunctionHandler(try FunctionName("demo/echo")) { request in
            log.add(client, request.payload.text ?? "")
            return Response(request.payload)
        }
        let task = Task {
            defer { signal.finish() }
            try await FunctionBus.withTransport(
                network.transport(client), clientIdentifier: client, connectTimeout: .seconds(10)
            ) { bus in
                try await bus.serve([handler], onReady: { signal.yield() })
            }
        }
        if await ready.first(where: { _ in true }) == nil { try await task.value }
        return task
    }

    private func caller(
        at network: PlainNetwork, _ body: (FunctionBus) async throws -> Void
    ) async throws {
        try await FunctionBus.withTransport(
            network.transport("caller"), clientIdentifier: "caller", connectTimeout: .seconds(10), body)
    }

    @Test("Each call runs once, at one of the instances", arguments: PlainNetwork.Word.allCases, [true, false])
    func calls(_ word: PlainNetwork.Word, _ keepsRetained: Bool) async throws {
        let network = PlainNetwork(word, keepsRetained: keepsRetained)
        let log = Log()
        var instances: [Task<Void, any Error>] = []
        for client in ["i1", "i2", "i3"] { instances.append(try await self.instance(client, at: network, log)) }
        let payloads = (0..<60).map { "\($0)" }
        try await self.caller(at: network) { bus in
            let name = try FunctionName("demo/echo")
            for payload in payloads { #expect(try await bus.call(name, payload).text == payload) }
        }
        #expect(log.payloads == payloads)
        #expect(Set(log.instances) == ["i1", "i2", "i3"])
        #expect(network.filters(of: "i1").contains("fc/demo/echo/req/#"))
        // It is asked once by each, and no more.
        #expect(network.sharedCount == (word == .connack ? 0 : 3))
        for instance in instances { instance.cancel() }
        for instance in instances { try await instance.value }
    }

    @Test("Calls of one key go to one instance, and so do one-way calls")
    func keys() async throws {
        let network = PlainNetwork()
        let log = Log()
        let first = try await self.instance("i1", at: network, log)
        let second = try await self.instance("i2", at: network, log)
        try await self.caller(at: network) { bus in
            var options = CallOptions()
            options.key = "device-7"
            for number in 0..<10 {
                try await bus.send(try FunctionName("demo/echo"), Payload("\(number)"), options: options)
                _ = try await bus.call(try FunctionName("demo/echo"), "\(number)", options: options)
            }
        }
        #expect(log.payloads.count == 20)
        #expect(Set(log.instances).count == 1)
        first.cancel()
        second.cancel()
        try await first.value
        try await second.value
    }

    @Test("Instances that come and go under calls lose none, and none runs twice", arguments: [true, false])
    func changes(_ keepsRetained: Bool) async throws {
        let network = PlainNetwork(keepsRetained: keepsRetained)
        let log = Log()
        let first = try await self.instance("i1", at: network, log)
        let (total, perRound) = (300, 100)
        try await self.caller(at: network) { bus in
            let name = try FunctionName("demo/echo")
            let calls = Task {
                for number in 0..<total {
                    _ = try await bus.call(name, "\(number)", options: CallOptions(timeout: .seconds(5)))
                    // Slow enough for the others to come and go meanwhile.
                    if number < total - perRound { try await Task.sleep(for: .milliseconds(5)) }
                }
            }
            let second = try await self.instance("i2", at: network, log)
            let third = try await self.instance("i3", at: network, log)
            first.cancel()
            try await first.value
            second.cancel()
            try await second.value
            try await calls.value
            third.cancel()
            try await third.value
        }
        #expect(log.payloads == (0..<total).map { "\($0)" })
        #expect(Set(log.instances) == ["i1", "i2", "i3"])
    }

    @Test("An instance that has lost its connection is one again with the next", arguments: [true, false])
    func reconnect(_ keepsRetained: Bool) async throws {
        let network = PlainNetwork(keepsRetained: keepsRetained)
        let log = Log()
        let first = try await self.instance("i1", at: network, log)
        let second = try await self.instance("i2", at: network, log)
        network.cut("i1")
        try await self.caller(at: network) { bus in
            var number = 0
            while !log.instances.contains("i1") {
                number += 1
                _ = try await bus.call(try FunctionName("demo/echo"), "\(number)")
                try await Task.sleep(for: .milliseconds(5))
            }
            #expect(log.payloads == (1...number).map { "\($0)" })
        }
        first.cancel()
        second.cancel()
        try await first.value
        try await second.value
    }

    @Test("A function whose last instance has gone is known to have none, although nobody has kept that it existed")
    func gone() async throws {
        let network = PlainNetwork(keepsRetained: false)
        let log = Log()
        let instance = try await self.instance("i1", at: network, log)
        try await self.caller(at: network) { bus in
            let name = try FunctionName("demo/echo")
            _ = try await bus.call(name, "x")
            instance.cancel()
            try await instance.value
            let error = await #expect(throws: BusError.self) { try await bus.call(name, "y") }
            #expect(error?.status == 503)
            #expect(error?.executed == BusError.Executed.none)
        }
        #expect(log.payloads == ["x"])
    }

    @Test("Who has heard of one instance only asks for the others before it says that there is none")
    func partialKnowledge() async throws {
        let network = PlainNetwork(keepsRetained: false)
        let log = Log()
        let first = try await self.instance("i1", at: network, log)
        try await self.caller(at: network) { bus in
            _ = try? await bus.call(try FunctionName("other/function"), options: CallOptions(timeout: .seconds(1)))
            let second = try await self.instance("i2", at: network, log)
            second.cancel()
            try await second.value
            #expect(try await bus.call(try FunctionName("demo/echo"), "x").text == "x")
        }
        #expect(log.instances == ["i1"])
        first.cancel()
        try await first.value
    }

    @Test("The directory has the instances, although nobody has kept what they said", arguments: [true, false])
    func directory(_ keepsRetained: Bool) async throws {
        let network = PlainNetwork(keepsRetained: keepsRetained)
        let log = Log()
        let first = try await self.instance("i1", at: network, log)
        let second = try await self.instance("i2", at: network, log)
        try await self.caller(at: network) { bus in
            let entries = try await bus.directory()
            #expect(entries.map(\.name.description) == ["demo/echo"])
            #expect(Set(entries.first?.instances.map(\.identifier) ?? []) == ["i1", "i2"])
        }
        for instance in [first, second] {
            instance.cancel()
            try await instance.value
        }
    }
}
