import Synchronization
import Testing

@testable import FunctionHost

/// A bus in a dictionary: calls go to the functions that are served on it, or to closures a test put there.
///
/// Several hosts may be on it: the last registration of a name gets its calls, shared subscriptions take turns.
final class FakeBus: BusClient {
    typealias Answer = @Sendable (OutgoingCall) async throws(CallFailure) -> HostedReply

    struct Subscription: Sendable {
        var filters: [String]
        var onMessage: @Sendable (IncomingMessage) async -> Void
    }

    struct State {
        var answers: [FunctionAddress: Answer] = [:]
        var served: [FunctionAddress: [Int: ServedFunction]] = [:]
        var registrations: [FunctionAddress] = []
        var open: [FunctionAddress: Int] = [:]
        var calls: [OutgoingCall] = []
        var sent: [OutgoingCall] = []
        var published: [OutgoingMessage] = []
        var subscriptions: [Int: Subscription] = [:]
        var separateClients = 0
        var nextIdentifier = 1
        var nextRequest = 1
        /// Registrations that are to fail.
        var refusals = 0
        /// Async calls whose answer is to be lost, while they are taken.
        var lostSends = 0
        var triggers: TriggerStatistics?
    }

    let state = Mutex(State())
    /// Whether async calls are run, or only noted.
    private let runsAsync: Bool
    /// Async calls are not taken before this is up.
    private let gate: Flag?

    init(runsAsync: Bool = true, gate: Flag? = nil) {
        self.runsAsync = runsAsync
        self.gate = gate
    }

    var calls: [OutgoingCall] { self.state.withLock { $0.calls } }
    var sent: [OutgoingCall] { self.state.withLock { $0.sent } }
    var published: [OutgoingMessage] { self.state.withLock { $0.published } }
    var triggers: TriggerStatistics? { self.state.withLock { $0.triggers } }
    var separateClients: Int { self.state.withLock { $0.separateClients } }
    /// Each registration that was ever made.
    var registrations: [String] { self.state.withLock { $0.registrations.map(\.description) } }
    /// What is served now.
    var served: Set<String> {
        self.state.withLock { Set($0.served.filter { !$0.value.isEmpty }.keys.map(\.description)) }
    }
    var filters: [String] { self.state.withLock { $0.subscriptions.values.flatMap(\.filters).sorted() } }

    func answer(_ name: String, _ answer: @escaping Answer) throws {
        let address = try #require(FunctionAddress(name))
        self.state.withLock { $0.answers[address] = answer }
    }

    /// As a broker does it: a copy for each filter, and only one for all members of a shared one.
    func deliver(_ message: IncomingMessage) async {
        let takers = self.state.withLock { state in
            var takers: [String: (Int, Subscription)] = [:]
            for (identifier, subscription) in state.subscriptions.sorted(by: { $0.key < $1.key }) {
                for filter in subscription.filters where TopicMatch.matches(filter, message.topic) {
                    let key = filter.hasPrefix("$share/") ? filter : "\(identifier) \(filter)"
                    // Takes turns by the payload's last byte, so that a test can tell whose turn it is.
                    if takers[key] == nil || (message.payload.last ?? 0) % 2 == 1 {
                        takers[key] = (identifier, subscription)
                    }
                }
            }
            return takers.values.map(\.1)
        }
        for taker in takers { await taker.onMessage(message) }
    }

    func call(_ call: OutgoingCall) async throws(CallFailure) -> HostedReply {
        let (answer, number) = self.state.withLock { state in
            state.calls.append(call)
            state.nextRequest += 1
            return (state.answers[call.function], state.nextRequest)
        }
        if let answer { return try await answer(call) }
        var request = HostedCall(payload: call.payload, requestIdentifier: "nested\(number)", context: call.context)
        request.remaining = call.timeout
        request.chain = call.chain
        request.hops = call.chain.links.count
        return try await self.run(request, at: call.function).get()
    }

    func send(_ call: OutgoingCall) async throws(CallFailure) -> String? {
        while let gate = self.gate, !gate.isUp { try? await Task.sleep(for: .milliseconds(2)) }
        let (number, isNew, isLost) = self.state.withLock { state in
            state.lostSends -= 1
            let known = call.once.flatMap { once in state.sent.firstIndex { $0.once == once } }
            if known == nil { state.sent.append(call) }
            return (known.map { $0 + 1 } ?? state.sent.count, known == nil, state.lostSends >= 0)
        }
        if isLost { throw CallFailure(502, "LOST", executed: .maybe, "the answer was lost") }
        if self.runsAsync, isNew {
            var request = HostedCall(payload: call.payload, requestIdentifier: "task-\(number)")
            request.hops = call.hops ?? 0
            request.task = "task-\(number)"
            let fixed = request
            self.count(call.function, 1)
            Task {
                _ = await self.run(fixed, at: call.function)
                self.count(call.function, -1)
            }
        }
        return "task-\(number)"
    }

