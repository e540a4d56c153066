import Testing

@testable import BusCalls

@Suite("Correlation data")
struct CorrelationTests {
    @Test("Every length comes back as it was given, also all zeroes", arguments: 0...64)
    func roundTrip(_ count: Int) {
        let counted = (0..<count).map { UInt8(truncatingIfNeeded: 251 &- $0 * 7) }
        for bytes in [counted, Array(repeating: 0, count: count), Array(repeating: 0xFF, count: count)] {
            let correlation = Correlation(bytes)
            #expect(correlation.bytes == bytes)
            #expect(correlation.count == count)
            #expect(correlation.isEmpty == (count == 0))
        }
    }

    @Test("Equal bytes are equal and hash alike; one changed byte, or one more, makes another", arguments: 0...64)
    func equality(_ count: Int) {
        let bytes = (0..<count).map { UInt8($0) }
        #expect(Correlation(bytes) == Correlation(bytes))
        #expect(Correlation(bytes).hashValue == Correlation(bytes).hashValue)
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 0x80
            #expect(Correlation(changed) != Correlation(bytes))
        }
        #expect(Correlation(bytes + [0]) != Correlation(bytes))
        #expect(Correlation([0] + bytes) != Correlation(bytes))
    }

    @Test("A call is told apart by its correlation data or by a reply topic of its own")
    func identity() {
        let none = CallAddress(replyTopic: "t", correlation: Correlation())
        #expect(!none.identifiesCall)
        #expect(CallAddress(replyTopic: "t", correlation: Correlation([1])).identifiesCall)
        #expect(CallAddress(replyTopic: "t", correlation: Correlation(), isTopicForm: true).identifiesCall)
        #expect(none != CallAddress(replyTopic: "t", correlation: Correlation(), isTopicForm: true))
    }
}
