import Foundation
import Testing

/// Debian's mosquitto clients against our broker, as a user would type them.
@Suite("mosquitto clients", .enabled(if: RunningBroker.isAvailable), .timeLimit(.minutes(2)))
struct MosquittoClientTests {
    /// A subscriber that has its SUBACK, so that a publish after it is not lost.
    private func subscriber(_ broker: RunningBroker, _ arguments: [String]) async throws -> RunningCommand {
        let command = try RunningCommand(
            "stdbuf", ["-oL", "mosquitto_sub", "-p", "\(broker.port)", "-d"] + arguments)
        _ = try await command.line(timeout: 10) { $0.contains("Subscribed (mid") }
        return command
    }

    private func publish(_ broker: RunningBroker, _ arguments: [String]) async throws {
        let result = try await run("mosquitto_pub", ["-p", "\(broker.port)"] + arguments)
        #expect(result.code == 0, "\(result.errors)")
    }

    @Test(
        "Publish and subscribe at every QoS in every version", arguments: ["mqttv31", "mqttv311", "mqttv5"], [0, 1, 2])
    func publishSubscribe(_ version: String, _ qos: Int) async throws {
        try await RunningBroker.with { broker in
            let subscriber = try await self.subscriber(
                broker, ["-V", version, "-q", "\(qos)", "-t", "devices/+/temperature", "-F", "got %t %q %p", "-C", "1"])
            try await self.publish(
                broker, ["-V", version, "-q", "\(qos)", "-t", "devices/d1/temperature", "-m", "21.5"])
            let line = try await subscriber.line(timeout: 10) { $0.hasPrefix("got ") }
            #expect(line == "got devices/d1/temperature \(qos) 21.5")
            _ = try await subscriber.exitCode(timeout: 10)
        }
    }

    @Test("A retained message waits for its subscriber", arguments: ["mqttv311", "mqttv5"])
    func retained(_ version: String) async throws {
        try await RunningBroker.with { broker in
            try await self.publish(broker, ["-V", version, "-q", "1", "-r", "-t", "state", "-m", "on"])
            let result = try await run(
                "mosquitto_sub",
                ["-p", "\(broker.port)", "-V", version, "-t", "state", "-F", "%r %p", "-C", "1", "-W", "5"])
            #expect(result.lines == ["1 on"])
        }
    }

    @Test("A killed client leaves its will", arguments: ["mqttv311", "mqttv5"])
    func will(_ version: String) async throws {
        try await RunningBroker.with { broker in
            let watcher = try await self.subscriber(
                broker, ["-V", version, "-t", "gone", "-F", "got %p", "-C", "1"])
            let client = try await self.subscriber(
                broker, ["-V", version, "-t", "x", "--will-topic", "gone", "--will-payload", "bye"])
            client.kill9()
            #expect(try await watcher.line(timeout: 10) { $0.hasPrefix("got ") } == "got bye")
        }
    }

    @Test("A shared subscription gives each message to one member")
    func shared() async throws {
        try await RunningBroker.with { broker in
            let arguments = ["-V", "5", "-q", "1", "-t", "$share/g/work", "-F", "got %p"]
            let members = [try await self.subscriber(broker, arguments), try await self.subscriber(broker, arguments)]
            for number in 0..<6 {
                try await self.publish(broker, ["-V", "5", "-q", "1", "-t", "work", "-m", "\(number)"])
            }
            for member in members { _ = try await member.line(timeout: 10) { $0.hasPrefix("got ") } }
            let all = members.flatMap { $0.lines.filter { $0.hasPrefix("got ") } }
            #expect(Set(all).count == 6)
            #expect(all.count == 6)
            for member in members { member.terminate() }
        }
    }

    @Test("A durable session keeps QoS 1 messages while its client is away", arguments: ["mqttv311", "mqttv5"])
    func resumed(_ version: String) async throws {
        try await RunningBroker.with { broker in
            let expiry = version == "mqttv5" ? ["-x", "300"] : []
            let arguments = ["-V", version, "-i", "durable", "-c", "-q", "1", "-t", "t", "-F", "got %p"] + expiry
            let first = try await self.subscriber(broker, arguments)
            first.terminate()
            _ = try await first.exitCode(timeout: 10)
            try await self.publish(broker, ["-q", "1", "-t", "t", "-m", "while away"])
            let second = try await self.subscriber(broker, arguments)
            #expect(try await second.line(timeout: 10) { $0.hasPrefix("got ") } == "got while away")
            second.terminate()
        }
    }
}
