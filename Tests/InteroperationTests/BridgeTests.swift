import Foundation
import Testing

@Suite("Bridges of mosquitto", .enabled(if: RunningBroker.isAvailable), .timeLimit(.minutes(2)))
struct BridgeTests {
    // A bridge sets a bit in the protocol level that stock brokers refuse, and asks again without it when it is told
    // so in a form that it knows; and it leaves a will below $SYS. [MQTT311-3.1.2-2]
    @Test("connect with their default settings and carry messages both ways", arguments: ["mqttv311", "mqttv50"])
    func bothWays(_ version: String) async throws {
        try await RunningBroker.with { broker in
            let port = try TestSocket.freePort()
            let file = FileManager.default.temporaryDirectory.appending(path: "bridge-\(UUID().uuidString).conf")
            let lines = [
                "listener \(port) 127.0.0.1", "allow_anonymous true", "connection here",
                "address 127.0.0.1:\(broker.port)", "topic # both 1", "bridge_protocol_version \(version)",
                "restart_timeout 1",
            ]
            try lines.joined(separator: "\n").write(to: file, atomically: true, encoding: .utf8)
            // What is left behind is one small file in the temporary folder.
            defer { try? FileManager.default.removeItem(at: file) }
            let mosquitto = try RunningCommand("/usr/sbin/mosquitto", ["-c", file.path])
            defer { mosquitto.terminate() }
            // A refused connection means that it does not listen yet.
            for _ in 0..<500 where (try? TestSocket(port: port)) == nil {
                try await Task.sleep(for: .milliseconds(10))
            }
            let outward = try RunningCommand("mosquitto_sub", ["-p", "\(broker.port)", "-t", "out", "-C", "1"])
            defer { outward.terminate() }
            let inward = try RunningCommand("mosquitto_sub", ["-p", "\(port)", "-t", "in", "-C", "1"])
            defer { inward.terminate() }
            // The bridge comes when it comes: each side says its word until the other has heard it.
            try await self.publish("out", to: port, until: outward)
            try await self.publish("in", to: broker.port, until: inward)
            #expect(outward.lines == ["out"])
            #expect(inward.lines == ["in"])
        }
    }

    private func publish(_ topic: String, to port: Int, until subscriber: RunningCommand) async throws {
        for _ in 0..<200 where subscriber.lines.isEmpty {
            _ = try await run("mosquitto_pub", ["-p", "\(port)", "-t", topic, "-m", topic, "-q", "1"])
            try await Task.sleep(for: .milliseconds(100))
        }
    }
}
