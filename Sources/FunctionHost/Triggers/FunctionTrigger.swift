/// What sets a function off, besides calls. Each event becomes an async call, with the retries of one.
package struct FunctionTrigger: Sendable, Equatable {
    package enum Source: Sendable, Equatable {
        /// Messages of a filter; `raw` hands over the bare payload instead of `{"topic", "payload"}`.
        case topic(filter: String, raw: Bool)
        /// `zone` is the name of a time zone; `nil` for that of the machine.
        case schedule(CronSchedule, zone: String?)
        /// Once, when the host starts or the function is added to it.
        case start
    }

    /// What is given up when messages come faster than they can be handed on.
    package enum Overflow: String, Sendable, CaseIterable {
        case dropOldest, dropNewest
    }

    package var source: Source
    /// Attempts of one event; `nil` leaves it to the bus, which makes three.
    package var attempts: Int?
    /// Messages that may wait to be handed on.
    package var queueMax = 10_000
    package var overflow = Overflow.dropOldest

    package init(_ source: Source) {
        self.source = source
    }
}
