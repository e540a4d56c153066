import BusContract

/// The names of the user properties that the host reads and writes itself.
///
/// A file of its own, since the contract and the SDK each have a `FunctionName`.
enum CallProperty {
    static let hops = PropertyName.hops
    static let attemptsMax = PropertyName.attemptsMax
    static let traceParent = PropertyName.traceParent
    static let traceState = PropertyName.traceState
    /// Ours alone: other hosts and brokers pass it on unread.
    static let chain = "fc-chain"

    /// What all topics of the call protocol begin with.
    static let topicPrefix = CallTopic.prefix
}
