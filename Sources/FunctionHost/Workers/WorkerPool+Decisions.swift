/// What follows from a pool's state: who gets which call, who starts, who is told that it waits for itself.
extension WorkerPool {
    /// Nobody waits for a running call any more.
    mutating func abandon(_ call: UInt64, _ now: Moment) {
        guard let entry = self.running[call] else { return }
        self.running[call]?.isAnswered = true
        self.running[call]?.limit = min(entry.limit, now + self.limits.cancelGrace)
    }

    /// When every slot is held by a call that waits, over whatever other functions, for a call in this queue, nobody
    /// would ever leave: the newest of those calls is refused, and the others go on.
    mutating func breakLoop() -> [Effect] {
        guard self.running.count >= self.limits.workersMax * self.limits.concurrency else { return [] }
        let ancestors = self.waiting.reduce(into: Set<String>()) { $0.formUnion($1.lineage.ancestors) }
        guard self.running.values.allSatisfy({ !$0.isAnswered && ancestors.contains($0.identity) }) else { return [] }
        let holders = Set(self.running.values.map(\.identity))
        let newest = self.waiting.lastIndex { !$0.lineage.ancestors.isDisjoint(with: holders) }
        guard let newest else { return [] }
        return [.fail(call: self.waiting.remove(at: newest).call, .loop(self.function, slots: self.running.count))]
    }

    mutating func startFailed(_ failure: CallFailure, _ now: Moment) -> [Effect] {
        self.backoff.failed(failure, now: now)
        // Another worker may still come up or free a slot; only when none is left do the callers hear of it.
        guard !self.workers.contains(where: \.isUsable) else { return [] }
        defer { self.waiting.removeAll() }
        return self.waiting.map { .fail(call: $0.call, failure) }
    }

    /// Brings calls to free slots, starts what is missing and sends away what is idle.
    mutating func settle(_ now: Moment) -> [Effect] {
        var effects: [Effect] = []
        while let entry = self.waiting.first, let index = self.freeWorker() {
            self.waiting.removeFirst()
            effects.append(self.dispatch(entry, to: index, now))
        }
        let coming = self.workers.count { if case .starting = $0.phase { true } else { false } }
        let wanted = (self.waiting.count + self.limits.concurrency - 1) / self.limits.concurrency
        let usable = self.workers.count(where: \.isUsable)
        let missing = max(wanted - coming, self.keptCount - usable, wanted + self.spareCount - self.emptyCount)
        if missing > 0, self.backoff.notBefore <= now, !self.isStartBlocked {
            for _ in 0..<min(missing, self.limits.workersMax - self.workers.count) {
                effects.append(self.start(now))
            }
        }
        if self.isDraining { effects += self.stopIdle(now) { _ in true } }
        return effects
    }

    mutating func start(_ now: Moment) -> Effect {
        let worker = self.nextWorker
        self.nextWorker += 1
        self.workers.append(
            Worker(identifier: worker, phase: .starting(until: now + self.limits.start), since: now, idleSince: now))
        return .start(worker: worker)
    }

    private mutating func dispatch(_ entry: Waiting, to index: Int, _ now: Moment) -> Effect {
        let worker = self.workers[index].identifier
        self.workers[index].calls.append(entry.call)
        let limit = now + self.limits.timeout
        self.running[entry.call] = Running(
            worker: worker, limit: limit, deadline: entry.deadline, identity: entry.lineage.identity)
        let timeout = min(limit, entry.deadline ?? limit) - now
        return .dispatch(call: entry.call, worker: worker, timeout: timeout)
    }

    /// The ready worker with the fewest calls; the oldest among equals, so that the young ones grow idle and leave.
    private func freeWorker() -> Int? {
        self.workers.indices
            .filter { self.workers[$0].phase == .ready && self.workers[$0].calls.count < self.limits.concurrency }
            .min { self.workers[$0].calls.count < self.workers[$1].calls.count }
    }
}
