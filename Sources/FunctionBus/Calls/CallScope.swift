/// What a handler's own calls inherit from the call it serves.
struct CallScope: Sendable {
    var deadline: ContinuousClock.Instant
    var hops: Int
    var trace: CallTrace?

    /// Set around a handler; child tasks see it too.
    @TaskLocal static var current: CallScope?
}
