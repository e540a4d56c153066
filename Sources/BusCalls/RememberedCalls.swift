import BusContract
import DequeModule

/// How the calls of one caller ended, for those that are asked again.
///
/// Why a ring of bytes: most of what is remembered is never asked for, so that an ended call must be cheap to put down
/// and free to forget. Each is one run of words, written behind the one before and found through lists that begin in
/// `heads`; the oldest make room by moving `tail` on. There is no object for each call, and nothing is freed.
///
///     | entry | rest of a name above 16 bytes | answer | up to the next entry |
///
/// Positions count words since the beginning and never come again: one that lies before `tail` leads nowhere. No entry
/// runs over the end of the ring; what is left there belongs to the entry before.
struct RememberedCalls: Sendable {
    struct Entry: BitwiseCopyable, Sendable {
        /// From this entry to the next one.
        fileprivate var wordCount: UInt32 = 0
        fileprivate var answerBytes: UInt32 = 0
        /// The entry before in the same list.
        fileprivate var previous: UInt64 = 0
        fileprivate var hash: UInt64
        private var low: UInt64
        private var high: UInt64
        fileprivate var nameBytes: UInt32
        /// 0 for an answer, otherwise the number of a failure.
        fileprivate var failure: UInt32 = 0
        /// Of the request's payload.
        var digest: UInt64
        /// Of the reply topic.
        var topicHash: UInt64
        var forgottenAt: UInt64
        var function: FunctionReference
        /// Who had it last; only that one can be late with its answer.
        var server: ClientHandle
        private var isTopicForm: Bool

        init(_ key: CallKey, function: FunctionReference, server: ClientHandle?) {
            self.hash = key.hash
            self.low = key.name.low
            self.high = key.name.high
            self.nameBytes = UInt32(key.name.count)
            self.isTopicForm = key.isTopicForm
            self.function = function
            // No client: the platform serves nothing.
            self.server = server ?? .platform
            self.digest = 0
            self.topicHash = 0
            self.forgottenAt = 0
        }

        /// All but the bytes of a name behind the 16th, which lie behind the entry.
        fileprivate func mayBe(_ key: CallKey) -> Bool {
            self.hash == key.hash && self.low == key.name.low && self.high == key.name.high
                && Int(self.nameBytes) == key.name.count && self.isTopicForm == key.isTopicForm
        }

        fileprivate var restBytes: Int { max(0, Int(self.nameBytes) - 16) }
        /// Without what is left behind it.
        fileprivate var bytes: Int { MemoryLayout<Self>.stride + self.restBytes + Int(self.answerBytes) }
    }

    /// What those get who ask again.
    enum Ending {
        case answered([UInt8])
        case failed(Failure)
    }

    /// What a failure is charged for.
    private static let failureBytes = 256
    /// Nearly every call is a new one: with lists mostly empty it need not look at an entry, which is a miss of the
    /// caches, to know that.
    private static let headsForEach = 4

    private var words: ContiguousArray<UInt64> = []
    private var heads: ContiguousArray<UInt64> = []
    private var tail: UInt64 = 1
    private var newest: UInt64 = 1
    private var head: UInt64 = 1
    private(set) var count = 0
    private var failures: Deque<Failure> = []
    /// The number of the first of them.
    private var firstFailure: UInt32 = 1
    private let bytesMax: Int

    init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    var isEmpty: Bool { self.count == 0 }
    var byteCount: Int { Int(self.head - self.tail) * 8 }

    // MARK: Remembering

    /// Remembers an answer, for which the oldest are forgotten; `false` where it is too large.
    mutating func append(_ entry: Entry, _ name: Correlation, _ answer: some CallAnswer) -> Bool {
        var entry = entry
        entry.answerBytes = UInt32(clamping: answer.keptByteCount)
        guard let start = self.place(&entry, name) else { return false }
        let length = Int(entry.answerBytes)
        unsafe self.words.withUnsafeMutableBytes { bytes in
            unsafe answer.keep(in: UnsafeMutableRawBufferPointer(rebasing: bytes[start..<start + length]))
        }
        return true
    }

