import Testing

@testable import BusCalls

/// The ring of calls whose late answers are known for what they are.
@Suite("Ended calls")
struct EndedCallsTests {
    static func client(_ number: Int) -> ClientHandle { ClientHandle(rawValue: UInt32(number % 3)) }

    @Test("The newest are found with their functions, the oldest go first, however often the ring turns")
    func turns() {
        var ended = EndedCalls()
        for number in 0..<1_000 {
            ended.advance(to: 0, countMax: 99)
            // Four lists only, so that they are long.
            ended.append(
                UInt64(number) << 8 | UInt64(number % 4), of: FunctionReference(place: Int32(number)),
                at: Self.client(number), until: 1)
        }
        #expect(ended.count == 100)
        for number in 0..<1_000 {
            let found = ended.find(UInt64(number) << 8 | UInt64(number % 4), at: Self.client(number))
            #expect(found == (number < 900 ? nil : FunctionReference(place: Int32(number))))
            #expect(ended.find(UInt64(number) << 8 | UInt64(number % 4), at: Self.client(number + 1)) == nil)
        }
    }

    @Test("A client that leaves takes its calls along and nobody else's")
    func clientLeaves() {
        var ended = EndedCalls()
        for number in 0..<90 {
            ended.append(
                UInt64(number), of: FunctionReference(place: 0), at: Self.client(number), until: UInt64(number))
        }
        ended.removeAll(of: Self.client(1))
        #expect(ended.count == 60)
        #expect(!ended.concerns(Self.client(1)))
        for number in 0..<90 {
            #expect((ended.find(UInt64(number), at: Self.client(number)) == nil) == (number % 3 == 1))
        }
        ended.advance(to: 100, countMax: 99)
        #expect(ended.count == 0)
        #expect(!ended.concerns(Self.client(0)))
    }
}
