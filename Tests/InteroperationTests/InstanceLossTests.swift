import Foundation
import FunctionBus
import Synchronization
import Testing

/// What the SDK's callers see when the processes that serve them die or go.
@Suite("Losing instances", .enabled(if: RunningBroker.isAvailable), .timeLimit(.minutes(2)))
struct InstanceLossTests {
    private static let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Torture/instance.py").path

    /// A stock client as an instance that answers when it ends.
    private func holder(_ broker: RunningBroker, _ name: String, capacity: Int) async throws -> RunningCommand {
        let holder = try RunningCommand(
            "python3", [Self.script, "\(broker.port)", name, "demo/work", "never", "\(capacity)"])
        _ = try await holder.line(timeout: 20) { $0 == "ready" }
        return holder
    }

    private func server(_ broker: RunningBroker, concurrency: Int = 4) async throws -> RunningCommand {
        let binary = try #require(RunningBroker.binary)
        let server = try RunningCommand(
            binary,
            [
                "serve", "demo/work", "--concurrency", "\(concurrency)", "--timeout", "30s", "--broker",
                "mqtt://127.0.0.1:\(broker.port)", "--", "cat",
            ])
        _ = try await server.line(timeout: 20) { $0 == "ready demo/work" }
        return server
    }

    @Test("A killed instance's calls end at once: those that may run twice elsewhere, the others with 502 maybe (R19)")
    func death() async throws {
        try await RunningBroker.with { broker in
            let doomed = try await self.holder(broker, "doomed", capacity: 200)
            try await FunctionBus.withConnection(BusConfiguration(broker: "mqtt://127.0.0.1:\(broker.port)")) { bus in
                let (ends, killed) = try await withThrowingTaskGroup(of: End.self) { group in
                    for number in 0..<100 { group.addTask { try await End(of: bus, number) } }
                    _ = try await doomed.line(timeout: 20) { $0 == "100" }
                    let other = try await self.server(broker, concurrency: 2)
                    doomed.kill9()
                    let killed = ContinuousClock.now
                    let ends = try await group.reduce(into: [End]()) { $0.append($1) }
                    other.terminate()
                    #expect(try await other.exitCode(timeout: 10) == 0)
                    return (ends, killed)
                }
                let again = ends.filter(\.isIdempotent)
                let once = ends.filter { !$0.isIdempotent }
                #expect(again.count == 50 && again.allSatisfy { $0.failure == nil })
                #expect(once.count == 50)
                #expect(once.allSatisfy { $0.failure?.code == .instanceLost && $0.failure?.executed == .maybe })
                let told = try #require(once.map { $0.at - killed }.max())
                print("50 callers were told after \(told) that their instance is gone")
                #expect(told < .seconds(5))
            }
        }
    }

    @Test("An instance that is told to end under load loses no call, and ends well (D11)")
    func draining() async throws {
        try await RunningBroker.with { broker in
            let leaving = try await self.server(broker)
            let staying = try await self.server(broker)
            let load = Load { leaving.terminate() }
            let configuration = try BusConfiguration(broker: "mqtt://127.0.0.1:\(broker.port)")
            let failures = try await FunctionBus.withConnection(configuration) { bus in
                try await withThrowingTaskGroup(of: [BusError].self) { group in
                    for caller in 0..<8 { group.addTask { try await load.run(on: bus, caller) } }
                    return try await group.reduce(into: []) { $0 += $1 }
                }
            }
            #expect(failures.map(\.description) == [])
            #expect(try await leaving.exitCode(timeout: 20) == 0)
            staying.terminate()
            #expect(try await staying.exitCode(timeout: 20) == 0)
        }
    }
}

/// How a call ended; one with an even number may run twice.
private struct End {
    let isIdempotent: Bool
    let failure: BusError?
    let at: ContinuousClock.Instant

    init(of bus: FunctionBus, _ number: Int) async throws {
        var options = CallOptions(timeout: .seconds(30))
        options.isIdempotent = number.isMultiple(of: 2)
        let name = try FunctionName("demo/work")
        var failure: BusError?
        do throws(BusError) {
            let text = try await bus.call(name, "\(number)", options: options).text
            #expect(text == "\(number)")
        } catch {
            failure = error
        }
        self.isIdempotent = number.isMultiple(of: 2)
        self.failure = failure
        self.at = .now
    }
}

/// Callers that call one after the other, and something that happens in the midst of it.
private final class Load: Sendable {
    private let answered = Mutex(0)
    private let happens: @Sendable () -> Void

    init(happens: @escaping @Sendable () -> Void) {
        self.happens = happens
    }

    /// None of the calls is tried a second time.
    func run(on bus: FunctionBus, _ caller: Int) async throws -> [BusError] {
        var failures: [BusError] = []
        for number in 0..<25 {
            if let failure = try await End(of: bus, caller * 50 + number * 2 + 1).failure { failures.append(failure) }
            let isDue = self.answered.withLock { answered in
                answered += 1
                return answered == 50
            }
            if isDue { self.happens() }
        }
        return failures
    }
}
