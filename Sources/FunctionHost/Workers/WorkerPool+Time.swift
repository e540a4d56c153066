extension WorkerPool {
    /// Callers whose deadline passed before a worker was free.
    mutating func expireWaiting(_ now: Moment) -> [Effect] {
        let late = self.waiting.filter { entry in entry.deadline.map { $0 <= now } ?? false }
        guard !late.isEmpty else { return [] }
        self.waiting.removeAll { entry in entry.deadline.map { $0 <= now } ?? false }
        return late.map { .fail(call: $0.call, .deadline(self.function, executed: .none)) }
    }

    /// Handlers that ran too long for their caller, or for their function.
    mutating func expireRunning(_ now: Moment) -> [Effect] {
        var effects: [Effect] = []
        for (call, entry) in self.running.sorted(by: { $0.key < $1.key }) {
            if entry.limit <= now {
                if !entry.isAnswered {
                    effects.append(.fail(call: call, .executionTimeout(self.function, self.limits.timeout)))
                }
                self.running[call]?.isAnswered = true
                self.condemn(entry.worker)
            } else if !entry.isAnswered, let deadline = entry.deadline, deadline <= now {
                // The caller is gone, but the function is within its own limits: its worker has a grace.
                self.abandon(call, now)
                effects.append(.fail(call: call, .deadline(self.function, executed: .maybe)))
                effects.append(.cancel(call: call, worker: entry.worker))
            }
        }
        return effects + self.killCondemned()
    }

    /// Starts that took too long, requests to leave that were ignored, and idle workers.
    mutating func expireWorkers(_ now: Moment) -> [Effect] {
        var effects: [Effect] = []
        for index in self.workers.indices {
            let worker = self.workers[index].identifier
            switch self.workers[index].phase {
            case .starting(let until) where until <= now && !self.limits.isContinuous:
                let reason = "it was not ready within \(self.limits.start.text)"
                effects += self.loadFailed(worker, reason, now: now)
            case .stopping(let killAt) where killAt <= now:
                self.workers[index].phase = .killed
                effects.append(.kill(worker: worker))
            case .starting, .ready, .condemned, .stopping, .killed:
                break
            }
        }
        let idle = self.limits.idle
        return effects + self.stopIdle(now) { $0.idleSince + idle <= now }
    }

    /// Asks idle workers to leave: all of them while draining, else only those above the number to keep.
    mutating func stopIdle(_ now: Moment, where isDue: (Worker) -> Bool) -> [Effect] {
        var effects: [Effect] = []
        var surplus = self.surplus
        // The youngest first: the oldest is the one that calls prefer.
        for index in self.workers.indices.reversed() where surplus > 0 {
            let worker = self.workers[index]
            guard worker.isUsable, worker.calls.isEmpty, isDue(worker) else { continue }
            guard self.isDraining || worker.phase == .ready else { continue }
            self.workers[index].phase = .stopping(killAt: now + self.limits.grace)
            effects.append(.stop(worker: worker.identifier))
            surplus -= 1
        }
        return effects
    }

    private mutating func condemn(_ worker: Int) {
        guard let index = self.index(worker), self.workers[index].phase == .ready else { return }
        self.workers[index].phase = .condemned
    }

    /// Kills condemned workers that hold nothing but calls nobody waits for.
    mutating func killCondemned() -> [Effect] {
        var effects: [Effect] = []
        for index in self.workers.indices where self.workers[index].phase == .condemned {
            guard self.workers[index].calls.allSatisfy({ self.running[$0]?.isAnswered ?? true }) else { continue }
            self.workers[index].phase = .killed
            effects.append(.kill(worker: self.workers[index].identifier))
        }
        return effects
    }
}

/// How long to wait before the next start after failed ones: 0.2 s, doubled up to 30 s.
struct RestartBackoff: Sendable {
    private(set) var notBefore = WorkerPool.Moment.zero
    /// Why the last start failed; `nil` after a success.
    private(set) var failure: CallFailure?
    private var failures = 0

    mutating func failed(_ failure: CallFailure, now: WorkerPool.Moment) {
        self.failure = failure
        self.notBefore = now + min(.milliseconds(200 << min(self.failures, 8)), .seconds(30))
        self.failures += 1
    }

    mutating func reset() {
        self = RestartBackoff()
    }
}
