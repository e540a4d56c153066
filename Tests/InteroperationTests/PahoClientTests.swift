import Foundation
import Testing

/// paho-mqtt 2 from PyPI against our broker.
@Suite("paho-mqtt", .enabled(if: RunningBroker.isAvailable), .timeLimit(.minutes(2)))
struct PahoClientTests {
    @Test("Every conversation of the script goes well")
    func conversations() async throws {
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "paho_client.py").path
        let path = ProcessInfo.processInfo.environment["FCBUS_TEST_PYTHONPATH"] ?? ""
        try await RunningBroker.with { broker in
            let result = try await run(
                "python3", [script, "\(broker.port)"], timeout: 60, environment: ["PYTHONPATH": path])
            #expect(result.code == 0, "\(result.errors)")
            #expect(result.lines.count == 13)
            #expect(result.lines.allSatisfy { $0.hasPrefix("ok ") })
        }
    }
}
