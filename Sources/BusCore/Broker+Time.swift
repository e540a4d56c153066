import BusCalls
package import BusSession
import BusWire

extension Broker {
    /// When `advance` wants to be called next, `.never` while nothing waits.
    package var nextWakeUp: Timestamp {
        let call = self.calls.nextDeadline.map(Timestamp.init(nanoseconds:)) ?? .never
        let task = self.tasks.nextAttempt.map(Timestamp.init(nanoseconds:)) ?? .never
        return min(self.timers.next, call, task, self.taskMemory.next ?? .never)
    }

    /// Lets everything happen that is due at `now`.
    package mutating func advance(to now: Timestamp) {
        while let entry = self.timers.popDue(at: now) {
            switch entry.kind {
            case .connectTimeout, .keepAlive, .loginExpiry: self.connectionTimer(entry, now: now)
            case .sessionExpiry, .willDelay, .announcement: self.sessionTimer(entry, now: now)
            case .system: self.publishSystemTopics(now: now)
            }
        }
        self.advanceCalls(now: now)
    }

    mutating func armKeepAlive(_ index: Int, since: Timestamp) {
        let (due, overflow) = since.nanoseconds.addingReportingOverflow(self.connections[index].keepAliveNanoseconds)
        self.timers.arm(
            TimerQueue.Entry(
                due: overflow ? .never : Timestamp(nanoseconds: due), kind: .keepAlive, index: index,
                generation: self.connections.generation(of: index)))
    }

    private mutating func connectionTimer(_ entry: TimerQueue.Entry, now: Timestamp) {
        guard self.connections.isOccupied(entry.index, generation: entry.generation) else { return }
        switch (entry.kind, self.connections[entry.index].phase) {
        case (.connectTimeout, .awaitingConnect):
            self.end(entry.index, .connectTimeout, now: now)
        case (.keepAlive, .connected):
            let connection = self.connections[entry.index]
            if now.nanoseconds(since: connection.lastReceived) >= connection.keepAliveNanoseconds {
                self.end(entry.index, .keepAliveTimeout, now: now)
            } else {
                self.armKeepAlive(entry.index, since: connection.lastReceived)
            }
        case (.loginExpiry, .connected):
            self.end(entry.index, .violation(.notAuthorized, "what the client showed at login has expired"), now: now)
        default:
            break
        }
    }

    mutating func arm(_ kind: TimerQueue.Kind, connection index: Int, due: Timestamp) {
        let generation = self.connections.generation(of: index)
        self.timers.arm(TimerQueue.Entry(due: due, kind: kind, index: index, generation: generation))
    }

    private mutating func sessionTimer(_ entry: TimerQueue.Entry, now: Timestamp) {
        guard self.sessions.isOccupied(entry.index, generation: entry.generation) else { return }
        switch entry.kind {
        case .willDelay where self.sessions[entry.index].willDueAt <= now:
            self.publishWill(of: entry.index, now: now)
        case .sessionExpiry where self.sessions[entry.index].expiresAt <= now:
            self.statistics.sessionsExpired += 1
            self.endSession(entry.index, now: now)
        case .announcement:
            self.announce(entry.index, now: now)
        default:
            // The client came back, or left again and has a later entry.
            break
        }
    }

    /// Throws away entries that mean nothing any more, once most are such: else a client that comes and goes would leave
    /// one behind each time, for as long as its session might have lasted.
    mutating func pruneTimers() {
        let meaningMax = 3 * (self.connections.count + self.sessions.count) + 1
        guard self.timers.count > 2 * meaningMax + 64 else { return }
        var timers = TimerQueue()
        swap(&timers, &self.timers)
        timers.keep { self.hasMeaning($0) }
        self.timers = timers
    }

    private func hasMeaning(_ entry: TimerQueue.Entry) -> Bool {
        switch entry.kind {
        case .connectTimeout, .keepAlive, .loginExpiry:
            self.connections.isOccupied(entry.index, generation: entry.generation)
                && (entry.kind != .connectTimeout || self.connections[entry.index].phase != .connected)
        case .sessionExpiry:
            self.sessions.isOccupied(entry.index, generation: entry.generation)
                && self.sessions[entry.index].expiresAt == entry.due
        case .willDelay:
            self.sessions.isOccupied(entry.index, generation: entry.generation)
                && self.sessions[entry.index].willDueAt == entry.due
        case .announcement:
            self.announcements.due.contains(entry.index)
        case .system:
            true
        }
    }
}
