import Foundation
import Testing

/// The short rows of abuse, load and durability; `make torture` runs the long ones too.
@Suite("Torture", .enabled(if: RunningBroker.isAvailable), .timeLimit(.minutes(5)))
struct TortureTests {
    @Test(
        "The broker stands the row",
        arguments: [
            "R04", "R06", "R07", "R08", "R09", "R11", "R12", "R13", "R14", "R18", "R19_death", "R19_one", "R20", "R21",
            "R24", "S08",
            "D01", "D02", "D03", "D05", "D08", "D09", "D11", "D12", "F01", "F02", "F03",
        ])
    func row(_ name: String) async throws {
        let binary = try #require(RunningBroker.binary)
        let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Torture/torture.py").path
        let packages = ProcessInfo.processInfo.environment["FCBUS_TEST_PYTHONPATH"] ?? ""
        let result = try await run(
            "python3", [script, binary, "short", name], timeout: 240, environment: ["PYTHONPATH": packages])
        #expect(result.code == 0, "\(result.lines.joined(separator: "\n"))")
        #expect(result.lines.contains { $0.hasPrefix("ok \(name)") })
    }
}
