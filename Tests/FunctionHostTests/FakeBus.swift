import Synchronization
import Testing

@testable import FunctionHost

/// A bus in a dictionary: calls go to the functions that are served on it, or to closures a test put there.
final class FakeBus: BusClient {
    typealias Answer = @Sendable (OutgoingCall) async throws(CallFailure) -> HostedReply

    private struct State {
        var answers: [FunctionAddress: Answer] = [:]
        var served: [FunctionAddress: ServedFunction] = [:]
        var calls: [OutgoingCall] = []
        var sent: [OutgoingCall] = []
        var published: [OutgoingMessage] = []
        var filters: [String] = []
        var onMessage: (@Sendable (IncomingMessage) async -> Void)?
    }

    private let state = Mutex(State())

    var calls: [OutgoingCall] { self.state.withLock { $0.calls } }
    var sent: [OutgoingCall] { self.state.withLock { $0.sent } }
    var published: [OutgoingMessage] { self.state.withLock { $0.published } }
    var filters: [String] { self.state.withLock { $0.filters } }

    func answer(_ name: String, _ answer: @escaping Answer) throws {
        let address = try #require(FunctionAddress(name))
        self.state.withLock { $0.answers[address] = answer }
    }

    func deliver(_ message: IncomingMessage) async {
        await self.state.withLock { $0.onMessage }?(message)
    }

    func call(_ call: OutgoingCall) async throws(CallFailure) -> HostedReply {
        let (answer, served) = self.state.withLock { state in
            state.calls.append(call)
            return (state.answers[call.function], state.served[call.function])
        }
        if let answer { return try await answer(call) }
        guard let served else { throw CallFailure(404, "NO_FUNCTION", executed: .none, "no \(call.function)") }
        var request = HostedCall(payload: call.payload, requestIdentifier: "nested", context: call.context)
        request.remaining = call.timeout
        return try await served.handler(request)
    }

    func send(_ call: OutgoingCall) async throws(CallFailure) -> String? {
        self.state.withLock { state in
            state.sent.append(call)
            return "task-\(state.sent.count)"
        }
    }

    func publish(_ message: OutgoingMessage) async throws(CallFailure) {
        self.state.withLock { $0.published.append(message) }
    }

    func serve(_ functions: [ServedFunction], onReady: @escaping @Sendable () -> Void) async throws {
        self.state.withLock { state in
            for function in functions { state.served[function.address] = function }
        }
        onReady()
        try await Task.sleep(for: .seconds(3_600))
    }

    func subscribe(
        _ filters: [String], onReady: @escaping @Sendable () -> Void,
        onMessage: @escaping @Sendable (IncomingMessage) async -> Void
    ) async throws {
        self.state.withLock { state in
            state.filters = filters
            state.onMessage = onMessage
        }
        onReady()
        try await Task.sleep(for: .seconds(3_600))
    }

    /// Calls a served function as a caller on the bus would.
    func invoke(
        _ name: String, _ payload: [UInt8] = [], context: String? = nil, within limit: Duration? = .seconds(20)
    ) async -> Result<HostedReply, CallFailure> {
        guard let address = FunctionAddress(name), let served = self.state.withLock({ $0.served[address] }) else {
            return .failure(CallFailure(404, "NO_FUNCTION", executed: .none, "\(name) is not served"))
        }
        var request = HostedCall(payload: payload, requestIdentifier: "r1", context: context, remaining: limit)
        request.caller = "tester"
        do throws(CallFailure) {
            return .success(try await served.handler(request))
        } catch {
            return .failure(error)
        }
    }
}