    /// Remembers a failure. Its words are no bytes: they lie apart, and the room they are charged for stays empty.
    mutating func append(_ entry: Entry, _ name: Correlation, _ failure: Failure) -> Bool {
        var entry = entry
        entry.answerBytes = UInt32(Self.failureBytes)
        entry.failure = self.firstFailure &+ UInt32(self.failures.count)
        guard self.place(&entry, name) != nil else { return false }
        self.failures.append(failure)
        return true
    }

    /// Writes an entry and the rest of its name; returns where its answer goes.
    private mutating func place(_ entry: inout Entry, _ name: Correlation) -> Int? {
        let wordCount = (entry.bytes + 7) / 8
        guard self.makeRoom(wordCount) else { return nil }
        if self.count * Self.headsForEach >= self.heads.count { self.enlargeHeads() }
        entry.wordCount = UInt32(wordCount)
        let bucket = self.bucket(entry.hash)
        entry.previous = self.heads[bucket]
        self.heads[bucket] = self.head
        self.store(entry, at: self.head)
        let start = self.offset(self.head) + MemoryLayout<Entry>.stride
        if entry.restBytes > 0 {
            unsafe self.words.withUnsafeMutableBytes { bytes in
                for (index, byte) in name.rest.enumerated() { unsafe bytes[start + index] = byte }
            }
        }
        self.newest = self.head
        self.head += UInt64(wordCount)
        self.count += 1
        return start + entry.restBytes
    }

    /// Sees to it that so many words fit at `head`, in one piece and within the bounds.
    private mutating func makeRoom(_ wordCount: Int) -> Bool {
        guard wordCount * 8 <= self.bytesMax else { return false }
        while true {
            let used = Int(self.head - self.tail)
            let gap = self.gap(before: wordCount)
            if used == 0, gap > 0 {
                self.head += UInt64(gap)
                self.tail = self.head
            } else if used > 0, (used + gap + wordCount) * 8 > self.bytesMax {
                self.removeOldest()
            } else if used + gap + wordCount > self.words.count {
                self.enlarge(to: used + gap + wordCount)
            } else {
                guard gap > 0 else { return true }
                var last = self.entry(at: self.newest)
                last.wordCount += UInt32(gap)
                self.store(last, at: self.newest)
                self.head += UInt64(gap)
                return true
            }
        }
    }

    /// What is left of the ring where an entry does not fit before its end.
    private func gap(before wordCount: Int) -> Int {
        guard wordCount <= self.words.count else { return 0 }
        let left = self.words.count - Int(truncatingIfNeeded: self.head) & (self.words.count - 1)
        return wordCount > left ? left : 0
    }

    private mutating func enlarge(to wordCount: Int) {
        var capacity = max(64, 2 * self.words.count)
        while capacity < wordCount { capacity *= 2 }
        var larger = ContiguousArray<UInt64>(repeating: 0, count: capacity)
        for position in self.tail..<self.head {
            let place = Int(truncatingIfNeeded: position)
            larger[place & (capacity - 1)] = self.words[place & (self.words.count - 1)]
        }
        self.words = larger
    }

    private mutating func enlargeHeads() {
        self.heads = ContiguousArray(repeating: 0, count: max(64, 2 * self.heads.count))
        var position = self.tail
        while position < self.head {
            var entry = self.entry(at: position)
            let bucket = self.bucket(entry.hash)
            entry.previous = self.heads[bucket]
            self.heads[bucket] = position
            self.store(entry, at: position)
            position += UInt64(entry.wordCount)
        }
    }

    // MARK: Finding

    func find(_ key: CallKey, now: UInt64) -> (entry: Entry, position: UInt64)? {
        guard self.count > 0 else { return nil }
        var position = self.heads[self.bucket(key.hash)]
        while position >= self.tail {
            let entry = self.entry(at: position)
            if entry.mayBe(key), self.hasRest(key.name, entry, at: position) {
                return entry.forgottenAt > now ? (entry, position) : nil
            }
            position = entry.previous
        }
        return nil
    }

