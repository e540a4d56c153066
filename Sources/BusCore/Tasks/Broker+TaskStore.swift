import BusCalls
import BusContract
import BusSession
import BusWire

/// What the store holds of one-way calls: one record each, replaced with every transition.
extension Broker {
    /// Notes how a task stands.
    mutating func store(_ task: TaskTable.Task) {
        guard task.isStored, self.journal.isOn else { return }
        var record = self.record(of: task.identifier, task.function)
        record.attempts = task.attempts
        record.unseenTries = task.unseenTries
        record.expiresAt = self.wall(task.expiresAt)
        record.packet = task.message.publish.storedPacket
        self.journal.add(
            .saveTask(
                StoredTask(
                    id: task.identifier, record: record.bytes, state: TaskPhase(task).rawValue,
                    dueAt: self.wall(task.nextAttempt))))
    }

    mutating func store(_ letter: DeadLetter) {
        guard letter.isStored, self.journal.isOn else { return }
        var record = self.record(of: letter.task, letter.function)
        record.attempts = letter.attempts
        record.endedAt = self.journal.clock.milliseconds(at: letter.diedAt)
        record.status = letter.failure.status.rawValue
        record.code = letter.failure.code.rawValue
        record.executed = letter.failure.executed.rawValue
        record.reason = letter.failure.message
        record.packet = letter.publish.storedPacket
        self.journal.add(
            .saveTask(
                StoredTask(id: letter.task, record: record.bytes, state: letter.phase.rawValue, isDead: true)))
    }

    /// A task has ended and needs nothing more: its payload goes, its name is known for a while.
    mutating func remember(_ task: TaskTable.Task, as phase: TaskPhase, now: Timestamp) {
        let ended = EndedTask(
            function: task.function, phase: phase, attempts: task.attempts, endedAt: now, isStored: task.isStored)
        self.storeRemoval(ofTasks: self.taskMemory.add(ended, as: task.identifier))
        guard task.isStored, self.journal.isOn else { return }
        var record = self.record(of: task.identifier, task.function)
        record.attempts = task.attempts
        record.endedAt = self.journal.clock.milliseconds(at: now)
        self.journal.add(
            .saveTask(StoredTask(id: task.identifier, record: record.bytes, state: phase.rawValue)))
    }

    mutating func storeRemoval(ofTasks tasks: [String]) {
        guard self.journal.isOn else { return }
        for task in tasks { self.journal.add(.removeTask(id: task)) }
    }

    private func record(of task: String, _ function: FunctionName) -> TaskRecord {
        var record = TaskRecord(function: function)
        guard let origin = self.taskMemory.origin(of: task) else { return record }
        record.client = origin.client
        record.correlation = origin.correlation.bytes
        record.digest = origin.digest
        record.acceptedAt = self.journal.clock.milliseconds(at: origin.acceptedAt)
        return record
    }

    private func wall(_ nanoseconds: UInt64) -> Int64? {
        self.journal.clock.milliseconds(at: Timestamp(nanoseconds: nanoseconds))
    }

    // MARK: Loading

    /// Takes up a task of the process before; `false` when it cannot be read.
    ///
    /// One that ran when that process ended is attempted again: the attempt counts, and is never the last.
    mutating func restore(_ stored: StoredTask, now: Timestamp) -> Bool {
        guard let record = TaskRecord(stored.record), let phase = TaskPhase(rawValue: stored.state) else {
            return false
        }
        let clock = self.journal.clock
        if !record.correlation.isEmpty, let acceptedAt = record.acceptedAt {
            // A clock that was set back since then must not make it known for longer.
            let origin = TaskOrigin(
                client: record.client, correlation: Correlation(record.correlation), digest: record.digest,
                acceptedAt: min(clock.instant(of: acceptedAt), now))
            self.taskMemory.accepted(origin, as: stored.id)
        }
        let endedAt = min(clock.instant(of: record.endedAt), now)
        if phase == .succeeded || phase == .cancelled {
            let ended = EndedTask(
                function: record.function, phase: phase, attempts: record.attempts, endedAt: endedAt, isStored: true)
            self.storeRemoval(ofTasks: self.taskMemory.add(ended, as: stored.id))
            return true
        }
        guard let publish = Publish(storedPacket: record.packet) else { return false }
        if stored.isDead {
            let letter = Self.letter(stored.id, phase, record, publish, diedAt: endedAt)
            self.storeRemoval(ofTasks: self.deadLetters.append(letter).map(\.task))
            return true
        }
        var terms = CallProperties(publish).terms
        terms.isStored = true
        terms.byteCount = publish.storedByteCount
        var task = TaskTable.Task(
            stored.id, record.function, StoredPublish(publish), terms: terms, now: now.nanoseconds)
        task.state = .waiting
        task.attempts = record.attempts + (phase == .running ? 1 : 0)
        task.unseenTries = record.unseenTries
        task.expiresAt = clock.instant(of: record.expiresAt).nanoseconds
        task.nextAttempt = min(clock.instant(of: stored.dueAt).nanoseconds, task.expiresAt)
        self.tasks.restore(task)
        if phase == .running { self.store(task) }
        return true
    }

    private static func letter(
        _ task: String, _ phase: TaskPhase, _ record: TaskRecord, _ publish: Publish, diedAt: Timestamp
    ) -> DeadLetter {
        let failure = Failure(
            CallStatus(rawValue: record.status), CallCode(rawValue: record.code),
            executed: Executed(rawValue: record.executed) ?? .maybe, record.reason)
        return DeadLetter(
            task: task, function: record.function, publish: publish, attempts: record.attempts, failure: failure,
            diedAt: diedAt, phase: phase, isStored: true)
    }
}
