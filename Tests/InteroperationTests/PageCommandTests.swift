import Foundation
import FunctionBus
import Testing

/// What the pages show is what happens.
@Suite("Pages", .enabled(if: RunningBroker.isAvailable), .timeLimit(.minutes(2)))
struct PageCommandTests {
    private func run(_ blocks: [PageCommands.Block]) async throws {
        let functions = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Examples/functions").path
        let binary = try #require(RunningBroker.binary)
        try await RunningBroker.with(["up", "--functions", functions, "--port", "0"]) { broker in
            let configuration = try BusConfiguration(broker: "mqtt://127.0.0.1:\(broker.port)")
            try await FunctionBus.withConnection(configuration) { bus in
                let page = PageCommands(port: broker.port, binary: binary, bus: bus)
                for block in blocks { try await page.run(block) }
            }
        }
    }

    @Test("Stock clients print what Documentation/protocol.md shows")
    func protocolPage() async throws {
        let blocks = PageCommands.blocks(of: "Documentation/protocol.md")
        try #require(blocks.count >= 5)
        try await self.run(blocks)
    }

    @Test("The first five minutes of README.md print what it shows")
    func readme() async throws {
        var blocks = PageCommands.blocks(of: "README.md")
        // Those without a line to compare are for a person to watch, and never end.
        for number in blocks.indices { blocks[number].commands.removeAll { $0.printed.isEmpty } }
        try #require(blocks.contains { $0.commands.count >= 3 })
        try await self.run(blocks)
    }

    @Test(
        "A shown line fits what is printed, with anything in place of an ellipsis",
        arguments: [
            ("abc", "abc", true), ("abc", "ab", false), ("abc", "a…", true), ("abc", "b…", false),
            ("abcabc", "a…c", true), ("abcd", "a…c", false), ("abc", "…", true), ("abc", "…b…", true),
        ])
    func fitting(_ line: String, _ shown: String, _ fits: Bool) {
        #expect(PageCommands.fits(line, shown) == fits)
    }
}
