/// What one subscriber has seen of one publisher's numbered messages, exactly: a gap is remembered as a range until it
/// is filled, so that a late message is told from a second one.
package struct SequenceTracker: Sendable {
    package enum Sight: Sendable, Equatable {
        case inOrder
        /// Filled a gap: it came after a later one.
        case late
        case duplicate
    }

    private var next: UInt64 = 0
    /// Not seen yet, all below `next`.
    private var missing: [Range<UInt64>] = []

    package init() {}

    package mutating func see(_ sequence: UInt64) -> Sight {
        if sequence == self.next {
            self.next += 1
            return .inOrder
        }
        if sequence > self.next {
            self.missing.append(self.next..<sequence)
            self.next = sequence + 1
            return .inOrder
        }
        guard let index = self.missing.lastIndex(where: { $0.contains(sequence) }) else { return .duplicate }
        let gap = self.missing[index]
        self.missing[index] = gap.lowerBound..<sequence
        if sequence + 1 < gap.upperBound { self.missing.insert(sequence + 1..<gap.upperBound, at: index + 1) }
        if self.missing[index].isEmpty { self.missing.remove(at: index) }
        return .late
    }

    /// How many of the first `count` messages were not seen.
    package func missingCount(of count: UInt64) -> Int {
        let gaps = self.missing.reduce(0) { $0 + $1.count }
        return gaps + (count > self.next ? Int(count - self.next) : 0)
    }
}

/// What the members of a shared subscription have seen of one publisher together: each message goes to one of them.
package struct SharedTracker: Sendable {
    /// One bit for each number.
    private var seen: [UInt64] = []
    /// The number that each member may see next at the earliest.
    private var nextOfMember: [UInt64]
    package private(set) var seenCount = 0

    package init(memberCount: Int) {
        self.nextOfMember = Array(repeating: 0, count: memberCount)
    }

    package mutating func see(_ sequence: UInt64, by member: Int) -> SequenceTracker.Sight {
        let word = Int(sequence / 64)
        let bit = UInt64(1) << (sequence % 64)
        while word >= self.seen.count { self.seen.append(contentsOf: repeatElement(0, count: self.seen.count + 1024)) }
        guard self.seen[word] & bit == 0 else { return .duplicate }
        self.seen[word] |= bit
        self.seenCount += 1
        guard sequence >= self.nextOfMember[member] else { return .late }
        self.nextOfMember[member] = sequence + 1
        return .inOrder
    }
}

extension Faults {
    mutating func note(_ sight: SequenceTracker.Sight) {
        switch sight {
        case .inOrder: break
        case .late: self.reordered += 1
        case .duplicate: self.duplicated += 1
        }
    }
}
