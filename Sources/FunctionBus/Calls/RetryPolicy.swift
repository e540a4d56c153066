/// When and how often a call that failed is made again.
///
/// A call is repeated only where that cannot run the function twice against its will: when no handler saw it, or when
/// it may have run and the call says that it is idempotent. The deadline of the call spans all attempts.
public struct RetryPolicy: Sendable, Equatable {
    /// Attempts in all, the first included. Default 4.
    public var attemptsMax = 4
    /// The pause before the second attempt; each further one is twice as long. Default 50 ms.
    public var firstPause: Duration = .milliseconds(50)
    /// No pause is longer, unless the broker asks for more. Default 5 s.
    public var longestPause: Duration = .seconds(5)
    /// The part by which a pause varies, so that many callers do not come back together. Default 0.2.
    public var jitter = 0.2

    /// Four attempts.
    public init() {}

    /// No repetition: the default of a call.
    public static let none: RetryPolicy = {
        var policy = RetryPolicy()
        policy.attemptsMax = 1
        return policy
    }()

    /// Whether another attempt may be made after this failure.
    func allowsRetry(after error: BusError, attempt: Int, isIdempotent: Bool) -> Bool {
        guard attempt < self.attemptsMax, !error.isPermanent else { return false }
        return error.isRetriable || (error.executed == .maybe && isIdempotent && error.code != .cancelled)
    }

    /// The pause after an attempt; what the broker says takes the place of our own guess.
    ///
    /// - Parameters:
    ///   - attempt: 1 for the first.
    ///   - random: 0 to 1.
    func pause(after error: BusError, attempt: Int, random: Double) -> Duration {
        let factor = 1 + self.jitter * (2 * random - 1)
        if let told = error.retryAfter { return told * max(1, factor) }
        // Beyond twenty doublings every pause is the longest.
        let pause = self.firstPause * (1 << min(20, attempt - 1))
        return min(pause, self.longestPause) * factor
    }
}

/// What keeps repetitions from becoming a flood: each one costs a token, each success gives a tenth of one back.
///
/// The rule is that of gRPC's retry throttling: a function that fails for everybody is soon asked only once per call.
struct RetryBudget: Sendable {
    static let tokensMax = 10.0
    static let refund = 0.1

    private(set) var tokens = Self.tokensMax

    /// Whether there is a token for one more repetition; takes it.
    mutating func take() -> Bool {
        guard self.tokens >= 1 else { return false }
        self.tokens -= 1
        return true
    }

    mutating func succeeded() {
        self.tokens = min(Self.tokensMax, self.tokens + Self.refund)
    }
}
