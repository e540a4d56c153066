import Foundation
import Logging
import Synchronization
import Testing

@testable import FunctionHost

/// A host that runs on a fake bus for the time of a test.
struct TestHost: Sendable {
    let bus: FakeBus
    let log: LogRecord
    let host: FunctionHost

    /// Runs the host over `folder`, waits until it is ready, and ends it after `body`.
    /// - Parameter weight: How much of the machine it takes; 0 inside of another one.
    static func with<Result: Sendable>(
        _ folder: String, bus: FakeBus = FakeBus(), weight: Int = 1,
        _ body: @Sendable (TestHost) async throws -> Result
    ) async throws -> Result {
        await HostSlots.shared.take(weight)
        defer { HostSlots.shared.give(weight) }
        let log = LogRecord()
        let logger = Logger(label: "test") { _ in log.handler() }
        let host = try FunctionHost(directory: folder, python: Self.python, client: bus, logger: logger)
        let ready = AsyncStream.makeStream(of: Void.self)
        let running = Task {
            defer { ready.continuation.finish() }
            try await host.run(onReady: { ready.continuation.yield() })
        }
        for await _ in ready.stream { break }
        let outcome: Swift.Result<Result, any Error>
        do {
            outcome = .success(try await body(TestHost(bus: bus, log: log, host: host)))
        } catch {
            outcome = .failure(error)
        }
        running.cancel()
        try await running.value
        return try outcome.get()
    }

    /// The same over a test's own folder, which stays until the host has ended.
    static func with<Result: Sendable>(
        _ folder: FunctionFolder, bus: FakeBus = FakeBus(), weight: Int = 1,
        _ body: @Sendable (TestHost) async throws -> Result
    ) async throws -> Result {
        defer { withExtendedLifetime(folder) {} }
        return try await self.with(folder.path, bus: bus, weight: weight, body)
    }

    /// The Python side straight from the sources.
    static var python: PythonRuntime {
        let sources = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Sources/FunctionHost/Python")
        let interpreter = ProcessInfo.processInfo.environment["FCBUS_PYTHON"] ?? "python3"
        return PythonRuntime(folder: sources.path, interpreter: interpreter)
    }

    static var examples: String {
        URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Examples/functions").path
    }

    func text(_ name: String, _ payload: String = "", context: String? = nil) async throws -> String {
        let reply = try await self.bus.invoke(name, [UInt8](payload.utf8), context: context).get()
        return String(decoding: reply.payload, as: UTF8.self)
    }

    /// Calls a function and checks the text of its answer.
    func expect(
        _ name: String, _ payload: String = "", context: String? = nil, answers expected: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let answer = try await self.text(name, payload, context: context)
        #expect(answer == expected, sourceLocation: sourceLocation)
    }

    func failure(
        _ name: String, _ payload: String = "", within limit: Duration = .seconds(20)
    ) async throws
        -> CallFailure
    {
        let result = await self.bus.invoke(name, [UInt8](payload.utf8), within: limit)
        guard case .failure(let failure) = result else {
            throw UnexpectedSuccess()
        }
        return failure
    }

    struct UnexpectedSuccess: Error {}
}

/// Everything that was logged.
final class LogRecord: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { self.lines.withLock { $0 } }

    func handler() -> any LogHandler { Handler(record: self) }

    /// Waits for a line that holds `text`: lines travel on a pipe of their own.
    func wait(for text: String, within limit: Duration = .seconds(60)) async -> Bool {
        let start = ContinuousClock.now
        while ContinuousClock.now - start < limit {
            if self.all.contains(where: { $0.contains(text) }) { return true }
            try? await Task.sleep(for: .milliseconds(5))
        }
        return false
    }

    private struct Handler: LogHandler {
        let record: LogRecord
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.debug

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { self.metadata[key] }
            set { self.metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let merged = self.metadata.merging(event.metadata ?? [:]) { _, new in new }
            let text = merged.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
            self.record.lines.withLock { $0.append("\(event.level): \(event.message) \(text)") }
        }
    }
}
