import BusCalls
import BusContract
import BusSession
import BusWire

/// A one-way call that was given up.
struct DeadLetter: Sendable {
    var task: String
    var function: FunctionName
    /// As it was accepted.
    var publish: Publish
    var attempts: Int
    var failure: Failure
    var diedAt: Timestamp
    /// `dead`, or `expired`.
    var phase = TaskPhase.dead
    var isStored = false

    func report(now: Timestamp) -> JSONText {
        .object([
            ("task", .string(self.task)), ("function", .string(self.function.description)),
            ("state", .string(self.phase.word)), ("attempts", .integer(self.attempts)),
            ("status", .integer(self.failure.status.rawValue)), ("code", .string(self.failure.code.rawValue)),
            ("reason", .string(self.failure.message)), ("bytes", .integer(self.publish.payloadLength)),
            ("diedAgoMs", .integer(Int(clamping: now.nanoseconds(since: self.diedAt) / 1_000_000))),
        ])
    }
}

/// The dead letters that can be looked at and called to life again; the oldest go first beyond their number or bytes.
struct DeadLetters: Sendable {
    private(set) var letters: [DeadLetter] = []
    private var byteCount = 0
    private let countMax: Int
    private let bytesMax: Int

    init(countMax: Int = 1000, bytesMax: Int = 16 << 20) {
        self.countMax = countMax
        self.bytesMax = bytesMax
    }

    subscript(task: String) -> DeadLetter? { self.letters.first { $0.task == task } }

    /// Keeps it in the order of death; returns those that went to make room.
    mutating func append(_ letter: DeadLetter) -> [DeadLetter] {
        let place = (self.letters.lastIndex { $0.diedAt <= letter.diedAt } ?? -1) + 1
        self.letters.insert(letter, at: place)
        self.byteCount += letter.publish.storedByteCount
        var removed: [DeadLetter] = []
        while self.letters.count > self.countMax || (self.byteCount > self.bytesMax && self.letters.count > 1) {
            self.byteCount -= self.letters[0].publish.storedByteCount
            removed.append(self.letters.removeFirst())
        }
        return removed
    }

    /// Takes out those that are chosen.
    mutating func take(_ isChosen: (DeadLetter) -> Bool) -> [DeadLetter] {
        let chosen = self.letters.filter(isChosen)
        self.letters.removeAll(where: isChosen)
        self.byteCount = self.letters.reduce(0) { $0 + $1.publish.storedByteCount }
        return chosen
    }

    func report(of terms: OperationTerms, now: Timestamp) -> JSONText {
        .object([("letters", .array(self.letters.filter { terms.selects($0) }.map { $0.report(now: now) }))])
    }
}
