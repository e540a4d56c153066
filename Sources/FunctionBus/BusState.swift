import BusContract
import BusMosquitto

/// What a connection remembers between events: who waits for what, and what to restore after a reconnect.
struct BusState: Sendable {
    enum Link: Sendable, Equatable {
        /// `failure` says why the last attempt failed.
        case connecting(failure: String?)
        case connected(isFcbus: Bool)
        case closed
    }

    /// What a wait ends with.
    enum Outcome: Sendable {
        case connected
        case acknowledged(reasonCode: Int)
        case subscribed(reasonCode: Int)
        case replied(MosquittoMessage)
    }

    /// One task that waits. It is resumed exactly once, by whoever takes it out of the table.
    struct Waiter: Sendable {
        enum Purpose: Sendable {
            case connection
            case acknowledgement(packet: Int32)
            case subscription(packet: Int32)
            case reply(correlation: [UInt8], packet: Int32)
        }

        var purpose: Purpose
        var deadline: ContinuousClock.Instant
        var continuation: CheckedContinuation<Result<Outcome, BusError>, Never>
        /// What a timeout means here.
        var timeoutError: BusError
        /// Hears of interim replies; called on the transport's thread.
        var onProgress: (@Sendable (Reply) -> Void)?
    }

    /// A filter that somebody reads.
    struct Subscription: Sendable {
        var qos: Int
        var readers: [UInt64: @Sendable (BusMessage) -> Void] = [:]
    }

    var link = Link.connecting(failure: nil)
    var waiters: [UInt64: Waiter] = [:]
    /// Acknowledgements and SUBACKs by packet identifier.
    var waiterOfPacket: [Int32: UInt64] = [:]
    var waiterOfReply: [[UInt8]: UInt64] = [:]
    var nextIdentifier: UInt64 = 1
    var subscriptions: [String: Subscription] = [:]
    var services: [BusContract.FunctionName: Service] = [:]
    var hasReplySubscription = false
    /// By function, for those whose calls were repeated.
    var retryBudgets: [BusContract.FunctionName: RetryBudget] = [:]
    /// Replies that nobody waited for any more.
    var lateReplyCount = 0
    /// When the sweep that ends overdue waits is set to run.
    var sweepAt: ContinuousClock.Instant?
    var sweep: Task<Void, Never>?

    var isFcbus: Bool { self.link == .connected(isFcbus: true) }

    var isConnected: Bool {
        if case .connected = self.link { true } else { false }
    }

    mutating func makeIdentifier() -> UInt64 {
        defer { self.nextIdentifier += 1 }
        return self.nextIdentifier
    }

    /// Enters a waiter under everything by which it can be found.
    mutating func add(_ waiter: Waiter, as identifier: UInt64) {
        self.waiters[identifier] = waiter
        switch waiter.purpose {
        case .connection: break
        case .acknowledgement(let packet), .subscription(let packet): self.waiterOfPacket[packet] = identifier
        case .reply(let correlation, let packet):
            self.waiterOfReply[correlation] = identifier
            self.waiterOfPacket[packet] = identifier
        }
    }

    /// Takes a waiter out; the caller resumes it.
    mutating func take(_ identifier: UInt64) -> Waiter? {
        guard let waiter = self.waiters.removeValue(forKey: identifier) else { return nil }
        switch waiter.purpose {
        case .connection: break
        case .acknowledgement(let packet), .subscription(let packet): self.waiterOfPacket[packet] = nil
        case .reply(let correlation, let packet):
            self.waiterOfReply[correlation] = nil
            if self.waiterOfPacket[packet] == identifier { self.waiterOfPacket[packet] = nil }
        }
        return waiter
    }

    /// Takes out every waiter that fits.
    mutating func takeAll(where fits: (Waiter) -> Bool) -> [Waiter] {
        self.waiters.filter { fits($0.value) }.keys.compactMap { self.take($0) }
    }
}