    func publish(_ message: OutgoingMessage) async throws(CallFailure) {
        self.state.withLock { $0.published.append(message) }
    }

    func serve(_ functions: [ServedFunction], onReady: @escaping @Sendable () -> Void) async throws {
        let isRefused = self.state.withLock { state in
            state.refusals -= 1
            return state.refusals >= 0
        }
        if isRefused { throw CallFailure(503, "NO_BUS", executed: .none, "the bus is away") }
        let identifier = self.state.withLock { state in
            state.nextIdentifier += 1
            for function in functions {
                state.served[function.address, default: [:]][state.nextIdentifier] = function
                state.registrations.append(function.address)
            }
            return state.nextIdentifier
        }
        onReady()
        // Ends by cancellation only; then running calls are finished, as on the real bus.
        while (try? await Task.sleep(for: .seconds(3_600))) != nil {}
        await Task {
            while self.isOpen(functions) { try? await Task.sleep(for: .milliseconds(2)) }
        }.value
        self.state.withLock { state in
            for function in functions { state.served[function.address]?[identifier] = nil }
        }
    }

    private func isOpen(_ functions: [ServedFunction]) -> Bool {
        self.state.withLock { state in functions.contains { (state.open[$0.address] ?? 0) > 0 } }
    }

    func subscribe(
        _ filters: [String], onReady: @escaping @Sendable () -> Void,
        onMessage: @escaping @Sendable (IncomingMessage) async -> Void
    ) async throws {
        let identifier = self.state.withLock { state in
            state.nextIdentifier += 1
            state.subscriptions[state.nextIdentifier] = Subscription(filters: filters, onMessage: onMessage)
            return state.nextIdentifier
        }
        defer { self.state.withLock { $0.subscriptions[identifier] = nil } }
        onReady()
        try await Task.sleep(for: .seconds(3_600))
    }

    func reportTriggers(_ statistics: TriggerStatistics) {
        self.state.withLock { $0.triggers = statistics }
    }

    func withSeparateClient(_ body: @Sendable (any BusClient) async throws -> Void) async throws {
        self.state.withLock { $0.separateClients += 1 }
        try await body(self)
    }

    /// Calls a served function as a caller on the bus would.
    func invoke(
        _ name: String, _ payload: [UInt8] = [], context: String? = nil, within limit: Duration? = .seconds(20)
    ) async -> Result<HostedReply, CallFailure> {
        guard let address = FunctionAddress(name) else {
            return .failure(CallFailure(404, "NO_FUNCTION", executed: .none, "\(name) is not a name"))
        }
        var request = HostedCall(payload: payload, requestIdentifier: "r1", context: context, remaining: limit)
        request.caller = "tester"
        return await self.run(request, at: address)
    }

    func run(_ request: HostedCall, at address: FunctionAddress) async -> Result<HostedReply, CallFailure> {
        let served = self.state.withLock { state in
            state.served[address]?.max { $0.key < $1.key }?.value
        }
        guard let served else {
            return .failure(CallFailure(404, "NO_FUNCTION", executed: .none, "\(address) is not served"))
        }
        self.count(address, 1)
        defer { self.count(address, -1) }
        do throws(CallFailure) {
            return .success(try await served.handler(request))
        } catch {
            return .failure(error)
        }
    }

    private func count(_ address: FunctionAddress, _ change: Int) {
        self.state.withLock { $0.open[address, default: 0] += change }
    }
}

/// Which topics a filter matches, written once more for the tests.
enum TopicMatch {
    static func matches(_ filter: String, _ topic: String) -> Bool {
        var levels = filter.split(separator: "/", omittingEmptySubsequences: false)[...]
        if levels.first == "$share" { levels = levels.dropFirst(2) }
        let topicLevels = topic.split(separator: "/", omittingEmptySubsequences: false)
        for (index, level) in levels.enumerated() {
            if level == "#" { return true }
            guard index < topicLevels.count, level == "+" || level == topicLevels[index] else { return false }
        }
        return levels.count == topicLevels.count
    }
}
