package import BusWire
package import DequeModule

/// What a session that outlives its broker keeps about its records in the store.
package struct SessionStorage: Sendable {
    /// The number of the session there; 0 while it is not stored.
    package var number: UInt64 = 0
    private var lastOrder: UInt64 = 0
    /// The commit after which the store knows the session.
    package var knownAt: UInt64 = 0
    /// The commit that holds the latest change which an acknowledgement to the client may rest on.
    package var changedAt: UInt64 = 0
    /// QoS 2 messages that have an identifier and wait for its commit before they are sent for the first time.
    package var held: Deque<PacketIdentifier> = []
    /// The commit after which the session is looked at again.
    package var wakesAt: UInt64 = 0
    /// Whether what the client publishes is stored where its topic says so.
    package var takesPublishes = true

    package init() {}

    package var isOn: Bool { self.number != 0 }

    /// Orders are never used twice.
    package mutating func nextOrder() -> UInt64 {
        self.lastOrder += 1
        return self.lastOrder
    }

    /// An order that the store knows: new ones go on above it.
    package mutating func restored(order: UInt64) {
        self.lastOrder = max(self.lastOrder, order)
    }
}
