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

    /// What one client holds.
    private struct Share: Sendable {
        let client: String
        var entries: [CallKey: Entry] = [:]
        /// The oldest first, with the time at which each was to expire; those before `head` are gone.
        var order: [(key: CallKey, expiresAt: ContinuousClock.Instant)] = []
        var head = 0
        var byteCount = 0

        init(of client: String) {
            self.client = client
        }

        /// The oldest entry's key; skips what was taken out already.
        mutating func oldest() -> CallKey? {
            while self.head < self.order.count, self.entries[self.order[self.head].key] == nil { self.head += 1 }
            if self.head > 64, self.head * 2 > self.order.count {
                self.order.removeFirst(self.head)
                self.head = 0
            }
            return self.head < self.order.count ? self.order[self.head].key : nil
        }

        mutating func keep(_ entry: Entry, under key: CallKey) {
            var (entry, key) = (entry, key)
            // One text for all of them: what is kept for long is kept small.
            if key.replyTopic == self.client { key.replyTopic = self.client }
            if entry.answer.topic == self.client { entry.answer.topic = self.client }
            self.entries[key] = entry
            self.order.append((key, entry.expiresAt))
            self.byteCount += entry.byteCount
        }

        /// - Returns: the bytes that it had.
        mutating func remove(_ key: CallKey) -> Int {
            let bytes = self.entries.removeValue(forKey: key)?.byteCount ?? 0
            self.byteCount -= bytes
            return bytes
        }

        /// - Returns: the bytes that they had.
        mutating func expire(now: ContinuousClock.Instant) -> Int {
            var bytes = 0
            // The time in the order is never later than that of the entry: what it says is over may have been renewed.
            while self.head < self.order.count, self.order[self.head].expiresAt <= now, let key = self.oldest(),
                let entry = self.entries[key], entry.expiresAt <= now
            {
                bytes += self.remove(key)
            }
            return bytes
        }
    }

    private var shares: [Share] = []
    /// Where the share of a client stands.
    private var indices: [String: Int] = [:]
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

    var count: Int { self.shares.reduce(0) { $0 + $1.entries.count } }

    func find(
        _ key: CallKey, of client: String, digest: Int, attempt: Int, now: ContinuousClock.Instant
    ) -> Finding {
        guard let index = self.indices[client], let entry = self.shares[index].entries[key], entry.expiresAt > now
        else { return .unknown }
        guard entry.digest == digest else { return .mismatch }
        return entry.isSuccess || attempt <= entry.attempt ? .answer(entry.answer) : .unknown
    }

    mutating func keep(_ entry: Entry, under key: CallKey, of client: String, now: ContinuousClock.Instant) {
        var entry = entry
        entry.byteCount = entry.answer.payload.count + Self.overhead
        // That of the request to which it is said again takes its place.
        entry.answer.properties.correlationData = nil
        guard entry.byteCount <= self.clientBytesMax else { return }
        let index = self.index(of: client)
        self.byteCount -= self.shares[index].expire(now: now)
        self.byteCount -= self.shares[index].remove(key)
        while self.shares[index].byteCount + entry.byteCount > self.clientBytesMax,
            let oldest = self.shares[index].oldest()
        {
            self.byteCount -= self.shares[index].remove(oldest)
        }
        self.shares[index].keep(entry, under: key)
        self.byteCount += entry.byteCount
        while self.byteCount > self.bytesMax { self.dropOfLargest() }
        self.keptCount += 1
        // Clients that went away leave nothing behind for long.
        if self.keptCount.isMultiple(of: 1024) { self.expireAll(now: now) }
    }

    /// Where the share of a client stands; makes one for a client that has none.
    private mutating func index(of client: String) -> Int {
        if let index = self.indices[client] { return index }
        self.shares.append(Share(of: client))
        self.indices[client] = self.shares.count - 1
        return self.shares.count - 1
    }

    private mutating func expireAll(now: ContinuousClock.Instant) {
        // From the end: the last one takes the place of one that goes.
        for index in self.shares.indices.reversed() {
            self.byteCount -= self.shares[index].expire(now: now)
            self.removeIfEmpty(index)
        }
    }

    private mutating func removeIfEmpty(_ index: Int) {
        guard self.shares[index].entries.isEmpty else { return }
        self.shares.swapAt(index, self.shares.count - 1)
        self.indices[self.shares.removeLast().client] = nil
        if index < self.shares.count { self.indices[self.shares[index].client] = index }
    }

    private mutating func dropOfLargest() {
        guard let index = self.shares.indices.max(by: { self.shares[$0].byteCount < self.shares[$1].byteCount }),
            let oldest = self.shares[index].oldest()
        else { preconditionFailure("the bytes that are counted belong to an entry") }
        self.byteCount -= self.shares[index].remove(oldest)
        self.removeIfEmpty(index)
    }
}
