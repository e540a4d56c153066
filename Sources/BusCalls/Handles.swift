import BusTopics

/// A client of the broker, by the number of its session.
package struct ClientHandle: Hashable, BitwiseCopyable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// The platform itself as a caller. No session has this number: there are never so many.
    package static let platform = ClientHandle(rawValue: .max)
}

/// Where the rows of clients lie. Session numbers are small and close together, so an array finds a row without hashing.
struct PlaceTable: Sendable {
    private var places: ContiguousArray<Int32> = []
    private var placeOfPlatform: Int32 = -1

    /// -1 for a client without a row.
    subscript(handle: ClientHandle) -> Int {
        get {
            if handle == .platform { return Int(self.placeOfPlatform) }
            let index = Int(handle.rawValue)
            return index < self.places.count ? Int(self.places[index]) : -1
        }
        set {
            if handle == .platform {
                self.placeOfPlatform = Int32(newValue)
                return
            }
            let index = Int(handle.rawValue)
            if index >= self.places.count {
                guard newValue >= 0 else { return }
                let missing = max(index + 1, 2 * self.places.count) - self.places.count
                self.places.append(contentsOf: repeatElement(-1, count: missing))
            }
            self.places[index] = Int32(newValue)
        }
    }
}

/// What a caller uses to tell its answers apart: at most 64 bytes, the usual 16 without an allocation.
package struct Correlation: Hashable, Sendable {
    private(set) var low: UInt64 = 0
    private(set) var high: UInt64 = 0
    /// What is behind the 16th byte.
    private(set) var rest: [UInt8] = []
    package private(set) var count = 0

    /// No correlation data.
    package init() {}

    package init(_ bytes: UnsafeRawBufferPointer) {
        self.count = bytes.count
        for index in 0..<min(8, bytes.count) { self.low = self.low << 8 | UInt64(unsafe bytes[index]) }
        if bytes.count > 8 {
            for index in 8..<min(16, bytes.count) { self.high = self.high << 8 | UInt64(unsafe bytes[index]) }
        }
        if bytes.count > 16 { unsafe self.rest = Array(bytes[16...]) }
    }

    package init(_ bytes: [UInt8]) {
        self = unsafe bytes.withUnsafeBytes { unsafe Correlation($0) }
    }

    package var isEmpty: Bool { self.count == 0 }

    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(self.count)
        Self.append(self.low, count: min(8, self.count), to: &bytes)
        Self.append(self.high, count: min(8, max(0, self.count - 8)), to: &bytes)
        return bytes + self.rest
    }

    private static func append(_ word: UInt64, count: Int, to bytes: inout [UInt8]) {
        for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(8 * (count - 1 - index)))) }
    }

    package static func == (left: Self, right: Self) -> Bool {
        left.low == right.low && left.high == right.high && left.count == right.count
            && (left.count <= 16 || left.rest == right.rest)
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(self.low)
        if self.count > 8 { hasher.combine(self.high) }
        if self.count > 16 { hasher.combine(self.rest) }
    }

    func combine(into hash: inout WordHash) {
        hash.combine(self.low ^ UInt64(truncatingIfNeeded: self.count) << 56)
        if self.count > 8 { hash.combine(self.high) }
        if self.count > 16 { hash.combine(self.rest) }
    }
}

/// Where the answer of a call goes, and by what its caller knows it.
package struct CallAddress: Hashable, Sendable {
    package var replyTopic: String
    /// What every answer brings back.
    package var correlation: Correlation
    /// The reply topic belongs to this one call (the form for clients without properties): it tells calls apart by
    /// itself, and a failure goes to a topic below it.
    package let isTopicForm: Bool

    package init(replyTopic: String, correlation: Correlation, isTopicForm: Bool = false) {
        self.replyTopic = replyTopic
        self.correlation = correlation
        self.isTopicForm = isTopicForm
    }

    /// What tells the call from others of its caller: correlation data, or the last level of the topic form.
    package var name: Correlation {
        guard self.isTopicForm else { return self.correlation }
        let text = self.replyTopic.utf8
        let start = text.lastIndex(of: UInt8(ascii: "/")).map(text.index(after:))
        return Correlation(Array(text[(start ?? text.startIndex)...]))
    }

    /// Whether a repeated request can be told from a new one.
    package var identifiesCall: Bool { self.isTopicForm ? !self.name.isEmpty : !self.correlation.isEmpty }

    /// Whether the answer goes to this topic.
    package func isAt(_ topic: [UInt8]) -> Bool {
        guard self.replyTopic.utf8.count == topic.count else { return false }
        let isSame = unsafe self.replyTopic.utf8.withContiguousStorageIfAvailable { text in
            unsafe topic.withUnsafeBytes { unsafe $0.hasSameBytes(as: UnsafeRawBufferPointer(text)) }
        }
        return isSame ?? topic.elementsEqual(self.replyTopic.utf8)
    }
}

/// What a call is found by: its caller, and the name that the caller gave it. Names of the two forms do not meet.
struct CallKey: Sendable {
    let caller: ClientHandle
    let name: Correlation
    let isTopicForm: Bool
    /// Of all three, made once.
    let hash: UInt64
}

/// A row of the functions, told apart from later users of the same row.
struct FunctionReference: BitwiseCopyable, Sendable, Equatable {
    var place: Int32
    var generation: UInt32 = 0
}

/// Where somebody published what may be an answer.
package struct AnswerAddress: Sendable {
    /// Without the levels of an error. Bytes, as the route of a topic has them: text would be made for every answer.
    package var topic: [UInt8]
    package var correlation: Correlation
    /// The client whose reply space it is; `nil` elsewhere.
    package var caller: ClientHandle?
    /// The last level of a topic of the topic form, empty where there is none.
    package var callName: Correlation

    package init(
        topic: [UInt8], correlation: Correlation, caller: ClientHandle? = nil, callName: Correlation = Correlation()
    ) {
        self.topic = topic
        self.correlation = correlation
        self.caller = caller
        self.callName = callName
    }
}

/// A row of the call table, told apart from later users of the same row.
package struct CallReference: Sendable, Equatable {
    package var call: Int
    package var generation: UInt32
}

/// A place in the queue of a function. No two calls ever have the same order, so it tells the users of a row apart.
struct QueueEntry: Sendable, Equatable {
    var call: Int
    var order: UInt64
}
