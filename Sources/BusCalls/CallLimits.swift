/// Bounds on calls in flight; what happens at each bound stands beside it. Nothing is ever refused in silence.
package struct CallLimits: Sendable, Equatable {
    /// Calls that one client may have open; 429 beyond.
    package var callsPerCallerMax = 1024
    /// Calls of one function, running and waiting; 429 beyond.
    package var callsPerFunctionMax = 4096
    /// Calls that may wait for a function, with or without an instance: this many, or twice the capacity of its
    /// instances if that is more; 429 beyond. A catalog entry may say otherwise.
    package var queueMin = 64
    /// Calls at a time for an instance that does not say how many it takes, if its Receive Maximum allows.
    package var capacityDefault = 64
    /// Calls at a time for an instance, whatever it says of itself: no receive window has room for more.
    package var capacityMax = 65_535
    /// Times a call is given to an instance, the first one included, before the loss of one ends it; 502 beyond.
    package var attemptsMax = 3
    /// Answers kept for repeated requests: seconds, and bytes for each client; the oldest go first.
    package var replaySeconds: UInt64 = 60
    package var replayBytesPerClientMax = 1 << 20
    /// Functions that are known. At the bound those that no subscription and no catalog entry names are forgotten, the
    /// longest idle first; when none is idle, a call that would make another one through a wildcard gets 429. Those that
    /// are named always find room: their subscriptions and entries have bounds of their own.
    package var functionsKnownMax = 4096
    /// A deadline further away is moved here. 24 hours, in seconds.
    package var timeoutSecondsMax: UInt64 = 24 * 3600

    package init() {}
}
