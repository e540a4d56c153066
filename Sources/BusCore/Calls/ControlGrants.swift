import BusCalls
import BusSession

/// Who may answer an operator's word: every instance that it reached, once.
///
/// Bounded in time and number: the oldest word goes first, as operators are few and ask again.
struct ControlGrants: Sendable {
    private struct Grant: Sendable {
        var address: CallAddress
        var sessions: Set<Int>
        var expiresAt: Timestamp
    }

    private var grants: [Grant] = []
    private static let countMax = 64

    mutating func add(_ address: CallAddress, sessions: Set<Int>, expiresAt: Timestamp) {
        self.grants.removeAll { $0.address == address }
        self.grants.append(Grant(address: address, sessions: sessions, expiresAt: expiresAt))
        if self.grants.count > Self.countMax { self.grants.removeFirst() }
    }

    /// Uses a session's right to answer at an address.
    mutating func take(_ address: AnswerAddress, by session: Int, now: Timestamp) -> Bool {
        self.grants.removeAll { $0.expiresAt <= now || $0.sessions.isEmpty }
        for index in self.grants.indices
        where self.grants[index].address.isAt(address.topic)
            && self.grants[index].address.correlation == address.correlation
        {
            if self.grants[index].sessions.remove(session) != nil { return true }
        }
        return false
    }

    mutating func forget(_ session: Int) {
        for index in self.grants.indices { self.grants[index].sessions.remove(session) }
    }
}
