import Foundation
import FunctionBus
import Testing

/// What a broker that goes away and comes back leaves of a connection.
@Suite("Reconnecting", .enabled(if: RunningBroker.isAvailable), .timeLimit(.minutes(2)))
struct ReconnectTests {
    private func start(_ kind: BrokerKind, port: Int) async throws -> RunningBroker {
        kind == .fcbus
            ? try await RunningBroker.start(["broker", "--port", "\(port)"])
            : try await RunningBroker.startMosquitto(port: port)
    }

    @Test(
        "After a restart of the broker subscriptions and functions are there again",
        arguments: BrokerKind.allCases)
    func restart(_ kind: BrokerKind) async throws {
        let port = try TestSocket.freePort()
        let first = try await self.start(kind, port: port)
        let configuration = try BusConfiguration(broker: "mqtt://127.0.0.1:\(port)")
        let (ready, signal) = AsyncStream.makeStream(of: Void.self)
        let (events, event) = AsyncStream.makeStream(of: String.self)
        let server = Task {
            try await FunctionBus.withConnection(configuration) { bus in
                try await withThrowingTaskGroup { group in
                    group.addTask {
                        try await bus.serve(FunctionName("demo/echo"), onReady: { signal.yield() }) {
                            Response($0.payload)
                        }
                    }
                    group.addTask {
                        try await bus.subscribe(["events/#"], onReady: { signal.yield() }) { messages in
                            for await message in messages { event.yield(message.payload.text ?? "") }
                        }
                    }
                    try await group.next()
                }
            }
        }
        var readyCount = 0
        for await _ in ready {
            readyCount += 1
            if readyCount == 2 { break }
        }
        try await first.stop()
        let second = try await self.start(kind, port: port)
        do {
            var caller = configuration
            caller.clientIdentifier = "caller"
            let text = try await FunctionBus.withConnection(caller) { bus in
                try await Self.untilAnswered(bus)
            }
            #expect(text == "hi")
            var seen = events.makeAsyncIterator()
            #expect(await seen.next() == "again")
        } catch {
            Issue.record(error)
        }
        server.cancel()
        _ = try? await server.value
        try await second.stop()
    }

    /// Calls until the instance has come back, at most 20 s; then publishes an event.
    private static func untilAnswered(_ bus: FunctionBus) async throws -> String? {
        let name = try FunctionName("demo/echo")
        let deadline = ContinuousClock.now + .seconds(20)
        while true {
            do throws(BusError) {
                let reply = try await bus.call(name, "hi", options: CallOptions(timeout: .seconds(1)))
                try await bus.publish("events/x", "again", qos: 1)
                return reply.text
            } catch {
                guard ContinuousClock.now < deadline else { throw error }
                try await Task.sleep(for: .milliseconds(100))
            }
        }
    }
}
