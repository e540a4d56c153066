import BusCore
import Testing

@testable import BusStore

@Suite("The seal of a row")
struct SealTests {
    private static func value(_ words: [UInt64]) -> UInt32 {
        var seal = Seal()
        for word in words { seal.add(word) }
        return seal.value
    }

    @Test("Every flipped bit of every word changes it (D07)", arguments: [0, 1, 2])
    func words(_ place: Int) {
        let words: [UInt64] = [7, 0, 1_800_000_000_000]
        for bit in 0..<64 {
            var flipped = words
            flipped[place] ^= 1 << UInt64(bit)
            #expect(Self.value(flipped) != Self.value(words), "bit \(bit)")
        }
    }

    @Test("Every flipped bit of a text or content changes it (D07)", arguments: [1, 7, 8, 9, 16, 31])
    func bytes(_ count: Int) {
        let bytes = (0..<count).map { UInt8($0 * 37 & 0xFF) }
        var seal = Seal()
        seal.add(bytes.span.bytes)
        for bit in 0..<count * 8 {
            var flipped = bytes
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            var other = Seal()
            other.add(flipped.span.bytes)
            #expect(other.value != seal.value, "bit \(bit)")
        }
    }

    @Test("Where one column ends and the next begins counts")
    func boundaries() {
        var left = Seal()
        left.add([1, 2].span.bytes)
        left.add([3].span.bytes)
        var right = Seal()
        right.add([1].span.bytes)
        right.add([2, 3].span.bytes)
        #expect(left.value != right.value)
    }

    @Test("The state of a delivery is another one's only by its own number")
    func deliveryState() {
        let state = DeliveryState(packetIdentifier: 9, phase: .published)
        let sealed = state.sealed(session: 7, order: 3)
        #expect(DeliveryState(sealed: sealed, session: 7, order: 3)?.packetIdentifier == 9)
        #expect(DeliveryState(sealed: sealed, session: 7, order: 4) == nil)
        for bit in 0..<64 {
            #expect(DeliveryState(sealed: sealed ^ 1 << UInt64(bit), session: 7, order: 3) == nil, "bit \(bit)")
        }
    }
}
