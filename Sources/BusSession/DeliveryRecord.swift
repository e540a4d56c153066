/// Under which numbers a message on its way to one session is stored; without an order it is not.
package struct DeliveryRecord: Sendable, Equatable {
    /// Rises within the session.
    package var order: UInt64
    /// Of the content, which several sessions may share.
    package var message: UInt64

    package init(order: UInt64 = 0, message: UInt64 = 0) {
        self.order = order
        self.message = message
    }

    package var isStored: Bool { self.order != 0 }
}
