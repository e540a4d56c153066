import BusContract
import FunctionBus
import Synchronization
import Testing

/// A broker that confirms whatever it is asked, and says of itself what it has.
private final class ScriptedTransport: Transport {
    private struct State {
        var receive: (@Sendable ([TransportEvent]) -> Void)?
        var filters: [String] = []
        var packet: Int32 = 0
    }

    private let hasSharedSubscriptions: Bool
    private let state = Mutex(State())

    init(hasSharedSubscriptions: Bool) {
        self.hasSharedSubscriptions = hasSharedSubscriptions
    }

    /// What was subscribed to, in order.
    var filters: [String] { self.state.withLock { $0.filters } }

    func start(_ receive: @escaping @Sendable ([TransportEvent]) -> Void) throws(TransportFailure) {
        self.state.withLock { $0.receive = receive }
        receive([.connected(isFcbus: false, hasSharedSubscriptions: self.hasSharedSubscriptions)])
    }

    func publish(_ message: ApplicationMessage) throws(TransportFailure) -> Int32 {
        self.confirm { .published(packet: $0, reasonCode: 0) }
    }

    func subscribe(_ filter: String, qos: Int) throws(TransportFailure) -> Int32 {
        self.state.withLock { $0.filters.append(filter) }
        return self.confirm { .subscribed(packet: $0, reasonCode: qos) }
    }

    func unsubscribe(_ filter: String) throws(TransportFailure) -> Int32 {
        self.confirm { .unsubscribed(packet: $0) }
    }

    func close() async {}

    /// From a task of its own: never from inside of what is confirmed.
    private func confirm(_ event: @escaping @Sendable (Int32) -> TransportEvent) -> Int32 {
        let (packet, receive) = self.state.withLock { state in
            state.packet += 1
            return (state.packet, state.receive)
        }
        Task { receive?([event(packet)]) }
        return packet
    }
}

@Suite("Brokers with and without shared subscriptions", .timeLimit(.minutes(1)))
struct SharedSubscriptionTests {
    private func withBus(
        _ transport: ScriptedTransport, _ body: (FunctionBus) async throws -> Void
    ) async throws {
        try await FunctionBus.withTransport(
            transport, clientIdentifier: "c", connectTimeout: .seconds(10), body)
    }

    @Test("A subscription of one's own that is shared is refused in the same words, others are not")
    func subscribing() async throws {
        try await self.withBus(ScriptedTransport(hasSharedSubscriptions: false)) { bus in
            let error = await #expect(throws: BusError.self) {
                try await bus.subscribe(["$share/g/t"]) { _ in }
            }
            #expect(error?.code == .unsupportedByBroker)
            try await bus.subscribe(["t"]) { _ in }
        }
    }

    @Test("Where the broker has them a function is served by one")
    func shared() async throws {
        let transport = ScriptedTransport(hasSharedSubscriptions: true)
        try await self.withBus(transport) { bus in
            let (ready, signal) = AsyncStream.makeStream(of: Void.self)
            let serving = Task { try await bus.serve([Sample.handler()], onReady: { signal.yield() }) }
            _ = await ready.first { _ in true }
            serving.cancel()
            try await serving.value
        }
        #expect(transport.filters.contains("$share/fc/fc/demo/echo/req/#"))
    }
}
