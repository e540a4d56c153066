/// SplitMix64: the same numbers for the same seed, on every machine.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { self.state = seed }

    package mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    package mutating func chance(_ percent: Int) -> Bool { self.number(below: 100) < percent }

    package mutating func number(below bound: Int) -> Int { Int(self.next() % UInt64(bound)) }

    package mutating func number(in range: ClosedRange<Int>) -> Int {
        range.lowerBound + self.number(below: range.count)
    }

    /// One of several, which must not be none.
    package mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[self.number(below: elements.count)]
    }
}
