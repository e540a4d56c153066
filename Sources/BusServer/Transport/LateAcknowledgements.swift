import NIOCore

/// Connections that have published and got nothing back yet, so that TCP still owes them an acknowledgement.
///
/// As a rule an answer takes it along within a fraction of a millisecond, and a packet for each message is spared. What
/// finds no answer is acknowledged one to two periods later, because a client with Nagle's algorithm on, as stock ones
/// are, holds back its next packet until then, and the kernel would wait for 40 ms.
struct LateAcknowledgements {
    static let period = TimeAmount.milliseconds(2)

    private var young: [ConnectionHandler] = []
    private var old: [ConnectionHandler] = []

    var isEmpty: Bool { self.young.isEmpty && self.old.isEmpty }

    mutating func append(_ handler: ConnectionHandler) {
        self.young.append(handler)
    }

    /// Whoever has waited for a whole period; to be called once in each.
    mutating func age() -> [ConnectionHandler] {
        let due = self.old
        self.old = self.young
        self.young = []
        return due
    }
}
