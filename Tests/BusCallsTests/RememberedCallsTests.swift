import BusContract
import Testing

@testable import BusCalls

/// The ring of bytes in which a caller's ended calls lie.
@Suite("Remembered calls")
struct RememberedCallsTests {
    static func key(_ number: Int, nameBytes: Int = 8) -> CallKey {
        let name = (0..<nameBytes).map { UInt8(truncatingIfNeeded: $0 < 8 ? number >> ($0 * 8) : $0) }
        // Few lists, so that most names share one.
        return CallKey(
            caller: ClientHandle(rawValue: 1), name: Correlation(name), isTopicForm: false,
            hash: UInt64(number % 5))
    }

    static func entry(_ number: Int, nameBytes: Int = 8, until forgottenAt: UInt64 = 100) -> RememberedCalls.Entry {
        var entry = RememberedCalls.Entry(
            Self.key(number, nameBytes: nameBytes), function: FunctionReference(place: 0), server: nil)
        entry.digest = UInt64(number)
        entry.forgottenAt = forgottenAt
        return entry
    }

    static func isWhole(_ calls: RememberedCalls, _ key: CallKey, bytes: Int) -> Bool {
        guard let found = calls.find(key, now: 1),
            case .answered(let answer) = calls.ending(found.entry, at: found.position)
        else { return false }
        return answer.count == bytes && Echo.words(answer) == "answer"
    }

    @Test("Answers of every length are found whole as long as they fit, and then the oldest are gone first")
    func roundTheRing() {
        var calls = RememberedCalls(bytesMax: 4_096)
        var random = SeededGenerator(seed: 7)
        var kept: [(number: Int, bytes: Int)] = []
        for number in 0..<3_000 {
            let bytes = random.number(below: 900)
            let entry = Self.entry(number)
            let isKept = calls.append(entry, Self.key(number).name, Echo(keptByteCount: bytes))
            #expect(isKept)
            kept.append((number, bytes))
            let gone = kept.count - calls.count
            for call in kept.prefix(gone) { #expect(calls.find(Self.key(call.number), now: 1) == nil) }
            kept.removeFirst(gone)
            #expect(kept.allSatisfy { Self.isWhole(calls, Self.key($0.number), bytes: $0.bytes) })
            #expect(calls.byteCount <= 4_096)
        }
    }

    @Test("Names are told apart to their last byte", arguments: [0, 8, 9, 16, 17, 40, 64])
    func names(_ length: Int) {
        var calls = RememberedCalls(bytesMax: 1 << 16)
        let key = Self.key(0, nameBytes: length)
        let isKept = calls.append(Self.entry(0, nameBytes: length), key.name, Echo())
        #expect(isKept)
        #expect(Self.isWhole(calls, key, bytes: 10))
        for index in 0..<length {
            var bytes = key.name.bytes
            bytes[index] ^= 1
            let other = CallKey(
                caller: key.caller, name: Correlation(bytes), isTopicForm: false, hash: key.hash)
            #expect(calls.find(other, now: 1) == nil)
        }
    }

    @Test("One that is kept for long does not hold the room of those behind it, and failures keep their words")
    func lasting() throws {
        var calls = RememberedCalls(bytesMax: 1 << 16)
        let name = try FunctionName(parsing: "a/b")
        for number in 0..<100 {
            let forgottenAt: UInt64 = number % 10 == 0 ? 1_000 : 100 + UInt64(number)
            let entry = Self.entry(number, until: forgottenAt)
            if number % 20 == 0 {
                let isKept = calls.append(entry, Self.key(number).name, Failure.noInstance(name))
                #expect(isKept)
            } else {
                let isKept = calls.append(entry, Self.key(number).name, Echo(keptByteCount: number))
                #expect(isKept)
            }
        }
        var next = calls.forget(dueAt: 150, lasting: 60)
        #expect(next == 151)
        #expect(calls.count == 10 + 45)
        next = calls.forget(dueAt: 300, lasting: 60)
        #expect(next == 1_000)
        #expect(calls.count == 10)
        for number in stride(from: 0, to: 100, by: 10) {
            let found = try #require(calls.find(Self.key(number), now: 300))
            #expect(found.entry.digest == UInt64(number))
            switch calls.ending(found.entry, at: found.position) {
            case .failed(let failure): #expect(number % 20 == 0 && failure == .noInstance(name))
            case .answered(let answer): #expect(answer.count == number && Echo.words(answer) == "answer")
            }
        }
        next = calls.forget(dueAt: 1_000, lasting: 60)
        #expect(next == .max)
        #expect(calls.isEmpty && calls.byteCount == 0)
    }

    @Test("What is past its time is not found, also where it still lies")
    func past() {
        var calls = RememberedCalls(bytesMax: 1 << 16)
        let isKept = calls.append(Self.entry(1, until: 50), Self.key(1).name, Echo())
        #expect(isKept)
        #expect(calls.find(Self.key(1), now: 49) != nil)
        #expect(calls.find(Self.key(1), now: 50) == nil)
    }

    @Test("What is larger than the share is not kept, and pushes nothing out")
    func tooLarge() {
        var calls = RememberedCalls(bytesMax: 1_000)
        let isFirstKept = calls.append(Self.entry(1), Self.key(1).name, Echo(keptByteCount: 500))
        #expect(isFirstKept)
        let isKept = calls.append(Self.entry(2), Self.key(2).name, Echo(keptByteCount: 1_000))
        #expect(!isKept)
        #expect(Self.isWhole(calls, Self.key(1), bytes: 500))
    }
}
