package import BusWire

/// The packet identifiers of one publisher, given out first in, first out, so that each is reused as late as possible
/// and an acknowledgement of one that is not under way is noticed.
package struct PacketIdentifierPool: Sendable {
    private var ring: [UInt16]
    private var head = 0
    package private(set) var freeCount: Int
    private var isUnderWay: [Bool]

    /// - Parameter capacity: how many may be under way; brought into 1 to 65535.
    package init(capacity: Int) {
        let capacity = min(max(capacity, 1), Int(UInt16.max))
        self.ring = (1...UInt16(capacity)).map { $0 }
        self.freeCount = capacity
        self.isUnderWay = Array(repeating: false, count: capacity + 1)
    }

    package var capacity: Int { self.ring.count }

    /// The caller has checked `freeCount`.
    package mutating func take() -> UInt16 {
        precondition(self.freeCount > 0, "publishers look at freeCount first")
        let identifier = self.ring[self.head]
        self.head = self.head + 1 == self.ring.count ? 0 : self.head + 1
        self.freeCount -= 1
        self.isUnderWay[Int(identifier)] = true
        return identifier
    }

    /// Returns `false` for one that is not under way.
    package mutating func giveBack(_ identifier: PacketIdentifier) -> Bool {
        let index = Int(identifier.rawValue)
        guard index < self.isUnderWay.count, self.isUnderWay[index] else { return false }
        self.isUnderWay[index] = false
        var tail = self.head + self.freeCount
        if tail >= self.ring.count { tail -= self.ring.count }
        self.ring[tail] = identifier.rawValue
        self.freeCount += 1
        return true
    }
}
