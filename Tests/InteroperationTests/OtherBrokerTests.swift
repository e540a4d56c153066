import Foundation
import FunctionBus
import Testing

/// What the SDK finds out by itself on a broker that does not know calls.
@Suite("FunctionBus on another broker", .enabled(if: RunningBroker.isAvailable), .timeLimit(.minutes(2)))
struct OtherBrokerTests {
    private func failure(_ body: () async throws(BusError) -> Reply) async -> BusError? {
        do throws(BusError) {
            let reply = try await body()
            Issue.record("answered: \(reply)")
            return nil
        } catch {
            return error
        }
    }

    private func publish(_ broker: RunningBroker, _ topic: String, _ payload: String) async throws {
        let result = try await run(
            "mosquitto_pub", ["-p", "\(broker.port)", "-V", "5", "-q", "1", "-r", "-t", topic, "-m", payload])
        try #require(result.code == 0, "\(result.errors)")
    }

    @Test("A function that was announced and has no instance is told before anything is sent (503)")
    func noInstance() async throws {
        try await BrokerKind.mosquitto.withBroker { broker in
            try await self.publish(broker, "fc/_catalog/demo/gone", "{}")
            try await FunctionBus.withConnection(BusConfiguration(broker: "mqtt://127.0.0.1:\(broker.port)")) { bus in
                #expect(!bus.isConnectedToFcbus)
                let name = try FunctionName("demo/gone")
                let start = ContinuousClock.now
                let error = await self.failure { () async throws(BusError) in try await bus.call(name) }
                #expect(error?.code == .noInstance)
                #expect(error?.status == 503)
                #expect(error?.executed == BusError.Executed.none)
                #expect(ContinuousClock.now - start < .seconds(5))
            }
        }
    }

    @Test("A call may wait for an instance to appear")
    func waiting() async throws {
        try await BrokerKind.mosquitto.withBroker { broker in
            try await self.publish(broker, "fc/_catalog/demo/soon", "{}")
            let configuration = try BusConfiguration(broker: "mqtt://127.0.0.1:\(broker.port)")
            try await FunctionBus.withConnection(configuration) { bus in
                let name = try FunctionName("demo/soon")
                let first = await self.failure { () async throws(BusError) in try await bus.call(name) }
                #expect(first?.status == 503)
                var server = configuration
                server.clientIdentifier = "late"
                let serving = Task { [server] in
                    try await FunctionBus.withConnection(server) { bus in
                        try await bus.serve(name) { _ in "here" }
                    }
                }
                var options = CallOptions(timeout: .seconds(20))
                options.waitForInstance = .seconds(15)
                #expect(try await bus.call(name, options: options).text == "here")
                serving.cancel()
                _ = try await serving.value
                // Its presence went with it.
                let last = await self.failure { () async throws(BusError) in
                    try await bus.call(name, options: CallOptions(timeout: .seconds(3)))
                }
                #expect(last?.status == 503)
            }
        }
    }

    @Test("An instance that dies with the call is told by its will (502), and the call may have run (R19)")
    func lost() async throws {
        try await BrokerKind.mosquitto.withBroker { broker in
            let instance = try RunningCommand(
                "stdbuf",
                [
                    "-oL", "mosquitto_sub", "-p", "\(broker.port)", "-V", "5", "-i", "mortal", "-q", "1", "-t",
                    "$share/fc/fc/demo/mortal/req/#", "-d", "--will-topic", "fc/_inst/mortal", "--will-retain",
                    "--will-payload", "{\"status\":\"offline\"}",
                ])
            _ = try await instance.line(timeout: 10) { $0.contains("Subscribed (mid") }
            try await self.publish(broker, "fc/_catalog/demo/mortal", "{}")
            try await self.publish(broker, "fc/_inst/mortal", "{\"functions\":[\"demo/mortal\"]}")
            try await FunctionBus.withConnection(BusConfiguration(broker: "mqtt://127.0.0.1:\(broker.port)")) { bus in
                let name = try FunctionName("demo/mortal")
                let call = Task {
                    await self.failure { () async throws(BusError) in
                        try await bus.call(name, "last words", options: CallOptions(timeout: .seconds(30)))
                    }
                }
                _ = try await instance.line(timeout: 10) { $0.contains("last words") || $0.contains("PUBLISH") }
                instance.kill9()
                let error = await call.value
                #expect(error?.code == .instanceLost)
                #expect(error?.executed == .maybe)
            }
        }
    }

    @Test("An unknown function that somebody observes runs into its deadline, with a hint")
    func unannounced() async throws {
        try await BrokerKind.mosquitto.withBroker { broker in
            let configuration = try BusConfiguration(broker: "mqtt://127.0.0.1:\(broker.port)")
            try await FunctionBus.withConnection(configuration) { bus in
                try await bus.subscribe(["fc/demo/#"]) { _ in
                    let name = try FunctionName("demo/never")
                    let error = await self.failure { () async throws(BusError) in
                        try await bus.call(name, options: CallOptions(timeout: .milliseconds(300)))
                    }
                    #expect(error?.code == .localTimeout)
                    #expect(error?.message.contains("nobody has announced it") == true)
                }
            }
        }
    }
}
