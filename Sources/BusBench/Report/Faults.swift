/// What went wrong with messages; a sound broker under a load it accepts has none of these.
package struct Faults: Sendable, Equatable {
    /// Published, and not there when the time to wait for it was over.
    package var lost = 0
    package var duplicated = 0
    /// Came after a later one of the same publisher.
    package var reordered = 0
    /// Went to a subscriber that did not ask for it, or a reply to another caller.
    package var misrouted = 0
    /// Came with other bytes than it was sent with.
    package var corrupted = 0
    /// Answered with an error: a call that failed, a publish that was refused.
    package var refused = 0
    /// Connections that the broker closed.
    package var disconnected = 0

    package init() {}

    package var isClean: Bool { self == Faults() }

    package static func += (left: inout Faults, right: Faults) {
        left.lost += right.lost
        left.duplicated += right.duplicated
        left.reordered += right.reordered
        left.misrouted += right.misrouted
        left.corrupted += right.corrupted
        left.refused += right.refused
        left.disconnected += right.disconnected
    }

    /// Those that are not zero, in words; empty when clean.
    package var description: String {
        self.named.filter { $0.count > 0 }.map { "\($0.count) \($0.name)" }.joined(separator: ", ")
    }

    package var total: Int { self.named.reduce(0) { $0 + $1.count } }

    package var named: [(name: String, count: Int)] {
        [
            ("lost", self.lost), ("duplicated", self.duplicated), ("reordered", self.reordered),
            ("misrouted", self.misrouted), ("corrupted", self.corrupted), ("refused", self.refused),
            ("disconnected", self.disconnected),
        ]
    }
}
