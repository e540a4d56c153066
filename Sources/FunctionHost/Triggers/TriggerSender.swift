import Logging
import Synchronization

/// Hands events to the bus as async calls of one function.
///
/// From there the bus answers for them, with the retries of an async call. Until it has taken an event, which it may
/// refuse for a while, the event is offered again.
final class TriggerSender: Sendable {
    /// A schedule that is due.
    struct Tick: Hashable, Sendable {
        var event: [UInt8]
        var attempts: Int?
        var name: OnceName
        var cause: String
    }

    private let function: FunctionAddress
    private let client: any BusClient
    private let logger: Logger
    private let origin = ContinuousClock.now
    private let throttle = Mutex(LogThrottle())

    /// Offers of one event: over about six seconds in all.
    private static let offersMax = 7

    init(_ function: FunctionAddress, client: any BusClient, logger: Logger) {
        self.function = function
        self.client = client
        self.logger = logger
    }

    /// - Parameter hops: How deep the cause of the event is nested.
    /// - Returns: Whether the bus has taken it.
    @discardableResult
    func send(_ event: [UInt8], _ trigger: FunctionTrigger, hops: Int = 0, cause: String) async -> Bool {
        guard hops < CallFailure.hopsMax else {
            self.tell("was not set off by \(cause): \(CallFailure.tooDeep(self.function, hops: hops + 1))")
            return false
        }
        var call = OutgoingCall(self.function, event)
        call.hops = hops + 1
        call.attempts = trigger.attempts
        return await self.offer(call, cause: cause)
    }

    /// The same for an event that every host of the function sends, and that is to run once.
    func send(_ tick: Tick) async {
        var call = OutgoingCall(self.function, tick.event)
        call.hops = 1
        call.attempts = tick.attempts
        call.once = tick.name
        _ = await self.offer(call, cause: tick.cause)
    }

    private func offer(_ call: OutgoingCall, cause: String) async -> Bool {
        var pause = Duration.milliseconds(100)
        for offer in 1...Self.offersMax {
            do throws(CallFailure) {
                _ = try await self.client.send(call)
                self.logger.debug("\(self.function) was set off by \(cause)")
                return true
            } catch {
                let isHarmless = error.executed == .none || call.once != nil
                guard isHarmless, error.isTransient, offer < Self.offersMax else {
                    self.tell("could not be set off by \(cause): \(error)")
                    return false
                }
            }
            // A cancelled pause is a host that ends: one more offer is made at once.
            // Not in step with the hosts that do the same.
            try? await Task.sleep(for: pause * Double.random(in: 0.5...1.5))
            pause *= 2
        }
        return false
    }

    func tell(_ text: String) {
        let now = ContinuousClock.now - self.origin
        guard case .pass(let dropped) = self.throttle.withLock({ $0.admit(now: now) }) else { return }
        let before = dropped > 0 ? " (\(dropped) more such lines were dropped before)" : ""
        self.logger.warning("\(self.function) \(text)\(before)")
    }
}

extension CallFailure {
    /// Another moment may bring another answer.
    fileprivate var isTransient: Bool { [404, 408, 429, 502, 503, 507].contains(self.status) }
}
