package import BusContract
import BusTopics
import DequeModule

/// Every synchronous call that the broker knows of: who may take it, who has it, when it must end, how it ended.
///
/// A call is a row of `calls` and goes through these states:
///
/// | state     | is                               | becomes                                                          |
/// |-----------|----------------------------------|------------------------------------------------------------------|
/// | `queued`  | in its function's queue          | `running`; `done` by deadline, cancellation, end of its wait      |
/// | `running` | at one instance                  | `done` by its answer, deadline, cancellation, loss; `queued` again when the instance refused it or died and it may run again |
/// | `done`    | remembered for repeated requests | forgotten after `replaySeconds`, or when the client's share is full |
///
/// A failure after which another attempt makes sense is not remembered: the attempt has the same address.
///
/// Invariants: a call ends exactly once; an instance is never given more calls than its capacity; a call leaves the list
/// of its instance and of its caller when it is done; no call waits that an instance with room could take. Messages are
/// opaque here: the owner of the table delivers them.
package struct CallTable: Sendable {
    package typealias Message = any CallMessage

    enum State: Equatable, Sendable {
        case queued, running, done
    }

    /// How a call ended, for those who ask again.
    enum Ending: Sendable {
        case answered(Message)
        case failed(Failure)
    }

    struct Call: Sendable {
        var generation: UInt32 = 0
        /// The number of its admission: calls wait in this order, also those that come back to the queue.
        var order: UInt64 = 0
        var state = State.done
        var request: Request
        var function = 0
        var instance: ClientHandle?
        /// Counted in the queue of its function; one that was just admitted or taken from an instance is not yet.
        var isWaiting = false
        var attempt = 0
        /// An instance had it and was lost: whatever happens to it now, it may have run.
        var mayHaveRun = false
        /// Until when it may wait for an instance to appear.
        var waitsUntil: UInt64 = 0
        var queuedAt: UInt64 = 0
        var dispatchedAt: UInt64 = 0
        /// Instances that refused it unread.
        var refusedBy: [ClientHandle] = []
        /// Set while it is remembered.
        var ending: Ending?
        var endingBytes = 0
        var forgottenAt: UInt64 = 0
        /// Neighbours in the list of the instance's running calls and of the caller's open calls.
        var nextOfInstance = -1, previousOfInstance = -1
        var nextOfCaller = -1, previousOfCaller = -1
    }

    struct Instance: Sendable {
        var capacity: Int
        var runningCount = 0
        /// Its running calls in the order of their dispatch.
        var firstRunning = -1, lastRunning = -1
        var isDraining = false
        /// Functions by their place in `functions`.
        var functions: Set<Int> = []
        /// Its subscriptions that name a function, by that function's place; one function may have several.
        var named: [Int: [TopicFilter]] = [:]
        /// Its shared subscriptions with wildcards.
        var wildcards: [TopicFilter] = []

        var hasRoom: Bool { !self.isDraining && self.runningCount < self.capacity }
        /// Nothing holds it here any more.
        var isIdle: Bool { self.runningCount == 0 && self.functions.isEmpty && self.wildcards.isEmpty }
    }

    struct Caller: Sendable {
        var openCount = 0
        var firstOpen = -1
        /// Remembered calls, the oldest first; those that were forgotten meanwhile still lie between them.
        var done: Deque<CallReference> = []
        var doneCount = 0
        var doneBytes = 0

        var isIdle: Bool { self.openCount == 0 && self.doneCount == 0 }
    }

    struct Function: Sendable {
        var name: FunctionName
        var instances: [ClientHandle] = []
        /// Where the search for an instance begins, so that ties rotate.
        var turn = 0
        /// Waiting calls by the order of their admission; those that ended meanwhile still lie between them.
        var queue: Deque<QueueEntry> = []
        /// Calls that really wait, and how many of them have each key.
        var queuedCount = 0
        var waitingKeys: [String: Int] = [:]
        var runningCount = 0
        var descriptor: FunctionDescriptor?
        var lastUsed: UInt64 = 0
        var statistics = FunctionStatistics()
    }

    package let limits: CallLimits
    var calls: ContiguousArray<Call> = []
    var freeCalls: [Int] = []
    var admittedCount: UInt64 = 0
    /// Calls whose address tells them apart; the others are found among the running ones of the instance that answers.
    var callOfAddress: [CallAddress: Int] = [:]
    var functions: ContiguousArray<Function> = []
    var freeFunctions: [Int] = []
    var functionOfName: [FunctionName: Int] = [:]
    /// Functions with a call in the queue.
    var waitingFunctions: Set<Int> = []
    var instances: [ClientHandle: Instance] = [:]
    /// Instances with a wildcard, which serve functions that nobody has named yet.
    var instancesOfMany: Set<ClientHandle> = []
    var callers: [ClientHandle: Caller] = [:]
    var wheel = DeadlineWheel()

    package init(limits: CallLimits = CallLimits()) {
        self.limits = limits
    }

    // MARK: Queries

    /// When `advance` wants to be called next.
    package var nextDeadline: UInt64? { self.wheel.next }

    /// Calls that are queued or running.
    package var openCount: Int { self.callers.values.reduce(0) { $0 + $1.openCount } }

    /// Whether a client has calls to answer: only then can a publish of its be an answer.
    package func hasRunningCalls(_ client: ClientHandle) -> Bool {
        (self.instances[client]?.runningCount ?? 0) > 0
    }

    package var hasInstances: Bool { !self.instances.isEmpty }
}

