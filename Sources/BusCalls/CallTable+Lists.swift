import DequeModule

/// The lists that run through the rows of the table, and the timers.
extension CallTable {
    mutating func linkToInstance(_ call: Int, _ handle: ClientHandle) {
        let last = self.instances[handle]?.append(call) ?? -1
        self.calls[call].previousOfInstance = last
        self.calls[call].nextOfInstance = -1
        if last >= 0 { self.calls[last].nextOfInstance = call }
    }

    mutating func unlinkFromInstance(_ call: Int) {
        guard let handle = self.calls[call].instance else { return }
        let next = self.calls[call].nextOfInstance
        let previous = self.calls[call].previousOfInstance
        if next >= 0 { self.calls[next].previousOfInstance = previous }
        if previous >= 0 { self.calls[previous].nextOfInstance = next }
        self.calls[call].nextOfInstance = -1
        self.calls[call].previousOfInstance = -1
        let isIdle = self.instances[handle]?.remove(previous: previous, next: next) ?? false
        // It has unsubscribed from everything before, and this was its last call.
        if isIdle { self.instances[handle] = nil }
    }

    mutating func linkToCaller(_ call: Int) {
        let first = self.callers[self.calls[call].request.caller, default: Caller()].prepend(call)
        self.calls[call].nextOfCaller = first
        if first >= 0 { self.calls[first].previousOfCaller = call }
    }

    /// The caller stays known until `dropCallerIfIdle`.
    mutating func unlinkFromCaller(_ call: Int) {
        let next = self.calls[call].nextOfCaller
        let previous = self.calls[call].previousOfCaller
        if next >= 0 { self.calls[next].previousOfCaller = previous }
        if previous >= 0 { self.calls[previous].nextOfCaller = next }
        self.calls[call].nextOfCaller = -1
        self.calls[call].previousOfCaller = -1
        self.callers[self.calls[call].request.caller]?.remove(previous: previous, next: next)
    }

    mutating func dropCallerIfIdle(_ handle: ClientHandle) {
        if self.callers[handle]?.isIdle == true { self.callers[handle] = nil }
    }

    /// The call of a client whose ending has been remembered longest.
    mutating func oldestRemembered(of handle: ClientHandle) -> Int? {
        while let oldest = self.callers[handle]?.done.first {
            if self.calls[oldest.call].generation == oldest.generation { return oldest.call }
            self.callers[handle]?.done.removeFirst()
        }
        return nil
    }

    /// Drops entries of forgotten calls when they are the greater part, so that forgetting needs no search.
    private mutating func tidyRemembered(of handle: ClientHandle) {
        // Read through the table: a copy of the caller would make the change of its list copy the list.
        if self.callers[handle]?.isIdle == true {
            self.callers[handle] = nil
        } else if self.callers[handle]?.hasMoreForgottenThanRemembered == true {
            let calls = self.calls
            self.callers[handle]?.done.removeAll { calls[$0.call].generation != $0.generation }
        }
    }

    mutating func arm(_ call: Int, at due: UInt64) {
        self.wheel.add(DeadlineWheel.Entry(due: due, call: call, generation: self.calls[call].generation))
    }

    /// Frees the row of a finished call.
    mutating func forget(_ call: Int) {
        let handle = self.calls[call].request.caller
        if self.calls[call].request.address.identifiesCall {
            self.callOfAddress[self.calls[call].request.address] = nil
        }
        self.calls[call].generation &+= 1
        self.freeCalls.append(call)
        guard self.calls[call].ending != nil else { return }
        self.calls[call].ending = nil
        let bytes = self.rememberedBytes(call)
        self.callers[handle]?.doneCount -= 1
        self.callers[handle]?.doneBytes -= bytes
        self.tidyRemembered(of: handle)
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

    /// Closes the gap that a call leaves; returns whether nothing holds the instance any more.
    mutating func remove(previous: Int, next: Int) -> Bool {
        if next < 0 { self.lastRunning = previous }
        if previous < 0 { self.firstRunning = next }
        self.runningCount -= 1
        return self.isIdle
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

    var hasMoreForgottenThanRemembered: Bool { self.done.count > 2 * self.doneCount + 64 }

    /// Remembers a finished call; returns the bytes of all.
    mutating func append(_ call: CallReference, bytes: Int) -> Int {
        self.done.append(call)
        self.doneCount += 1
        self.doneBytes += bytes
        return self.doneBytes
    }
}
