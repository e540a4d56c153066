/// A call as its handler sees it.
public struct Request: Sendable {
    /// The function that is called.
    public var function: FunctionName
    /// The bytes that the caller sent.
    public var payload: Payload
    /// The caller's `invokerContext`, JSON text.
    public var context: String?
    /// MIME type of the payload.
    public var contentType: String?
    /// When the caller stops waiting.
    public var deadline: ContinuousClock.Instant
    /// The client identifier of the caller, where the broker vouches for it.
    public var callerIdentifier: String?
    /// 1 for the first attempt.
    public var attempt: Int
    /// Functions above this one in the chain of calls.
    public var hops: Int
    /// The task that this call is an attempt of, for one-way calls: the handler's idempotency key.
    public var task: String?
    /// Unique to this call; what the caller uses to tell its answers apart.
    public var identifier: String
    /// All user properties.
    public var userProperties: [(name: String, value: String)]

    /// Where reports of progress go; `nil` where nobody wants them.
    var reporter: Reporter?

    /// What is left until the deadline; never negative.
    public var remaining: Duration { max(.zero, self.deadline - .now) }
}

/// What a handler answers.
public struct Response: Sendable, ExpressibleByStringLiteral {
    /// The bytes of the answer.
    public var payload: Payload
    /// MIME type of the payload.
    public var contentType: String?

    /// An answer of bytes or text.
    public init(_ payload: Payload, contentType: String? = nil) {
        self.payload = payload
        self.contentType = contentType
    }

    /// An answer of text.
    public init(stringLiteral text: String) {
        self.init(Payload(text))
    }
}

/// Thrown by a handler that wants to fail with a code of its own; any other error is a 500 `HANDLER_ERROR`.
public struct FunctionFailure: Error, Sendable {
    /// 400 to 599.
    public var status: Int
    /// Capitals and underscores.
    public var code: String
    /// What the caller reads.
    public var message: String
    /// Where it happened, outermost first.
    public var stackTrace: [String] = []
    /// Whether the function's work was done, may have been, or was not begun.
    public var executed: BusError.Executed = .yes
    /// How long the caller should wait before it tries again.
    public var retryAfter: Duration?
    /// No other attempt can succeed.
    public var isPermanent = false

    /// A failure for the caller.
    public init(status: Int = 500, code: String = "HANDLER_ERROR", _ message: String) {
        self.status = status
        self.code = code
        self.message = message
    }
}

/// How a function is served.
public struct ServeOptions: Sendable {
    /// Calls that run at a time. Default 16.
    public var concurrency = 16
    /// Calls that wait beyond those; more are refused with 429. Default 64.
    public var queueLimit = 64
    /// How long one call may run; then it is answered with 408 and its task is cancelled. Default 60 s.
    public var timeout: Duration = .seconds(60)
    /// What the catalog tells callers.
    public var description = ""
    /// What the catalog tells callers.
    public var version = ""
    /// The function may run twice for one call.
    public var isIdempotent = false
    /// Its host starts it for the first call.
    public var isOnDemand = false

    /// The defaults.
    public init() {}
}

/// A function and its handler.
public struct FunctionHandler: Sendable {
    /// Answers a call; runs in a task of its own, which is cancelled when the caller gives up.
    public typealias Handler = @Sendable (Request) async throws -> Response

    /// The name by which it is called.
    public var name: FunctionName
    /// How it is served.
    public var options: ServeOptions
    /// Answers a call.
    public var handler: Handler

    /// A function to hand to `FunctionBus.serve`.
    public init(_ name: FunctionName, options: ServeOptions = .init(), handler: @escaping Handler) {
        self.name = name
        self.options = options
        self.handler = handler
    }
}
