package import BusContract

/// What is counted of one function since the broker started.
package struct FunctionStatistics: Sendable, Equatable {
    package var succeeded = 0
    package var failed = 0
    package var expired = 0
    package var lost = 0
    package var refused = 0
    package var cancelled = 0
    package var late = 0
    package var replayed = 0
    /// The most calls that ever waited at a time.
    package var queuedMost = 0
    /// Ended calls by status, those with 200 apart: they are most.
    private var others: [Int: Int] = [:]
    private var okCount = 0
    /// The latest failure.
    package private(set) var lastFailure: LastFailure?
    /// From admission to dispatch, from dispatch to the answer, and both together.
    package var queueTime = LatencyHistogram()
    package var serviceTime = LatencyHistogram()
    package var totalTime = LatencyHistogram()

    package struct LastFailure: Sendable, Equatable {
        package var status: CallStatus
        package var code: CallCode
        package var message: String
        /// Nanoseconds on the broker's clock.
        package var at: UInt64
    }

    package init() {}

    /// Ended calls, by status.
    package var byStatus: [(status: Int, count: Int)] {
        var all = self.others.map { (status: $0.key, count: $0.value) }
        if self.okCount > 0 { all.append((200, self.okCount)) }
        return all.sorted { $0.status < $1.status }
    }

    mutating func count(_ status: CallStatus) {
        if status == .ok { self.okCount += 1 } else { self.others[status.rawValue, default: 0] += 1 }
    }

    mutating func count(_ failure: Failure, now: UInt64) {
        self.count(failure.status)
        self.lastFailure = LastFailure(status: failure.status, code: failure.code, message: failure.message, at: now)
    }

    package mutating func noteFailure(_ status: CallStatus, _ code: CallCode, _ message: String, now: UInt64) {
        self.lastFailure = LastFailure(status: status, code: code, message: message, at: now)
    }
}
