import BusContract
import Synchronization

/// How an instance comes and goes on a broker without shared subscriptions, where the instances themselves decide who
/// runs a request: see `InstanceView`.
extension FunctionBus {
    /// After the last of them has spoken for so long, all others have been heard.
    private static let settling = Duration.milliseconds(200)
    /// So long one that is known by a retained presence may take to speak.
    private static let hearingMax = Duration.seconds(2)

    /// Asks the other instances to speak, and waits until all have been heard.
    func seeOthers(until deadline: ContinuousClock.Instant) async throws(BusError) {
        let generation = self.state.withLock { $0.view.isComplete ? nil : $0.generation }
        guard let generation else { return }
        let start = ContinuousClock.now
        try await self.subscribe(CallFilter.instances, qos: 1, until: deadline)
        do throws(BusError) {
            _ = try await self.publishAndWait(Self.question(to: nil), until: deadline)
        } catch {
            // Who may not ask knows what is retained.
            guard error.code == .notAuthorized else { throw error }
        }
        // On a slow line others take longer, too.
        let pause = max(Self.settling, .now - start)
        let limit = min(deadline, .now + Self.hearingMax)
        var count: Int
        var mustWait: Bool
        repeat {
            count = self.state.withLock { $0.view.count }
            guard (try? await Task.sleep(for: pause)) != nil else { throw .cancelled }
            mustWait = self.state.withLock { $0.view.count != count || $0.view.awaitsOthers }
        } while mustWait && .now < limit
        let isSame = self.state.withLock { state in
            guard state.generation == generation else { return false }
            state.view.complete()
            return true
        }
        if !isSame { throw BusError(.disconnectedBeforeSend, "the connection to the broker was lost meanwhile") }
    }

    /// Waits until presence has come back from the broker: from there on the requests are ours.
    func takeSeats(_ services: [Service], until deadline: ContinuousClock.Instant) async throws(BusError) {
        try await self.waitForSeats(until: deadline) { view in services.allSatisfy { view.hasSeat($0.name) } }
    }

    /// Waits until it has come back that we drain: up to there the requests are ours.
    func giveUpSeats(_ services: [Service], until deadline: ContinuousClock.Instant) async {
        guard self.state.withLock({ $0.servesPlainly }) else { return }
        // Without a connection there are none.
        try? await self.waitForSeats(until: deadline) { view in !services.contains { view.hasSeat($0.name) } }
    }

    private func waitForSeats(
        until deadline: ContinuousClock.Instant, _ isReached: (InstanceView) -> Bool
    ) async throws(BusError) {
        while !self.state.withLock({ isReached($0.view) }) {
            _ = try await self.wait(
                until: deadline,
                timeoutError: BusError(.localTimeout, "the broker did not give back the presence of this instance")
            ) { state in isReached(state.view) ? nil : .seats }
        }
    }

    /// After a reconnect, as long as that connection lasts.
    func registerAgain(_ services: [Service], _ generation: Int) async {
        while true {
            let left = self.state.withLock { state -> [Service] in
                guard state.generation == generation, state.isConnected else { return [] }
                return services.filter { state.services[$0.name] === $0 && !state.leaving.contains($0.name) }
            }
            guard !left.isEmpty else { return }
            // What fails here may succeed later; meanwhile others run the calls.
            if (try? await self.register(left, until: .now + .seconds(10))) != nil { return }
            guard (try? await Task.sleep(for: .seconds(1))) != nil else { return }
        }
    }
}
