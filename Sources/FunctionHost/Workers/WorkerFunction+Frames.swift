import Logging
import Synchronization

/// What workers say, brought to the pool and to the calls that wait.
extension WorkerFunction {
    func received(_ frame: WorkerFrame, from worker: Int) {
        switch frame {
        case .ready: self.feed { $0.pool.workerReady(worker, now: $1) }
        case .loadFailure(let failure): self.loadFailed(failure, worker)
        case .reply(let call, let reply):
            let limit = self.manifest.limits.outputBytes
            let isTooLong = reply.payload.count > limit
            let failure = CallFailure.replyTooLarge(self.manifest.address, limit: limit)
            self.finished(call, worker, isTooLong ? .failure(failure) : .success(reply))
        case .failure(let call, let failure): self.finished(call, worker, .failure(failure))
        case .operation(let operation): self.requested(operation, worker)
        case .log(let entry):
            let request = entry.call.flatMap { call in
                self.state.withLock { $0.requests[call]?.requestIdentifier }
            }
            for text in entry.message.split(separator: "\n", omittingEmptySubsequences: false) {
                self.log.line(
                    String(text.prefix(LogThrottle.lineBytesMax)), level: FunctionLog.level(entry.level),
                    worker: worker, call: request)
            }
        }
    }

    private func loadFailed(_ failure: CallFailure, _ worker: Int) {
        let kind = failure.errorType.map { "\($0): " } ?? ""
        self.log.logger.error("cannot be loaded: \(kind)\(failure.message)")
        for line in failure.stackTrace { self.log.line(line, level: .error, worker: worker, call: nil) }
        self.feed { $0.pool.loadFailed(worker, kind + failure.message, now: $1) }
    }

    private func finished(_ call: UInt64, _ worker: Int, _ outcome: Result<HostedReply, CallFailure>) {
        self.state.withLock { state in
            let (isAwaited, effects) = state.pool.finished(call, on: worker, now: self.now)
            if isAwaited {
                if case .failure(let failure) = outcome {
                    let request = state.requests[call]?.requestIdentifier
                    self.log.tell("the handler failed: \(failure.cause)", call: request)
                }
                Self.end(call, outcome, in: &state)
            }
            self.carryOut(effects, in: &state)
        }
    }

    private func requested(_ operation: WorkerOperation, _ worker: Int) {
        let isAdmitted = self.state.withLock { state in
            if let call = operation.call, let mailbox = state.mailboxes[call] {
                mailbox.post(.operation(operation, worker: worker))
                return true
            }
            guard state.openBackgroundOperations < Self.backgroundOperationsMax else { return false }
            state.openBackgroundOperations += 1
            self.order.yield(.perform(operation, worker: worker))
            return true
        }
        guard !isAdmitted else { return }
        let open = Self.backgroundOperationsMax
        let message = "\(open) calls and messages of this function's background code are already open"
        let failure = CallFailure(429, "OVERLOADED", executed: .none, message)
        self.send(.failure(operation.identifier, failure), to: worker)
    }

    /// A line on stderr. It is told as the line of a call when there is only one that it can belong to.
    func line(_ text: String, from worker: Int) {
        let request = self.state.withLock { state -> String? in
            guard let index = state.pool.index(worker), state.pool.workers[index].calls.count == 1 else { return nil }
            return state.requests[state.pool.workers[index].calls[0]]?.requestIdentifier
        }
        self.log.line(text, worker: worker, call: request)
    }
}
