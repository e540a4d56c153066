import BusMosquitto
import Synchronization

/// How tasks wait: with a deadline, and until their task is cancelled.
extension FunctionBus {
    /// Registers a wait and suspends until its outcome, its deadline or the cancellation of the task.
    ///
    /// - Parameters:
    ///   - timeoutError: what a timeout means.
    ///   - begin: sends the packet that the wait is for, under the lock, so that no answer can come before the wait is
    ///     registered.
    func wait(
        until deadline: ContinuousClock.Instant, timeoutError: BusError,
        onProgress: (@Sendable (Reply) -> Void)? = nil,
        _ begin: @Sendable (inout BusState) throws(BusError) -> BusState.Waiter.Purpose?
    ) async throws(BusError) -> BusState.Outcome {
        let identifier = self.state.withLock { $0.makeIdentifier() }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let early = self.register(
                    identifier, deadline: deadline, begin
                ) { purpose in
                    BusState.Waiter(
                        purpose: purpose, deadline: deadline, continuation: continuation, timeoutError: timeoutError,
                        onProgress: onProgress)
                }
                if let early { continuation.resume(returning: early) }
                if Task.isCancelled { self.cancel(identifier) }
            }
        } onCancel: {
            self.cancel(identifier)
        }
        return try result.get()
    }

    /// The result, where there is nothing to wait for.
    private func register(
        _ identifier: UInt64, deadline: ContinuousClock.Instant,
        _ begin: @Sendable (inout BusState) throws(BusError) -> BusState.Waiter.Purpose?,
        makeWaiter: (BusState.Waiter.Purpose) -> BusState.Waiter
    ) -> Result<BusState.Outcome, BusError>? {
        self.state.withLock { state in
            do throws(BusError) {
                guard let purpose = try begin(&state) else { return .success(.connected) }
                state.add(makeWaiter(purpose), as: identifier)
                self.armSweep(&state, for: deadline)
                return nil
            } catch {
                return .failure(error)
            }
        }
    }

    private func cancel(_ identifier: UInt64) {
        let waiter = self.state.withLock { $0.take(identifier) }
        waiter?.continuation.resume(returning: .failure(.cancelled))
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
            let now = ContinuousClock.now
            let overdue = state.takeAll { $0.deadline <= now }
            state.sweepAt = nil
            if let next = state.waiters.values.map(\.deadline).min() { self.armSweep(&state, for: next) }
            return overdue
        }
        for waiter in overdue { waiter.continuation.resume(returning: .failure(waiter.timeoutError)) }
    }

    // MARK: Connection

    func waitForConnection(until deadline: ContinuousClock.Instant) async throws(BusError) {
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
            let isRefusal = failure.contains("refused the connection with")
            throw BusError(
                isRefusal ? .connectionRefused : .disconnectedBeforeSend,
                "no connection to the broker: \(failure). Is it running, and is the address right?")
        }
    }

    // MARK: Subscriptions

    /// Subscribes and waits for the SUBACK.
    func subscribe(_ filter: String, qos: Int, until deadline: ContinuousClock.Instant) async throws(BusError) {
        let outcome = try await self.wait(
            until: deadline,
            timeoutError: BusError(.localTimeout, "the broker did not confirm the subscription to \(filter)")
        ) { _ throws(BusError) in
            .subscription(
                packet: try self.attempt { () throws(MosquittoFailure) in try self.transport.subscribe(filter, qos: qos)
                })
        }
        guard case .subscribed(let code) = outcome, code >= 0x80 else { return }
        throw BusError(
            .notAuthorized, status: 403,
            "the broker refused the subscription to \(filter) with reason code \(code): check this client's rights")
    }

    func unsubscribe(_ filter: String, until deadline: ContinuousClock.Instant) async throws(BusError) {
        _ = try await self.wait(
            until: deadline, timeoutError: BusError(.localTimeout, "the broker did not confirm the end of \(filter)")
        ) { _ throws(BusError) in
            .subscription(
                packet: try self.attempt { () throws(MosquittoFailure) in try self.transport.unsubscribe(filter) })
        }
    }

    /// Runs something of the transport and says its failures in the bus' own words.
    func attempt<Value>(_ body: () throws(MosquittoFailure) -> Value) throws(BusError) -> Value {
        do {
            return try body()
        } catch {
            if error.isOversize {
                throw BusError(.tooLarge, status: 413, "the message is larger than the broker takes")
            }
            if error.isNotConnected {
                throw BusError(
                    .disconnectedBeforeSend, "there is no connection to the broker now: it is being made again")
            }
            throw BusError(.invalidArgument, "libmosquitto refused: \(error)")
        }
    }
}
