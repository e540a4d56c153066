import BusContract
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
        if self.callerCount > 0 { return "\(self.callerCount) callers are known" }
        if self.hasInstances { return "\(self.instanceCount) instances are known" }
        if !self.presences.isEmpty { return "presences are left" }
        if !self.callOfAlias.isEmpty { return "aliases are left" }
        if self.ended.count > self.limits.endedCallsMax { return "too many ended calls are known" }
        if self.functions.contains(where: { $0.keys.count > self.limits.keysPerFunctionMax + 64 }) {
            return "too many keys are known"
        }
        if !self.instancesOfMany.isEmpty { return "wildcards are left" }
        if self.named.count > 0 { return "\(self.named.count) calls are known" }
        if !self.waitingFunctions.isEmpty { return "functions wait" }
        if self.freeCalls.count != self.calls.count { return "rows are not free" }
        if let next = self.nextDeadline { return "the wheel wants \(next)" }
        if self.calls.contains(where: { $0.message != nil }) { return "messages are kept" }
        return nil
    }

    private func contradictionInInstances() -> String? {
        var running = 0
        var atSeats: [[Int]: Int] = [:]
        for row in self.calls where row.state == .running { atSeats[[row.instance, row.function], default: 0] += 1 }
        for (place, instance) in self.instances.enumerated() where self.placeOfInstance[instance.client] == place {
            let handle = instance.client
            var call = instance.firstRunning
            var previous = -1
            var count = 0
            while call >= 0 {
                let row = self.calls[call]
                guard row.state == .running, row.instance == place, row.server == handle,
                    row.previousOfInstance == previous
                else {
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
            if count > max(1, instance.terms.window) { return "instance \(handle.rawValue) has more than its window" }
            for function in instance.functions {
                guard let seat = self.seat(of: place, at: function) else {
                    return "instance \(handle.rawValue) and function \(function) disagree"
                }
                let here = atSeats[[place, function]] ?? 0
                let counted = self.functions[function].seats[seat].running
                if here != counted { return "a seat of \(handle.rawValue) counts \(counted) of \(here)" }
            }
            let uncovered = instance.functions.count { function in
                self.seat(of: place, at: function).map { !self.functions[function].seats[$0].isCovered } ?? false
            }
            if uncovered != instance.uncoveredCount { return "\(handle.rawValue) counts its presences wrong" }
            if instance.isIdle { return "instance \(handle.rawValue) serves nothing" }
        }
        let all = self.calls.count { $0.state == .running }
        return all == running ? nil : "\(all) calls run, \(running) of them at instances"
    }

    private func contradictionInCallers() -> String? {
        for (place, caller) in self.callers.enumerated() where self.placeOfCaller[caller.handle] == place {
            let handle = caller.handle
            var call = caller.firstOpen
            var count = 0
            while call >= 0 {
                let row = self.calls[call]
                guard row.state != .done, row.caller == handle else {
                    return "the list of caller \(handle.rawValue) holds a call that is done or another's"
                }
                count += 1
                call = row.nextOfCaller
            }
            if count != caller.openCount { return "caller \(handle.rawValue) counts \(caller.openCount) of \(count)" }
            if caller.remembered.byteCount > self.limits.replayBytesPerClientMax { return "answers exceed their share" }
            if caller.isIdle { return "caller \(handle.rawValue) has nothing" }
        }
        return nil
    }

    private func contradictionInRows() -> String? {
        let open = self.calls.count { $0.state != .done }
        if open + self.freeCalls.count != self.calls.count { return "rows are lost" }
        if open != self.openCount { return "\(open) calls are open, callers count \(self.openCount)" }
        let named = self.calls.filter(\.isNamed)
        if named.count != self.named.count { return "the index counts its calls wrong" }
        for (call, row) in self.calls.enumerated() where row.isNamed {
            let address = row.address
            let key = self.key(row.caller, address.name, isTopicForm: address.isTopicForm)
            if self.openCall(key) != call { return "an address leads to the call of another one" }
        }
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
            if let wrong = self.contradictionInKeys(of: place) { return wrong }
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
            guard row.key == nil, row.deadline > now else { continue }
            let seats = self.functions[row.function].seats.indices
            let idle = seats.first {
                self.load($0, at: row.function) != nil && self.isWilling($0, at: row.function, entry.call)
            }
            return idle.map { self.functions[row.function].seats[$0].client }
        }
        return nil
    }

    private func contradictionInKeys(of place: Int) -> String? {
        let function = self.functions[place]
        guard !function.keys.isEmpty else { return nil }
        var calls: [String: [Call]] = [:]
        for row in self.calls where row.state != .done && row.function == place {
            if let key = row.key { calls[key, default: []].append(row) }
        }
        for (key, home) in function.keys {
            let mine = calls[key] ?? []
            let isRight =
                mine.count { $0.isWaiting } == home.waitingCount
                && mine.count { $0.state == .running } == home.runningCount
            if !isRight { return "\(function.name) counts the calls of a key wrong" }
            let servers = Set(mine.compactMap { $0.state == .running ? $0.instance : nil })
            if servers.count > 1 { return "calls of key \(key) run at several instances" }
        }
        return nil
    }

    // MARK: Looking in

    var callerCount: Int { self.callers.count - self.freeCallers.count }

    func caller(_ handle: UInt32) -> Caller? {
        let place = self.placeOfCaller[ClientHandle(rawValue: handle)]
        return place >= 0 ? self.callers[place] : nil
    }

    func instance(_ handle: UInt32) -> Instance? {
        let place = self.placeOfInstance[ClientHandle(rawValue: handle)]
        return place >= 0 ? self.instances[place] : nil
    }
}