/// A row of the call table, told apart from later users of the same row.
struct CallReference: Sendable, Equatable {
    var call: Int
    var generation: UInt32
}

/// A place in the queue of a function. No two calls ever have the same order, so it tells the users of a row apart.
struct QueueEntry: Sendable, Equatable {
    var call: Int
    var order: UInt64
}

/// What the table needs to know of a request.
extension CallTable {
    package struct Request: Sendable {
        package var caller: ClientHandle
        package var function: FunctionName
        package var address: CallAddress
        /// Nanoseconds from now until the deadline, `nil` when the request brings none.
        package var timeoutNanoseconds: UInt64?
        /// `nil` leaves it to the catalog.
        package var isIdempotent: Bool?
        /// Calls with the same key go to the same instance and stay in order.
        package var key: String?
        package var waitNanoseconds: UInt64 = 0
        package var acceptsProgress = false
        /// A hash of the payload: the same call twice has the same.
        package var digest: UInt64
        /// Dropped when the call has ended: what is remembered of it is its answer.
        var message: Message?
        /// The same request may come again and is then answered from memory.
        package var isRemembered: Bool
        /// Set on admission.
        var deadline: UInt64 = 0

        package init(
            caller: ClientHandle, function: FunctionName, address: CallAddress, digest: UInt64, message: Message,
            isRemembered: Bool = true
        ) {
            self.caller = caller
            self.function = function
            self.address = address
            self.digest = digest
            self.message = message
            self.isRemembered = isRemembered
        }
    }

    /// What the owner of the table does next.
    package enum Effect: Sendable {
        /// Give the request to an instance.
        case dispatch(Message, to: ClientHandle, remainingNanoseconds: UInt64, attempt: Int, caller: ClientHandle)
        /// Tell the caller how it failed.
        case fail(Failure, CallAddress, isReplay: Bool)
        /// Give the caller an answer once more.
        case replay(Message)
        /// Tell an instance to stop.
        case cancel(FunctionName, CallAddress, at: ClientHandle)
        /// An on-demand function is called and nobody serves it.
        case wake(FunctionName)
        case event(CallEvent, FunctionName, detail: String)
    }
}

/// Something that operators may want to know.
package enum CallEvent: String, Sendable {
    case failed, expired, lost, late, overload, registered, unregistered
}
