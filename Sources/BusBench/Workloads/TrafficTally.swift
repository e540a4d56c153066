import NIOCore

/// What has arrived, and whether it is what should: the numbers of every stream, latencies, faults.
///
/// One value, so that a message costs one access to it.
struct TrafficTally {
    var isMeasuring = false
    private(set) var deliveredCount = 0
    private(set) var histogram = LatencyHistogram()
    var faults = Faults()
    private let plan: TrafficPlan
    private let payloadBytes: Int
    private var trackers: [SequenceTracker]
    private var sharedTrackers: [SharedTracker] = []

    init(_ plan: TrafficPlan, payloadBytes: Int) {
        self.plan = plan
        self.payloadBytes = payloadBytes
        self.trackers = Array(repeating: SequenceTracker(), count: plan.trackerCount)
        if plan.kind == .shared {
            self.sharedTrackers = Array(
                repeating: SharedTracker(memberCount: plan.subscriberCount), count: plan.publisherCount)
        }
    }

    /// Takes a message that a subscriber got; `nil` for a client that is none.
    ///
    /// Returns the stream of a message that is in its place.
    mutating func take(_ payload: ByteBuffer, subscriber: Int?, now: UInt64) -> Int? {
        guard let stamp = PayloadStamp(payload, expectedBytes: self.payloadBytes) else {
            self.faults.corrupted += 1
            return nil
        }
        self.deliveredCount += 1
        if self.isMeasuring { self.histogram.add(now > stamp.time ? now - stamp.time : 0) }
        let stream = Int(stamp.stream)
        guard let subscriber, let tracker = self.plan.tracker(ofStream: stream, subscriber: subscriber) else {
            self.faults.misrouted += 1
            return nil
        }
        if self.plan.kind == .shared {
            self.faults.note(self.sharedTrackers[tracker].see(stamp.sequence, by: subscriber))
        } else {
            self.faults.note(self.trackers[tracker].see(stamp.sequence))
        }
        return stream
    }

    /// - Parameter sent: how many messages of each stream were sent.
    func lostCount(sent: [UInt64]) -> Int {
        switch self.plan.kind {
        case .shared: zip(self.sharedTrackers, sent).reduce(0) { $0 + Int($1.1) - $1.0.seenCount }
        case .fanout: self.trackers.reduce(0) { $0 + $1.missingCount(of: sent[0]) }
        case .p2p, .latency, .call, .hosted, .connections, .durable, .commit, .fanin, .wildcard:
            zip(self.trackers, sent).reduce(0) { $0 + $1.0.missingCount(of: $1.1) }
        }
    }
}
