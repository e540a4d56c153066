import Foundation
import FunctionBus
import FunctionBusTesting
import Testing

/// Every example of Documentation/sdk.md is compiled and run.
@Suite("Examples of the SDK's page", .timeLimit(.minutes(1)))
struct PageExampleTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    private static let page = Self.root.appending(path: "Documentation/sdk.md")

    /// The examples by name, without the indentation that they have in their function.
    private static func examples() throws -> [String: String] {
        let file = Self.root.appending(path: "Tests/InteroperationTests/PageExamples.swift")
        var examples: [String: String] = [:]
        var name: String?
        for line in try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n") {
            let words = line.trimmingCharacters(in: .whitespaces)
            if words == "// [end]" {
                name = nil
            } else if words.hasPrefix("// ["), words.hasSuffix("]") {
                name = String(words.dropFirst(4).dropLast())
            } else if let name {
                examples[name, default: ""] += line.dropFirst(8) + "\n"
            }
        }
        return examples
    }

    /// The page with each block behind `<!-- example: NAME -->` as the example is; and the names in their order.
    private static func made(from page: String, _ examples: [String: String]) -> (text: String, names: [String]) {
        var names: [String] = []
        let parts = page.components(separatedBy: "<!-- example: ")
        let text = parts.dropFirst().reduce(parts.first ?? "") { text, part in
            let name = part.components(separatedBy: " -->").first ?? ""
            let rest = part.components(separatedBy: "\n```").dropFirst(2).joined(separator: "\n```")
            names.append(name)
            return text + "<!-- example: \(name) -->\n```swift\n\(examples[name] ?? "")```" + rest
        }
        return (text, names)
    }

    @Test("The page shows the examples that are run, each of them, and no other")
    func page() throws {
        let page = try String(contentsOf: Self.page, encoding: .utf8)
        let examples = try Self.examples()
        let (text, names) = Self.made(from: page, examples)
        if ProcessInfo.processInfo.environment["FCBUS_WRITE_PAGES"] != nil {
            try text.write(to: Self.page, atomically: true, encoding: .utf8)
            return
        }
        #expect(page == text, "Documentation/sdk.md is stale: make pages")
        #expect(names.sorted() == examples.keys.sorted())
        #expect(page.components(separatedBy: "```swift").count == names.count + 1)
    }

    /// A broker with the functions that the examples call.
    private func withBus(_ body: (FunctionBus, InProcessBroker) async throws -> Void) async throws {
        try await InProcessBroker.run { broker in
            let hello = FunctionHandler(try FunctionName("EdgeFC/helloworld")) { _ in "hello world" }
            try await broker.serve([hello])
            try await body(try await broker.connect(), broker)
        }
    }

    /// Serves as an example does for as long as `body` takes.
    private func whileServing(
        _ serve: @escaping @Sendable (@escaping @Sendable () -> Void) async throws -> Void,
        _ body: () async throws -> Void
    ) async throws {
        let (ready, signal) = AsyncStream.makeStream(of: Void.self)
        let serving = Task {
            defer { signal.finish() }
            try await serve { signal.yield() }
        }
        _ = await ready.first { _ in true }
        try await body()
        serving.cancel()
        try await serving.value
    }

    @Test("Calling, sending, publishing and subscribing are as the page shows")
    func calling() async throws {
        try await self.withBus { bus, _ in
            let name = try FunctionName("EdgeFC/helloworld")
            #expect(try await PageExamples.call(bus) == "hello world")
            #expect(try await PageExamples.options(bus, name) == "hello world")
            #expect(try await PageExamples.errors(bus) == "nobody has ever served it")
            #expect(try await PageExamples.send(bus, name) != nil)
            try await PageExamples.publish(bus)
            #expect(try await PageExamples.subscribe(bus) == "on")
            let result = await PageExamples.seed(bus)
            #expect(result.statusCode == 200 && result.payload == "hello world")
        }
    }

    @Test("Serving is as the page shows: with options, with values, with failures, nested, reporting")
    func serving() async throws {
        try await self.withBus { bus, broker in
            let server = try await broker.connect()
            try await self.whileServing {
                try await PageExamples.serve(server, onReady: $0)
            } _: {
                let text = try await bus.call(FunctionName("demo/echo"), "again").text
                #expect(text == "again")
                let entries = try await PageExamples.directory(bus)
                #expect(entries.contains("demo/echo: Says it again, 1 instances"))
            }
            try await self.whileServing {
                try await PageExamples.typed(server, onReady: $0)
            } _: {
                let celsius = try await PageExamples.typedCall(bus)
                #expect(celsius == 21)
            }
            try await broker.serve([PageExamples.nested(bus), PageExamples.reporting()])
            #expect(try await bus.call(FunctionName("demo/polite"), "hi").text == "hello world, please")
            #expect(
                try await PageExamples.progress(bus) == ["so far 25 %", "so far 50 %", "so far 75 %", "done: copied"])
        }
    }

    @Test("Testing is as the page shows")
    func testing() async throws {
        try await PageExamples.testing()
        try await PageExamples.killing(FunctionName("demo/echo"))
        let configuration = try PageExamples.secure()
        #expect(configuration.usesTLS && configuration.port == 8883)
    }

    @Test("Connecting is as the page shows", .enabled(if: RunningBroker.isAvailable))
    func connecting() async throws {
        let hello = FunctionHandler(try FunctionName("EdgeFC/helloworld")) { _ in "hello world" }
        try await BrokerKind.fcbus.withServer([hello]) { _, broker in
            let text = try await PageExamples.connect("mqtt://127.0.0.1:\(broker.port)")
            #expect(text == "hello world")
        }
    }
}
