/// Bounds on calls in flight; what happens at each bound stands beside it. Nothing is ever refused in silence.
package struct CallLimits: Sendable, Equatable {
    /// Calls that one client may have open; 429 beyond.
    package var callsPerCallerMax = 1024
    /// Calls of one function, running and waiting; 429 beyond.
    package var callsPerFunctionMax = 4096
    /// Calls that may wait for a function, with or without an instance: this many, or twice the capacity of its
    /// instances if that is more; 429 beyond. A catalog entry may say otherwise.
    package var queueMin = 64
    /// Calls of one function at a time for an instance that does not say how many it takes, if its Receive Maximum
    /// allows.
    package var capacityDefault = 64
    /// Calls at a time for an instance, whatever it says of itself: no receive window has room for more.
    package var capacityMax = 65_535
    /// Times a call is given to an instance, the first one included, before the loss of one ends it; 502 beyond.
    package var attemptsMax = 3
    /// Answers kept for repeated requests: seconds, and bytes for each client; the oldest go first.
    package var replaySeconds: UInt64 = 60
    package var replayBytesPerClientMax = 256 << 10
    /// Functions that are known. At the bound those that no subscription and no catalog entry names are forgotten, the
    /// longest idle first; when none is idle, a call that would make another one through a wildcard gets 429. Those that
    /// are named always find room: their subscriptions and entries have bounds of their own.
    package var functionsKnownMax = 4096
    /// A deadline further away is moved here. 24 hours, in seconds.
    package var timeoutSecondsMax: UInt64 = 24 * 3600
    /// How long an instance may take to say itself that a call exceeded the function's timeout, in milliseconds; then
    /// the broker says it.
    package var timeoutGraceMilliseconds: UInt64 = 250
    /// Keys of one function whose instance is remembered; beyond, those without calls are forgotten, the longest idle
    /// first, and find an instance anew.
    package var keysPerFunctionMax = 4096
    /// Presences that one client may have; further ones are not believed.
    package var presencesPerClientMax = 1024
    /// Ended calls that nothing else remembers and whose late answers are still known for what they are; the oldest go
    /// first, and after `replaySeconds`.
    package var endedCallsMax = 4096

    package init() {}
}
