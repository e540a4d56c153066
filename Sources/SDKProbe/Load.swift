import FunctionBus
import Synchronization

/// A caller and an instance, as an application writes them.
struct Load: Sendable {
    private let caller: FunctionBus
    private let arrivals: Arrivals
    private let name: FunctionName

    static func with(broker: String, _ body: (Load) async throws -> Void) async throws {
        let name = try FunctionName("load/echo")
        var options = ServeOptions()
        options.concurrency = 64
        let handler = FunctionHandler(name, options: options) { Response($0.payload) }
        let arrivals = Arrivals()
        let configuration = try BusConfiguration(broker: broker)
        let (ready, signal) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await FunctionBus.withConnection(configuration) { bus in
                    try await bus.serve([handler], onReady: { signal.yield() })
                }
            }
            group.addTask {
                try await FunctionBus.withConnection(BusConfiguration(broker: broker)) { bus in
                    try await bus.subscribe(["load/echo"], qos: 1, onReady: { signal.yield() }) { messages in
                        for await _ in messages { arrivals.add() }
                    }
                }
            }
            var iterator = ready.makeAsyncIterator()
            for _ in 0..<2 { await iterator.next() }
            try await FunctionBus.withConnection(BusConfiguration(broker: broker)) { bus in
                try await body(Load(caller: bus, arrivals: arrivals, name: name))
            }
            group.cancelAll()
        }
    }

    func calls(_ count: Int, window: Int) async throws {
        try await self.inParallel(window) { _ in
            for _ in 0..<(count / window) { _ = try await self.caller.call(self.name, "hello") }
        }
    }

    func messages(_ count: Int, burst: Int) async throws {
        for _ in 0..<(count / burst) {
            self.arrivals.reset()
            for _ in 0..<burst { try await self.caller.publish("load/echo", "hello", qos: 0) }
            await self.arrivals.wait(for: burst)
        }
    }

    private func inParallel(_ count: Int, _ body: @escaping @Sendable (Int) async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<count { group.addTask { try await body(number) } }
            try await group.waitForAll()
        }
    }
}

/// Counts messages; wakes who waits for a number of them.
final class Arrivals: Sendable {
    private struct State {
        var count = 0
        var goal = Int.max
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func reset() { self.state.withLock { $0.count = 0 } }

    func add() {
        let waiter = self.state.withLock { state in
            state.count += 1
            return state.count >= state.goal ? state.waiter.take() : nil
        }
        waiter?.resume()
    }

    /// Nothing is lost on a loopback that both ends keep up with.
    func wait(for goal: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = self.state.withLock { state in
                guard state.count < goal else { return true }
                state.goal = goal
                state.waiter = continuation
                return false
            }
            if isThere { continuation.resume() }
        }
        self.state.withLock { $0.goal = .max }
    }
}
