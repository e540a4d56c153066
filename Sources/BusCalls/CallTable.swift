import BusContract
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
/// | `done`    | a free row                       | |
///
/// How a call ended is remembered with its caller for repeated requests, until `replaySeconds` are over or the client's
/// share is full. A failure after which another attempt makes sense is not remembered: the attempt has the same address.
///
/// Invariants: a call ends exactly once; an instance never has more calls of a function than its seat there allows, nor
/// more in all than its bound; a call leaves the list of its instance and of its caller when it is done; no call waits
/// that an instance with room could take; calls of one key go to one instance at a time, in the order of their
/// admission. Messages are opaque here: the owner of the table delivers them.
///
/// It cannot be copied, and `anchor` makes the compiler pass it by its address: a call of a method that only reads would
/// otherwise move its 360 bytes, eleven times for each call.
package struct CallTable: ~Copyable, Sendable {
    package typealias Message = any CallMessage

    enum State: Equatable, Sendable {
        case queued, running, done
    }

    struct Call: Sendable {
        var generation: UInt32 = 0
        var state = State.done
        // Of the request.
        var caller: ClientHandle
        var address: CallAddress
        /// Dropped when the call has ended: what is remembered of it is its answer.
        var message: Message?
        var key: String?
        /// Asked at every step: the key itself would be copied with its row.
        var isKeyed = false
        var isIdempotent = false
        var isRemembered = true
        var isAnsweredElsewhere = false
        var acceptsProgress = false
        var isTraced = false
        var digest: UInt64 = 0
        var packetBytes = 0
        var deadline: UInt64 = 0
        /// The number of its admission: calls wait in this order, also those that come back to the queue.
        var order: UInt64 = 0
        var function = 0
        /// Place of the instance that runs it, -1 for none.
        var instance = -1
        /// Who has it, or had it last: only that one can be late with its answer.
        var server: ClientHandle?
        /// Counted in the queue of its function; one that was just admitted or taken from an instance is not yet.
        var isWaiting = false
        var attempt = 0
        /// An instance had it and was lost: whatever happens to it now, it may have run.
        var mayHaveRun = false
        /// Until when it may wait for an instance to appear.
        var waitsUntil: UInt64 = 0
        var queuedAt: UInt64 = 0
        var dispatchedAt: UInt64 = 0
        /// When its instance has had the function's own timeout and more.
        var attemptEndsAt: UInt64 = 0
        /// When the row's timer comes, which may be one that an earlier call has set.
        var armedAt = UInt64.max
        /// Instances that refused it unread.
        var refusedBy: [ClientHandle] = []
        /// The reply topic under which its instance knows it, where that is not the caller's.
        var alias: String?
        /// Whether it is found by its key.
        var isNamed = false
        var keyHash: UInt64 = 0
        /// The next call that the index has in the same list.
        var nextOfName = -1
        /// Neighbours in the list of the instance's running calls and of the caller's open calls.
        var nextOfInstance = -1, previousOfInstance = -1
        var nextOfCaller = -1, previousOfCaller = -1
    }

    struct Instance: Sendable {
        var client: ClientHandle
        var terms: InstanceTerms
        /// Calls at a time over all functions.
        var bound: Int
        var runningCount = 0
        /// Running calls whose answers go outside the reply space.
        var plainCount = 0
        /// Its running calls in the order of their dispatch.
        var firstRunning = -1, lastRunning = -1
        /// Functions by their place in `functions`, and how many of them no presence speaks of.
        var functions: Set<Int> = []
        var uncoveredCount = 0
        /// Its subscriptions that name a function, by that function's place; one function may have several.
        var named: [Int: [TopicFilter]] = [:]
        /// Its shared subscriptions with wildcards.
        var wildcards: [TopicFilter] = []

        /// Nothing holds it here any more.
        var isIdle: Bool { self.runningCount == 0 && self.functions.isEmpty && self.wildcards.isEmpty }
    }

    /// An instance at one of its functions.
    struct Seat: Sendable {
        /// Place in `instances`.
        var instance: Int
        var client: ClientHandle
        var capacity: Int
        var running: Int
        var forms: CallFilter.RequestForms
        /// By the word of the instance, and by an operator's.
        var drains = false
        var isDrained = false
        /// Whether a presence speaks of it.
        var isCovered = false
        let since: UInt64

        var isOpen: Bool { !self.drains && !self.isDrained }
    }

    struct Caller: Sendable {
        var generation: UInt32 = 0
        var handle: ClientHandle
        var openCount = 0
        var firstOpen = -1
        var remembered: RememberedCalls
        /// When its timer comes.
        var armedAt = UInt64.max
        /// The function that it called last, -1 for none: most callers call the same one again.
        var lastFunction = -1

        var isIdle: Bool { self.openCount == 0 && self.remembered.isEmpty }
    }

    /// Where calls of one key go.
    struct KeyHome: Sendable {
        /// Place of the instance, -1 when the next call finds one.
        var instance = -1
        var runningCount = 0
        var waitingCount = 0
        var lastOrder: UInt64 = 0

        var isIdle: Bool { self.runningCount == 0 && self.waitingCount == 0 }
    }

    struct Function: Sendable {
        var name: FunctionName
        /// Rises when the row gets another owner, and while it has none.
        var generation: UInt32 = 0
        var isKnown = true
        var seats: [Seat] = []
        /// Where the search for an instance begins, so that ties rotate.
        var turn = 0
        /// Waiting calls by the order of their admission; those that ended meanwhile still lie between them.
        var queue: Deque<QueueEntry> = []
        /// Calls that really wait, and the most that ever did.
        var queuedCount = 0
        var keys: [String: KeyHome] = [:]
        var runningCount = 0
        var descriptor: FunctionDescriptor? {
            didSet { self.terms = CallTerms(self.descriptor) }
        }
        /// What the descriptor says of every call. It is asked each time, and the descriptor itself could not be asked
        /// without a copy of the row.
        private(set) var terms = CallTerms()
        var lastUsed: UInt64 = 0
        var statistics = FunctionStatistics()
    }

    /// The part of a descriptor that concerns every call.
    struct CallTerms: Sendable {
        var timeoutMilliseconds: UInt64?
        var isIdempotent = false
        var requestBytesMax: Int?

        init(_ descriptor: FunctionDescriptor? = nil) {
            guard let descriptor else { return }
            self.timeoutMilliseconds = descriptor.timeoutMilliseconds
            self.isIdempotent = descriptor.isIdempotent
            self.requestBytesMax = descriptor.requestBytesMax
        }
    }

    /// Never read. The compiler knows no size for what may lie in here, and moves no value that holds it: neither the
    /// table nor the broker around it.
    private let anchor: any Sendable = ()
    package let limits: CallLimits
    var calls: ContiguousArray<Call> = []
    var freeCalls: [Int] = []
    var admittedCount: UInt64 = 0
    /// Calls that are queued or running.
    package internal(set) var openCount = 0
    /// Open calls that their callers have named; the others are found among the running ones of the instance that
    /// answers.
    var named = CallIndex()
    let seed: UInt64
    /// Running calls that their instances know by another reply topic.
    var callOfAlias: [String: CallReference] = [:]
    var functions: ContiguousArray<Function> = []
    var freeFunctions: [Int] = []
    var functionOfName: [FunctionName: Int] = [:]
    /// Functions with a call in the queue.
    var waitingFunctions: Set<Int> = []
    var instances: ContiguousArray<Instance> = []
    var freeInstances: [Int] = []
    var placeOfInstance = PlaceTable()
    /// Places of instances with a wildcard, which serve functions that nobody has named yet.
    var instancesOfMany: Set<Int> = []
    /// What clients say of themselves as instances, by the identifier of each.
    var presences: [ClientHandle: [String: Presence]] = [:]
    var callers: ContiguousArray<Caller> = []
    var freeCallers: [Int] = []
    var placeOfCaller = PlaceTable()
    var ended = EndedCalls()
    var wheel = DeadlineWheel()

    /// - Parameter seed: any number that outsiders don't know, for the tables whose keys they choose.
    package init(limits: CallLimits = CallLimits(), seed: UInt64 = 0) {
        self.limits = limits
        self.seed = seed
    }

    // MARK: Queries

    /// When `advance` wants to be called next.
    package var nextDeadline: UInt64? { self.wheel.next }

    /// Whether a client has calls to answer: only then can a publish of its be an answer.
    package func hasRunningCalls(_ client: ClientHandle) -> Bool {
        let place = self.placeOfInstance[client]
        return place >= 0 && self.instances[place].runningCount > 0
    }

    /// Whether what a client publishes outside the reply space can be an answer, on time or late.
    package func mayAnswerAnywhere(_ client: ClientHandle) -> Bool {
        let place = self.placeOfInstance[client]
        return (place >= 0 && self.instances[place].plainCount > 0) || self.ended.concerns(client)
    }

    package var hasInstances: Bool { self.instances.count > self.freeInstances.count }
    package var functionCount: Int { self.functionOfName.count }
    package var instanceCount: Int { self.instances.count - self.freeInstances.count }
}

