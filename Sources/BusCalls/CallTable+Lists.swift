/// The lists that run through the rows of the table, and the timers.
extension CallTable {
    mutating func linkToInstance(_ call: Int, _ place: Int) {
        let last = self.instances[place].append(call)
        if self.calls[call].isAnsweredElsewhere { self.instances[place].plainCount += 1 }
        self.calls[call].previousOfInstance = last
        self.calls[call].nextOfInstance = -1
        if last >= 0 { self.calls[last].nextOfInstance = call }
    }

    /// Takes a call that runs from its instance and its function's counts. The row of an instance that has unsubscribed
    /// from everything before goes with its last call.
    mutating func unlinkFromInstance(_ call: Int) {
        let place = self.calls[call].instance
        let function = self.calls[call].function
        let next = self.calls[call].nextOfInstance
        let previous = self.calls[call].previousOfInstance
        if next >= 0 { self.calls[next].previousOfInstance = previous }
        if previous >= 0 { self.calls[previous].nextOfInstance = next }
        self.calls[call].nextOfInstance = -1
        self.calls[call].previousOfInstance = -1
        self.calls[call].instance = -1
        self.functions[function].runningCount -= 1
        if let seat = self.seat(of: place, at: function) { self.functions[function].seats[seat].running -= 1 }
        if self.calls[call].isKeyed, let key = self.calls[call].key {
            self.functions[function].keys[key]?.runningCount -= 1
        }
        if self.calls[call].isAnsweredElsewhere { self.instances[place].plainCount -= 1 }
        if !self.callOfAlias.isEmpty, let alias = self.calls[call].alias {
            self.callOfAlias[alias] = nil
            self.calls[call].alias = nil
        }
        self.instances[place].remove(previous: previous, next: next)
        self.dropInstanceIfIdle(place)
    }

    mutating func linkToCaller(_ call: Int) {
        let place = self.makeCaller(self.calls[call].caller)
        self.callers[place].lastFunction = self.calls[call].function
        let first = self.callers[place].prepend(call)
        self.calls[call].nextOfCaller = first
        self.calls[call].previousOfCaller = -1
        if first >= 0 { self.calls[first].previousOfCaller = call }
        self.openCount += 1
    }

    /// The caller stays known until `dropCallerIfIdle`.
    mutating func unlinkFromCaller(_ call: Int, _ place: Int) {
        let next = self.calls[call].nextOfCaller
        let previous = self.calls[call].previousOfCaller
        if next >= 0 { self.calls[next].previousOfCaller = previous }
        if previous >= 0 { self.calls[previous].nextOfCaller = next }
        self.calls[call].nextOfCaller = -1
        self.calls[call].previousOfCaller = -1
        self.callers[place].remove(previous: previous, next: next)
        self.openCount -= 1
    }

    // MARK: Callers

    private mutating func makeCaller(_ handle: ClientHandle) -> Int {
        let known = self.placeOfCaller[handle]
        if known >= 0 { return known }
        var caller = Caller(
            handle: handle, remembered: RememberedCalls(bytesMax: self.limits.replayBytesPerClientMax))
        let place: Int
        if let reused = self.freeCallers.popLast() {
            place = reused
            caller.generation = self.callers[place].generation &+ 1
            self.callers[place] = caller
        } else {
            place = self.callers.count
            self.callers.append(caller)
        }
        self.placeOfCaller[handle] = place
        return place
    }

    mutating func dropCallerIfIdle(_ place: Int) {
        guard self.callers[place].isIdle, self.placeOfCaller[self.callers[place].handle] == place else { return }
        self.placeOfCaller[self.callers[place].handle] = -1
        self.callers[place].generation &+= 1
        self.callers[place].remembered = RememberedCalls(bytesMax: self.limits.replayBytesPerClientMax)
        self.freeCallers.append(place)
    }

    /// Frees the row of a call that has ended.
    mutating func free(_ call: Int) {
        self.removeName(call)
        self.calls[call].generation &+= 1
        self.freeCalls.append(call)
    }

    // MARK: Timers

    /// Sets the timer of a row, if it would not come before. Rows are used again and again: the timer that an earlier call
    /// has left finds out what the present one waits for, so that a row has one in the wheel, not one for each call.
    mutating func arm(_ call: Int, at due: UInt64) {
        guard self.calls[call].armedAt > due else { return }
        self.calls[call].armedAt = due
        self.wheel.add(DeadlineWheel.Entry(due: due, call: call))
    }

    /// Whether an entry of the wheel still means something.
    static func isAlive(
        _ entry: DeadlineWheel.Entry, _ calls: ContiguousArray<Call>, _ callers: ContiguousArray<Caller>
    ) -> Bool {
        guard entry.call >= 0 else { return callers[-1 - entry.call].generation == entry.generation }
        return calls[entry.call].armedAt == entry.due && calls[entry.call].state != .done
    }

    /// Entries of callers stand below zero in the wheel.
    mutating func arm(caller place: Int, at due: UInt64) {
        self.callers[place].armedAt = due
        self.wheel.add(DeadlineWheel.Entry(due: due, call: -1 - place, generation: self.callers[place].generation))
    }

    /// Forgets what a caller is not owed any more. One timer serves all its ended calls, at most once a second: a timer
    /// for each would lie in the wheel long after a full share had pushed the call out.
    mutating func forgetDue(ofCaller place: Int, now: UInt64) {
        // An earlier timer may have done it, and set another one.
        guard self.callers[place].armedAt <= now else { return }
        self.callers[place].armedAt = .max
        let next = self.callers[place].remembered.forget(
            dueAt: now, lasting: self.limits.replaySeconds * 1_000_000_000)
        self.dropCallerIfIdle(place)
        guard next < .max else { return }
        self.arm(caller: place, at: max(next, now + 1_000_000_000))
    }
}

extension CallTable.Instance {
    /// Appends to the running calls; returns the one before.
    mutating func append(_ call: Int) -> Int {
        let last = self.lastRunning
        if last < 0 { self.firstRunning = call }
        self.lastRunning = call
        self.runningCount += 1
        return last
    }

    /// Closes the gap that a call leaves.
    mutating func remove(previous: Int, next: Int) {
        if next < 0 { self.lastRunning = previous }
        if previous < 0 { self.firstRunning = next }
        self.runningCount -= 1
    }
}

extension CallTable.Caller {
    /// Puts a call before the open ones; returns the one behind it.
    mutating func prepend(_ call: Int) -> Int {
        let first = self.firstOpen
        self.firstOpen = call
        self.openCount += 1
        return first
    }

    mutating func remove(previous: Int, next: Int) {
        if previous < 0 { self.firstOpen = next }
        self.openCount -= 1
    }
}