    private func hasRest(_ name: Correlation, _ entry: Entry, at position: UInt64) -> Bool {
        guard entry.restBytes > 0 else { return true }
        let start = self.offset(position) + MemoryLayout<Entry>.stride
        return unsafe self.words.withUnsafeBytes { bytes in
            unsafe bytes[start..<start + entry.restBytes].elementsEqual(name.rest)
        }
    }

    func ending(_ entry: Entry, at position: UInt64) -> Ending {
        if entry.failure > 0 { return .failed(self.failures[Int(entry.failure &- self.firstFailure)]) }
        let start = self.offset(position) + MemoryLayout<Entry>.stride + entry.restBytes
        return .answered(
            unsafe self.words.withUnsafeBytes { bytes in
                unsafe [UInt8](bytes[start..<start + Int(entry.answerBytes)])
            })
    }

    // MARK: Forgetting

    /// Forgets what is past its time; returns when the next one is.
    ///
    /// - Parameter lasting: how much longer the oldest may be kept without the others being looked at. One that is kept
    ///   for long must not hold the room of all that came after it.
    mutating func forget(dueAt now: UInt64, lasting: UInt64) -> UInt64 {
        while self.count > 0, self.entry(at: self.tail).forgottenAt <= now { self.removeOldest() }
        guard self.count > 0 else {
            self = RememberedCalls(bytesMax: self.bytesMax)
            return .max
        }
        let oldest = self.entry(at: self.tail).forgottenAt
        return oldest <= now + lasting ? oldest : self.condense(at: now)
    }

    private mutating func condense(at now: UInt64) -> UInt64 {
        var kept = RememberedCalls(bytesMax: self.bytesMax)
        var next = UInt64.max
        var position = self.tail
        while position < self.head {
            let entry = self.entry(at: position)
            if entry.forgottenAt > now {
                kept.copy(entry, at: position, of: self)
                next = min(next, entry.forgottenAt)
            }
            position += UInt64(entry.wordCount)
        }
        self = kept
        return next
    }

    private mutating func copy(_ entry: Entry, at position: UInt64, of other: RememberedCalls) {
        var entry = entry
        if entry.failure > 0 {
            let failure = other.failures[Int(entry.failure &- other.firstFailure)]
            entry.failure = self.firstFailure &+ UInt32(self.failures.count)
            self.failures.append(failure)
        }
        guard let start = self.place(&entry, Correlation()) else {
            preconditionFailure("what had room among others has room without them")
        }
        let source = other.offset(position) + MemoryLayout<Entry>.stride
        let target = start - entry.restBytes
        let length = entry.restBytes + Int(entry.answerBytes)
        unsafe self.words.withUnsafeMutableBytes { bytes in
            unsafe other.words.withUnsafeBytes { known in
                unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[target..<target + length])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: known[source..<source + length]))
            }
        }
    }

    private mutating func removeOldest() {
        let entry = self.entry(at: self.tail)
        self.tail += UInt64(entry.wordCount)
        self.count -= 1
        guard entry.failure > 0 else { return }
        self.failures.removeFirst()
        self.firstFailure &+= 1
    }

    // MARK: Words

    private func bucket(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash) & (self.heads.count - 1) }

    /// Where a position lies in the ring, in bytes.
    private func offset(_ position: UInt64) -> Int {
        (Int(truncatingIfNeeded: position) & (self.words.count - 1)) * 8
    }

    private func entry(at position: UInt64) -> Entry {
        let offset = self.offset(position)
        return unsafe self.words.withUnsafeBytes { unsafe $0.load(fromByteOffset: offset, as: Entry.self) }
    }

    private mutating func store(_ entry: Entry, at position: UInt64) {
        let offset = self.offset(position)
        unsafe self.words.withUnsafeMutableBytes {
            unsafe $0.storeBytes(of: entry, toByteOffset: offset, as: Entry.self)
        }
    }
}
