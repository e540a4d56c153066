import BusSession
private import DequeModule

/// How the driver's store is, as far as the broker has to know.
package enum StoreCondition: String, Sendable {
    case sound
    /// Nothing more fits, for now: new work that must be stored is refused, acknowledgements wait.
    case full
    /// Nothing is ever stored again: the same, until the process is started again.
    case failed
}

/// What is to be remembered beyond the process, gathered until the driver takes it, and who waits for it.
///
/// The driver takes the changes as batches with rising numbers and says up to which number they are on disk. What a
/// client is told about a change waits for the batch that holds it:
///
/// | number        | is                                        |
/// |---------------|-------------------------------------------|
/// | `openNumber`  | of the batch that still gathers changes   |
/// | `committed`   | up to which everything is on disk         |
///
/// Without a store it is off: nothing is gathered and nothing waits.
struct Journal: Sendable {
    /// Something to be done after a commit. Who is gone by then is told by the generation.
    enum Waiter: Sendable {
        case connection(Int, generation: UInt32)
        case session(Int, generation: UInt32)
        case task(String)
        indirect case answer(OperatorAnswer)
    }

    private(set) var isOn = false
    private(set) var condition = StoreCondition.sound
    private(set) var openNumber: UInt64 = 1
    private(set) var committed: UInt64 = 0
    /// Rises with every change, so that an input can be asked whether it caused any.
    private(set) var changeCount: UInt64 = 0
    var clock = WallClock()
    private var changes: [StoreChange] = []
    private var waiters: Deque<(number: UInt64, waiter: Waiter)> = []
    /// How many deliveries use each content.
    private var uses: [UInt64: Int] = [:]
    private var lastSession: UInt64 = 0
    private var lastMessage: UInt64 = 0

    mutating func turnOn() {
        self.isOn = true
    }

    var hasChanges: Bool { !self.changes.isEmpty }
    /// Of the batch with the latest change: when it is on disk, everything so far is.
    var latestNumber: UInt64 { self.hasChanges ? self.openNumber : self.openNumber - 1 }
    /// Whether new work that must be stored is taken.
    var hasRoom: Bool { self.condition == .sound }

    // MARK: Numbers

    mutating func nextSession() -> UInt64 {
        self.lastSession += 1
        return self.lastSession
    }

    mutating func nextMessage() -> UInt64 {
        self.lastMessage += 1
        return self.lastMessage
    }

    /// Numbers that a store knows: new ones go on above them.
    mutating func restored(session: UInt64 = 0, message: UInt64 = 0) {
        self.lastSession = max(self.lastSession, session)
        self.lastMessage = max(self.lastMessage, message)
    }

    // MARK: Changes

    mutating func add(_ change: StoreChange) {
        guard self.isOn else { return }
        self.changeCount += 1
        // A store that has failed takes nothing; what waits for the open batch waits for ever.
        if self.condition != .failed { self.changes.append(change) }
    }

    /// One more delivery uses the content.
    mutating func use(_ message: UInt64) {
        self.uses[message, default: 0] += 1
    }

    /// A delivery is over; the content of the last one goes.
    mutating func release(_ message: UInt64) {
        guard let count = self.uses[message] else { return }
        guard count == 1 else {
            self.uses[message] = count - 1
            return
        }
        self.uses[message] = nil
        self.add(.removeMessage(number: message))
    }

    func isUsed(_ message: UInt64) -> Bool { self.uses[message] != nil }

    /// The batch gathered so far; the next change begins another one.
    mutating func take() -> (changes: [StoreChange], number: UInt64)? {
        guard self.hasChanges else { return nil }
        defer {
            self.changes = []
            self.openNumber += 1
        }
        return (self.changes, self.openNumber)
    }

    // MARK: Commits

    mutating func wait(_ waiter: Waiter, for number: UInt64) {
        // Numbers are asked for as batches open, so that the queue is in their order.
        self.waiters.append((number, waiter))
    }

    mutating func commit(upTo number: UInt64) {
        self.committed = max(self.committed, number)
    }

    mutating func setCondition(_ condition: StoreCondition) {
        guard self.condition != .failed else { return }
        self.condition = condition
        if condition == .failed { self.changes = [] }
    }

    /// The next one whose commit is done.
    mutating func nextReady() -> Waiter? {
        guard let first = self.waiters.first, first.number <= self.committed else { return nil }
        return self.waiters.removeFirst().waiter
    }
}