extension CallTable {
    /// How much the table holds, to show that it does not grow with what has ended.
    package struct Size: Sendable, Equatable {
        package var rows: Int
        package var named: Int
        package var remembered: Int
        package var ended: Int
        package var keys: Int
        package var timers: Int
        package var clients: Int
        package var presences: Int
    }

    package var size: Size {
        Size(
            rows: self.calls.count, named: self.named.count,
            remembered: self.callers.reduce(0) { $0 + $1.remembered.count }, ended: self.ended.count,
            keys: self.functions.reduce(0) { $0 + $1.keys.count }, timers: self.wheel.entryCount,
            clients: self.instances.count + self.callers.count, presences: self.presences.count)
    }
}

/// What the broker knows of an instance from its connection.
package struct InstanceTerms: Sendable, Equatable {
    /// Its Receive Maximum: calls at a time over all its functions.
    package var window: Int
    /// Its Maximum Packet Size.
    package var packetBytesMax: Int
    /// It speaks MQTT 5: requests may come with their reply address in properties.
    package var hasProperties: Bool

    package init(window: Int, packetBytesMax: Int = .max, hasProperties: Bool = true) {
        self.window = window
        self.packetBytesMax = packetBytesMax
        self.hasProperties = hasProperties
    }
}

/// What an instance says of itself, as far as it matters here.
struct Presence: Sendable, Equatable {
    /// Empty for everything that its client serves.
    var functions: Set<FunctionName> = []
    var capacity: Int?
    var drains = false
}
