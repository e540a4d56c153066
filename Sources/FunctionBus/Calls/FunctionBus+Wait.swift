import BusContract
import Synchronization

/// How tasks wait: with a deadline, and until their task is cancelled.
extension FunctionBus {
    typealias Purpose = WaiterTable<BusState.Wakening>.Purpose

    func wait(
        until deadline: ContinuousClock.Instant, timeoutError: @autoclosure @escaping @Sendable () -> BusError,
        _ begin: (inout BusState) throws(BusError) -> Purpose?
    ) async throws(BusError) -> BusState.Outcome {
        try await self.wait(until: deadline, BusState.Expectation(timeoutError: timeoutError), begin)
    }

    /// Registers a wait and suspends until its outcome, its deadline or the cancellation of the task.
    ///
    /// - Parameters:
    ///   - begin: sends the packet that the wait is for, under the lock, so that no answer can come before the wait is
    ///     registered. `nil` if there is nothing to wait for.
    ///   - send: sends it outside of the lock instead, where the wait is found by something that the packet carries.
    func wait(
        until deadline: ContinuousClock.Instant, _ expectation: BusState.Expectation,
        _ begin: (inout BusState) throws(BusError) -> Purpose?,
        then send: () throws(BusError) -> Void = {}
    ) async throws(BusError) -> BusState.Outcome {
        let identifier = self.state.withLock { $0.makeIdentifier() }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let handle = BusState.Wakening(expectation: expectation, continuation: continuation)
                let early = self.register(handle, as: identifier, until: deadline, begin)
                if let early {
                    continuation.resume(returning: early)
                    return
                }
                if Task.isCancelled { return self.end(identifier, .cancelled) }
                do throws(BusError) { try send() } catch { self.end(identifier, error) }
            }
        } onCancel: {
            self.end(identifier, .cancelled)
        }
        return try result.get()
    }

    /// The result, where there is nothing to wait for.
    private func register(
        _ handle: BusState.Wakening, as identifier: UInt64, until deadline: ContinuousClock.Instant,
        _ begin: (inout BusState) throws(BusError) -> Purpose?
    ) -> Result<BusState.Outcome, BusError>? {
        self.state.withLock { state in
            do throws(BusError) {
                guard let purpose = try begin(&state) else { return .success(.reached) }
                state.waiters.add(.init(purpose: purpose, deadline: deadline, handle: handle), as: identifier)
                self.armSweep(&state, for: deadline)
                return nil
            } catch {
                return .failure(error)
            }
        }
    }

    /// Unless it has ended already.
    private func end(_ identifier: UInt64, _ error: BusError) {
        let waiter = self.state.withLock { $0.waiters.take(identifier) }
        waiter?.handle.continuation.resume(returning: .failure(error))
    }

    /// One sleeping task ends all overdue waits; it is set anew only for an earlier deadline.
    private func armSweep(_ state: inout BusState, for deadline: ContinuousClock.Instant) {
        if let current = state.sweepAt, current <= deadline { return }
        state.sweep?.cancel()
        state.sweepAt = deadline
        state.sweep = Task { [weak self] in
            // A cancelled sleep means that an earlier sweep has taken over.
            guard (try? await Task.sleep(until: deadline, clock: .continuous)) != nil else { return }
            self?.endOverdueWaits()
        }
    }

    private func endOverdueWaits() {
        let overdue = self.state.withLock { state in
            let overdue = state.waiters.takeOverdue(at: .now)
            state.sweepAt = nil
            if let next = state.waiters.earliestDeadline { self.armSweep(&state, for: next) }
            return overdue
        }
        for waiter in overdue {
            waiter.handle.continuation.resume(returning: .failure(waiter.handle.expectation.timeoutError()))
        }
    }

    // MARK: Connection

    func waitForConnection(until deadline: ContinuousClock.Instant) async throws(BusError) {
        if self.state.withLock({ $0.isConnected }) { return }
        do throws(BusError) {
            _ = try await self.wait(
                until: deadline, timeoutError: BusError(.disconnectedBeforeSend, "no connection")
            ) { state throws(BusError) in
                switch state.link {
                case .connected: return nil
                case .connecting: return .connection
                case .closed: throw BusError(.disconnectedBeforeSend, "the bus was closed")
                }
            }
        } catch {
            guard error.code == .disconnectedBeforeSend else { throw error }
            guard case .connecting(let failure?) = self.state.withLock({ $0.link }) else { throw error }
            throw BusError(
                failure.isRefusal ? .connectionRefused : .disconnectedBeforeSend,
                "no connection to the broker: \(failure.message). Is it running, and is the address right?")
        }
    }

    // MARK: Subscriptions

    /// Subscribes and waits for the SUBACK.
    func subscribe(_ filter: String, qos: Int, until deadline: ContinuousClock.Instant) async throws(BusError) {
        let unsupported = BusError(
            .unsupportedByBroker, "the broker has no shared subscriptions, which \(filter) needs")
        // A broker without them would end the connection (MQTT 5.0, section 3.2.2.3.13).
        if filter.hasPrefix("$share/"), !self.state.withLock({ $0.hasSharedSubscriptions }) { throw unsupported }
        let outcome = try await self.wait(
            until: deadline,
            timeoutError: BusError(.localTimeout, "the broker did not confirm the subscription to \(filter)")
        ) { _ throws(BusError) in
            .subscription(
                packet: try self.attempt { () throws(TransportFailure) in
                    try self.transport.subscribe(filter, qos: qos)
                })
        }
        guard case .subscribed(let code) = outcome, code >= 0x80 else { return }
        if code == BusState.sharingRefused {
            self.state.withLock { $0.sharingWasRefused() }
            throw unsupported
        }
        throw BusError(
            .notAuthorized, status: 403,
            "the broker refused the subscription to \(filter) with reason code \(code): check this client's rights")
    }

    func unsubscribe(_ filter: String, until deadline: ContinuousClock.Instant) async throws(BusError) {
        _ = try await self.wait(
            until: deadline, timeoutError: BusError(.localTimeout, "the broker did not confirm the end of \(filter)")
        ) { _ throws(BusError) in
            .subscription(
                packet: try self.attempt { () throws(TransportFailure) in
                    try self.transport.unsubscribe(filter)
                })
        }
    }

    /// Runs something of the transport and says its failures in the bus' own words.
    func attempt<Value>(_ body: () throws(TransportFailure) -> Value) throws(BusError) -> Value {
        do throws(TransportFailure) {
            return try body()
        } catch {
            switch error {
            case .oversize: throw BusError(.tooLarge, status: 413, "the message is larger than the broker takes")
            case .notConnected:
                throw BusError(
                    .disconnectedBeforeSend, "there is no connection to the broker now: it is being made again")
            case .refused(let reason): throw BusError(.invalidArgument, reason)
            }
        }
    }
}
