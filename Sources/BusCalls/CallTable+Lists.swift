/// The lists that run through the rows of the table, and the timers.
extension CallTable {
    mutating func linkToInstance(_ call: Int, _ handle: ClientHandle) {
        let last = self.instances[handle]?.lastRunning ?? -1
        self.calls[call].previousOfInstance = last
        self.calls[call].nextOfInstance = -1
        if last >= 0 { self.calls[last].nextOfInstance = call }
        if self.instances[handle]?.firstRunning == -1 { self.instances[handle]?.firstRunning = call }
        self.instances[handle]?.lastRunning = call
        self.instances[handle]?.runningCount += 1
    }

    mutating func unlinkFromInstance(_ call: Int) {
        guard let handle = self.calls[call].instance else { return }
        let next = self.calls[call].nextOfInstance
        let previous = self.calls[call].previousOfInstance
        if next >= 0 {
            self.calls[next].previousOfInstance = previous
        } else {
            self.instances[handle]?.lastRunning = previous
        }
        if previous >= 0 {
            self.calls[previous].nextOfInstance = next
        } else {
            self.instances[handle]?.firstRunning = next
        }
        self.calls[call].nextOfInstance = -1
        self.calls[call].previousOfInstance = -1
        self.instances[handle]?.runningCount -= 1
    }

    mutating func linkToCaller(_ call: Int) {
        let handle = self.calls[call].request.caller
        let first = self.callers[handle]?.firstOpen ?? -1
        self.calls[call].nextOfCaller = first
        if first >= 0 { self.calls[first].previousOfCaller = call }
        self.callers[handle, default: Caller()].firstOpen = call
        self.callers[handle, default: Caller()].openCount += 1
    }

    mutating func unlinkFromCaller(_ call: Int) {
        let handle = self.calls[call].request.caller
        let next = self.calls[call].nextOfCaller
        let previous = self.calls[call].previousOfCaller
        if next >= 0 { self.calls[next].previousOfCaller = previous }
        if previous >= 0 {
            self.calls[previous].nextOfCaller = next
        } else {
            self.callers[handle]?.firstOpen = next
        }
        self.calls[call].nextOfCaller = -1
        self.calls[call].previousOfCaller = -1
        self.callers[handle]?.openCount -= 1
        self.dropCallerIfIdle(handle)
    }

    func dropsCaller(_ caller: Caller) -> Bool { caller.openCount == 0 && caller.done.isEmpty }

    mutating func dropCallerIfIdle(_ handle: ClientHandle) {
        if let caller = self.callers[handle], self.dropsCaller(caller) { self.callers[handle] = nil }
    }

    mutating func arm(_ call: Int, at due: UInt64) {
        self.wheel.add(DeadlineWheel.Entry(due: due, call: call, generation: self.calls[call].generation))
    }

    /// Frees the row of a finished call.
    mutating func forget(_ call: Int) {
        let request = self.calls[call].request
        if request.address.identifiesCall {
            self.callOfAddress[request.address] = nil
            let bytes = self.rememberedBytes(call)
            if let place = self.callers[request.caller]?.done.firstIndex(where: { $0.call == call }) {
                self.callers[request.caller]?.done.remove(at: place)
                self.callers[request.caller]?.doneBytes -= bytes
            }
            self.dropCallerIfIdle(request.caller)
        }
        self.calls[call].generation &+= 1
        self.calls[call].ending = .forgotten
        self.freeCalls.append(call)
    }
}
