/// How the platform sees to a one-way call; what is `nil` is left to it.
public struct TaskTerms: Sendable, Equatable {
    /// Attempts in which the function may have run. On fcbus 3 without.
    public var attemptsMax: Int?
    /// The pauses between attempts; only pauses and jitter count here.
    public var pauses: RetryPolicy?
    /// How long the first attempt waits. Default: not at all.
    public var delay: Duration = .zero
    /// Where the result goes: a topic, or `fn:service/function`.
    public var onSuccess: String?
    /// Where the failure goes when no further attempt is made: a topic, or `fn:service/function`.
    public var onFailure: String?
    /// After this time it is given up. On fcbus 24 h without.
    public var ageMax: Duration?

    /// Everything is left to the platform.
    public init() {}
}

/// A trace that a call belongs to: the header fields of W3C Trace Context, handed on unchanged.
public struct CallTrace: Sendable, Hashable {
    /// `traceparent`, such as `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`.
    public var parent: String
    /// `tracestate`
    public var state: String?

    /// A trace from what a caller or an HTTP request brought along.
    public init(parent: String, state: String? = nil) {
        self.parent = parent
        self.state = state
    }
}
