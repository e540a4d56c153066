import DequeModule

@testable import BusCalls

/// What must be true of a call table between any two inputs.
extension CallTable {
    /// The first contradiction that is found.
    func firstContradiction(now: UInt64) -> String? {
        self.contradictionInInstances() ?? self.contradictionInCallers() ?? self.contradictionInRows()
            ?? self.contradictionInQueues(now: now)
    }

    /// Everything that a table without clients must have let go.
    func firstRemnant() -> String? {
        if self.openCount > 0 { return "\(self.openCount) calls are open" }
        if !self.callers.isEmpty { return "\(self.callers.count) callers are known" }
        if !self.instances.isEmpty { return "\(self.instances.count) instances are known" }
        if !self.instancesOfMany.isEmpty { return "wildcards are left" }
        if !self.callOfAddress.isEmpty { return "\(self.callOfAddress.count) addresses are known" }
        if !self.waitingFunctions.isEmpty { return "functions wait" }
        if self.freeCalls.count != self.calls.count { return "rows are not free" }
        if let next = self.nextDeadline { return "the wheel wants \(next)" }
        if self.calls.contains(where: { $0.request.message != nil || $0.ending != nil }) { return "messages are kept" }
        return nil
    }

    private func contradictionInInstances() -> String? {
        var running = 0
        for (handle, instance) in self.instances {
            var call = instance.firstRunning
            var previous = -1
            var count = 0
            while call >= 0 {
                let row = self.calls[call]
                guard row.state == .running, row.instance == handle, row.previousOfInstance == previous else {
                    return "the list of instance \(handle.rawValue) holds a call of another state or place"
                }
                count += 1
                previous = call
                call = row.nextOfInstance
            }
            if count != instance.runningCount {
                return "instance \(handle.rawValue) counts \(instance.runningCount) of \(count)"
            }
            if previous != instance.lastRunning { return "instance \(handle.rawValue) has a wrong end" }
            running += count
            for function in instance.functions where !self.functions[function].instances.contains(handle) {
                return "instance \(handle.rawValue) and function \(function) disagree"
            }
            if instance.isIdle { return "instance \(handle.rawValue) serves nothing" }
        }
        let all = self.calls.count { $0.state == .running }
        return all == running ? nil : "\(all) calls run, \(running) of them at instances"
    }

    private func contradictionInCallers() -> String? {
        for (handle, caller) in self.callers {
            var call = caller.firstOpen
            var count = 0
            while call >= 0 {
                let row = self.calls[call]
                guard row.state != .done, row.request.caller == handle else {
                    return "the list of caller \(handle.rawValue) holds a call that is done or another's"
                }
                count += 1
                call = row.nextOfCaller
            }
            if count != caller.openCount { return "caller \(handle.rawValue) counts \(caller.openCount) of \(count)" }
            let done = Array(caller.done).filter { self.calls[$0.call].generation == $0.generation }
            if done.count != caller.doneCount { return "caller \(handle.rawValue) remembers another number" }
            let bytes = done.reduce(0) { $0 + self.rememberedBytes($1.call) }
            if bytes != caller.doneBytes { return "caller \(handle.rawValue) counts other bytes" }
            if caller.doneBytes > self.limits.replayBytesPerClientMax { return "answers exceed their share" }
            if caller.isIdle { return "caller \(handle.rawValue) has nothing" }
        }
        return nil
    }

    private func contradictionInRows() -> String? {
        let open = self.calls.count { $0.state != .done }
        let remembered = self.calls.count { $0.state == .done && $0.ending != nil }
        if open + remembered + self.freeCalls.count != self.calls.count { return "rows are lost" }
        if open != self.openCount { return "\(open) calls are open, callers count \(self.openCount)" }
        let identified = self.calls.indices.count {
            self.callOfAddress[self.calls[$0].request.address] == $0
        }
        if identified != self.callOfAddress.count { return "an address leads to the call of another one" }
        return nil
    }

    private func contradictionInQueues(now: UInt64) -> String? {
        var running = Array(repeating: 0, count: self.functions.count)
        var waiting = running
        for row in self.calls where row.state != .done {
            if row.state == .running { running[row.function] += 1 }
            if row.state == .queued {
                guard row.isWaiting else { return "a queued call is in no queue" }
                waiting[row.function] += 1
            }
        }
        for place in self.functionOfName.values {
            let function = self.functions[place]
            if running[place] != function.runningCount { return "\(function.name) counts its running calls wrong" }
            let live = Array(function.queue).filter { self.isQueued($0) }
            if waiting[place] != function.queuedCount || live.count != waiting[place] {
                return "\(function.name) counts its waiting calls wrong"
            }
            if function.queue.count > 2 * live.count + 64 { return "\(function.name) keeps too many ended calls" }
            if live.map(\.order) != live.map(\.order).sorted() { return "\(function.name) lost the order" }
            if self.waitingFunctions.contains(place) == live.isEmpty { return "\(function.name) is listed wrong" }
            var keys: [String: Int] = [:]
            for entry in live { if let key = self.calls[entry.call].request.key { keys[key, default: 0] += 1 } }
            if keys != function.waitingKeys { return "\(function.name) counts its keys wrong" }
            if let idle = self.idleInstance(for: live, now: now) {
                return "\(function.name) lets a call wait that instance \(idle.rawValue) could take"
            }
        }
        return nil
    }

    /// An instance with room for the first of some waiting calls that has no key.
    private func idleInstance(for waiting: [QueueEntry], now: UInt64) -> ClientHandle? {
        for entry in waiting.prefix(200) {
            let row = self.calls[entry.call]
            guard row.request.key == nil, row.request.deadline > now else { continue }
            return self.functions[row.function].instances.first {
                self.instances[$0]?.hasRoom == true && !row.refusedBy.contains($0)
            }
        }
        return nil
    }
}
