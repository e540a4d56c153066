import BusContract

/// The answers that were given, so that a repeated request is answered and not run.
///
/// Each answer is kept for a time of its own. A client (by its reply topic) holds at most `clientBytesMax`, all together
/// `bytesMax`: beyond, whoever holds most gives up its oldest.
struct AnswerCache: Sendable {
    struct Entry: Sendable {
        var digest: Int
        var answer: ApplicationMessage
        /// Of the platform, for one-way calls: a later attempt is a new execution unless an earlier one succeeded.
        var attempt: Int
        var isSuccess: Bool
        var expiresAt: ContinuousClock.Instant
        var byteCount: Int
    }

    enum Finding: Equatable, Sendable {
        case unknown
        case answer(ApplicationMessage)
        /// The same correlation data with another payload.
        case mismatch
    }

    private struct Share: Sendable {
        var entries: [[UInt8]: Entry] = [:]
        /// Keys, the oldest first; those before `head` are gone.
        var order: [[UInt8]] = []
        var head = 0
        var byteCount = 0

        /// The oldest entry's key; skips what was taken out already.
        mutating func oldest() -> [UInt8]? {
            while self.head < self.order.count, self.entries[self.order[self.head]] == nil { self.head += 1 }
            if self.head > 64, self.head * 2 > self.order.count {
                self.order.removeFirst(self.head)
                self.head = 0
            }
            return self.head < self.order.count ? self.order[self.head] : nil
        }

        mutating func remove(_ key: [UInt8]) -> Int {
            let bytes = self.entries.removeValue(forKey: key)?.byteCount ?? 0
            self.byteCount -= bytes
            return bytes
        }
    }

    private var shares: [String: Share] = [:]
    private(set) var byteCount = 0
    private var keptCount = 0
    private let clientBytesMax: Int
    private let bytesMax: Int
    /// What an entry takes besides its answer.
    private static let overhead = 200

    init(clientBytesMax: Int = 1 << 20, bytesMax: Int = 16 << 20) {
        self.clientBytesMax = clientBytesMax
        self.bytesMax = bytesMax
    }

    var count: Int { self.shares.values.reduce(0) { $0 + $1.entries.count } }

    func find(
        _ key: [UInt8], of client: String, digest: Int, attempt: Int, now: ContinuousClock.Instant
    ) -> Finding {
        guard let entry = self.shares[client]?.entries[key], entry.expiresAt > now else { return .unknown }
        guard entry.digest == digest else { return .mismatch }
        return entry.isSuccess || attempt <= entry.attempt ? .answer(entry.answer) : .unknown
    }

    mutating func keep(_ entry: Entry, under key: [UInt8], of client: String, now: ContinuousClock.Instant) {
        var entry = entry
        entry.byteCount = entry.answer.payload.count + Self.overhead
        guard entry.byteCount <= self.clientBytesMax else { return }
        self.expire(client, now: now)
        var share = self.shares[client] ?? Share()
        // The dictionary must not hold a second reference while the share changes.
        self.shares[client] = nil
        self.byteCount -= share.remove(key)
        while share.byteCount + entry.byteCount > self.clientBytesMax, let oldest = share.oldest() {
            self.byteCount -= share.remove(oldest)
        }
        share.entries[key] = entry
        share.order.append(key)
        share.byteCount += entry.byteCount
        self.byteCount += entry.byteCount
        self.shares[client] = share
        while self.byteCount > self.bytesMax { self.dropOfLargest() }
        self.keptCount += 1
        // Clients that went away leave nothing behind for long.
        if self.keptCount.isMultiple(of: 1024) {
            for client in Array(self.shares.keys) { self.expire(client, now: now) }
        }
    }

    private mutating func expire(_ client: String, now: ContinuousClock.Instant) {
        while let key = self.shares[client]?.oldest(), let entry = self.shares[client]?.entries[key],
            entry.expiresAt <= now
        {
            self.byteCount -= self.shares[client]?.remove(key) ?? 0
        }
        if self.shares[client]?.entries.isEmpty == true { self.shares[client] = nil }
    }

    private mutating func dropOfLargest() {
        guard let client = self.shares.max(by: { $0.value.byteCount < $1.value.byteCount })?.key,
            let oldest = self.shares[client]?.oldest()
        else { preconditionFailure("the bytes that are counted belong to an entry") }
        self.byteCount -= self.shares[client]?.remove(oldest) ?? 0
        if self.shares[client]?.entries.isEmpty == true { self.shares[client] = nil }
    }
}
