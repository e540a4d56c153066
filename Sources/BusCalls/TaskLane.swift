import DequeModule

/// The tasks of one function that could run now, and how many of them may at a time.
///
/// Without a bound thousands of tasks that are due together would fill the function's queue, be refused, and come back
/// later while the function has nothing to do. The window begins where every queue has room, grows while attempts
/// succeed and is halved when one finds the queue full; from then on it grows slowly, since now its limit is known.
struct TaskLane: Sendable {
    /// The least room of a function's queue, see `CallLimits`.
    static let windowAtFirst = 64
    static let windowMax = 4096
    static let windowMin = 4

    /// Due, and waiting for their turn.
    var ready: Deque<String> = []
    var running = 0
    private(set) var window = Self.windowAtFirst
    /// Successes until the window grows by one.
    private var successesLeft = Self.successesPerStep
    private var successesPerStep = Self.successesPerStep
    private static let successesPerStep = 8
    private static let successesPerStepAfterFull = 1024
    /// No instance was there, or the function was not known: an attempt before this time would only say so again.
    var pausedUntil: UInt64 = 0
    /// The end of a pause that the table has noted.
    var resumesAt: UInt64 = 0
    /// Those that wait because they found no instance: they need not wait for their time when one comes.
    var unseen: Set<String> = []

    var isIdle: Bool { self.ready.isEmpty && self.running == 0 && self.unseen.isEmpty }

    func hasRoom(now: UInt64) -> Bool { self.running < self.window && self.pausedUntil <= now }

    mutating func succeeded() {
        self.successesLeft -= 1
        guard self.successesLeft <= 0 else { return }
        self.window = min(Self.windowMax, self.window + 1)
        self.successesLeft = self.successesPerStep
    }

    mutating func wasFull() {
        self.window = max(Self.windowMin, self.window / 2)
        self.successesPerStep = Self.successesPerStepAfterFull
        self.successesLeft = self.successesPerStep
    }
}
