/// What is counted of one function since the broker started.
package struct FunctionStatistics: Sendable, Equatable {
    package var succeeded = 0
    package var failed = 0
    package var expired = 0
    package var lost = 0
    package var refused = 0
    package var cancelled = 0
    package var late = 0
    package var replayed = 0
    /// From admission to dispatch, from dispatch to the answer, and both together.
    package var queueTime = LatencyHistogram()
    package var serviceTime = LatencyHistogram()
    package var totalTime = LatencyHistogram()

    package init() {}
}
