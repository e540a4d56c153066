/// Bounds on calls in flight; what happens at each bound stands beside it. Nothing is ever refused in silence.
package struct CallLimits: Sendable, Equatable {
    /// Calls that one client may have open; 429 beyond.
    package var callsPerCallerMax = 1024
    /// Calls of one function, running and waiting; 429 beyond.
    package var callsPerFunctionMax = 4096
    /// Calls that may wait for a function: this many, or twice the capacity of its instances if that is more; 429
    /// beyond. A catalog entry may say otherwise.
    package var queueMin = 64
    /// Calls at a time for an instance that does not say how many it takes, if its Receive Maximum allows.
    package var capacityDefault = 64
    /// Times a call is given to an instance, the first one included.
    package var attemptsMax = 3
    /// Answers kept for repeated requests: seconds, and bytes for each client; the oldest go first.
    package var replaySeconds: UInt64 = 60
    package var replayBytesPerClientMax = 1 << 20
    /// Functions that are remembered after their last instance left; the longest idle is forgotten.
    package var functionsKnownMax = 4096
    /// A deadline further away is moved here. 24 hours, in seconds.
    package var timeoutSecondsMax: UInt64 = 24 * 3600

    package init() {}
}
