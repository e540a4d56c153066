import BusContract
import Synchronization

/// What has to be there before the first call of a connection.
extension FunctionBus {
    /// Does now what the first call would do: waits for the connection and subscribes to the answers.
    ///
    /// - Parameter timeout: default 10 s.
    /// - Throws: `BusError`, as a call would.
    public func prepareCalls(timeout: Duration = .seconds(10)) async throws(BusError) {
        try await self.prepareToCall(until: .now + timeout)
    }

    /// Subscribes to the replies, once; elsewhere than on fcbus to catalog and presence too. Tasks that call at the
    /// same time wait for the one that does it.
    func prepareToCall(until deadline: ContinuousClock.Instant) async throws(BusError) {
        while true {
            try await self.waitForConnection(until: deadline)
            let isMine = self.state.withLock { state -> Bool? in
                switch state.readiness {
                case .ready: return nil
                case .pending: return false
                case .none:
                    state.readiness = .pending
                    return true
                }
            }
            guard let isMine else { return }
            guard !isMine else { return try await self.prepare(until: deadline) }
            _ = try await self.wait(
                until: deadline,
                timeoutError: BusError(.localTimeout, "the broker did not confirm the subscription to the replies")
            ) { state in state.readiness == .pending ? .readiness : nil }
        }
    }

    private func prepare(until deadline: ContinuousClock.Instant) async throws(BusError) {
        do throws(BusError) {
            try await self.subscribeToReplies(until: deadline)
            if !self.isConnectedToFcbus { try await self.learnWhoServes(until: deadline) }
            self.endPreparation(.ready)
        } catch {
            self.endPreparation(.none)
            throw error
        }
    }

    private func endPreparation(_ readiness: BusState.Readiness) {
        let waiting = self.state.withLock { state in
            state.readiness = readiness
            return state.waiters.takeAll { $0.purpose == .readiness }
        }
        for waiter in waiting { waiter.handle.continuation.resume(returning: .success(.reached)) }
    }

    /// A refusal is final.
    private func subscribeToReplies(until deadline: ContinuousClock.Instant) async throws(BusError) {
        do throws(BusError) {
            try await self.subscribe(CallFilter.replies(to: self.clientIdentifier), qos: 1, until: deadline)
        } catch {
            guard error.code == .notAuthorized else { throw error }
            throw BusError(.replySubscriptionRefused, status: 403, error.message)
        }
    }

    /// Reads catalog and presence. A message to ourselves tells when everything that is retained has come: brokers
    /// deliver in order. Where it does not come back, or the subscription is refused, nothing is concluded from what
    /// is missing.
    private func learnWhoServes(until deadline: ContinuousClock.Instant) async throws(BusError) {
        do throws(BusError) {
            // Not the other way round: a function without its instances would count as one that has none.
            for filter in [CallFilter.instances, CallFilter.catalog] {
                try await self.subscribe(filter, qos: 0, until: deadline)
            }
            let correlation = CallIdentifier.make()
            var probe = ApplicationMessage(topic: self.replyTopic, payload: [])
            probe.properties.correlationData = correlation
            _ = try await self.wait(
                until: min(deadline, .now + .seconds(1)), timeoutError: BusError(.localTimeout, "no echo")
            ) { _ throws(BusError) in
                _ = try self.attempt { () throws(TransportFailure) in try self.transport.publish(probe) }
                return .reply(correlation: correlation, packet: nil)
            }
            self.state.withLock { $0.known.isComplete = true }
        } catch {
            guard error.code == .localTimeout || error.code == .notAuthorized else { throw error }
        }
    }

    /// Instances that are asked have answered by then.
    static let hearing = Duration.milliseconds(250)

    /// On a broker that does not know calls: fails before anything is sent where nobody would answer.
    ///
    /// Of a function of which too little is known here, its instances are asked to speak: a cluster may know retained
    /// messages only on the node where they were published. The call waits for them only where it would fail otherwise.
    ///
    /// - Parameter wait: how long an instance may take to appear.
    func requireInstance(
        of function: FunctionName, wait: Duration, until deadline: ContinuousClock.Instant
    ) async throws(BusError) {
        let name = function.contract.description
        let (mustAsk, isUnserved) = self.state.withLock { state in
            (state.mustAsk(about: function.contract), state.isUnserved(name))
        }
        // Who cannot be asked stays unknown.
        if mustAsk { _ = try? self.transport.publish(Self.question(to: function.contract.service)) }
        guard isUnserved else { return }
        let wait = mustAsk ? max(wait, Self.hearing) : wait
        let failure = BusError(Failure.noInstance(function.contract))
        guard wait > .zero else { throw failure }
        _ = try await self.wait(until: min(deadline, .now + wait), timeoutError: failure) { state in
            state.isUnserved(name) ? .instance(of: name) : nil
        }
    }
}
