import BusContract

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
    /// The user whose rights the caller has, where the broker vouches for it.
    public var caller: String?
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

    /// The trace that the call belongs to, if its caller said one; calls of the handler inherit it.
    public var trace: CallTrace? {
        self.property(PropertyName.traceParent).map {
            CallTrace(parent: $0, state: self.property(PropertyName.traceState))
        }
    }

    /// The value of a user property, the first of that name.
    public func property(_ name: String) -> String? {
        self.userProperties.first { $0.name == name }?.value
    }
}

extension Request {
    /// - Parameter identifier: where the request carries no correlation data.
    init(
        function: FunctionName, payload: Payload, _ message: ApplicationMessage,
        deadline: ContinuousClock.Instant, identifier: String?
    ) {
        let properties = message.properties
        self.init(
            function: function, payload: payload, context: properties.first(PropertyName.context),
            contentType: properties.contentType, deadline: deadline,
            callerIdentifier: properties.first(PropertyName.callerIdentifier),
            attempt: properties.first(PropertyName.attempt).flatMap { Int($0) } ?? 1,
            hops: properties.first(PropertyName.hops).flatMap { Int($0) } ?? 0,
            task: properties.first(PropertyName.task),
            identifier: properties.correlationData.map(Self.hexadecimal) ?? identifier ?? "",
            userProperties: properties.userProperties)
        self.caller = properties.first(PropertyName.caller)
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        unsafe String(unsafeUninitializedCapacity: bytes.count * 2) { text in
            for (index, byte) in bytes.enumerated() {
                unsafe text[2 * index] = Self.digit(byte >> 4)
                unsafe text[2 * index + 1] = Self.digit(byte & 15)
            }
            return bytes.count * 2
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}

/// What a handler answers.
public struct Response: Sendable, ExpressibleByStringLiteral {
    /// The bytes of the answer.
    public var payload: Payload
    /// MIME type of the payload.
    public var contentType: String?
    /// More user properties for the caller.
    public var userProperties: [(name: String, value: String)] = []

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
    /// How long calls may go on when the function is no longer served; what runs then is cancelled, and answered with
    /// 502. Default 30 s.
    public var drainTimeout: Duration = .seconds(30)
    /// MIME types that requests may say they are, such as `application/json` or `image/*`; others are refused with 415.
    /// Empty, the default, for anything. A request that says nothing is taken.
    public var contentTypes: [String] = []
    /// Larger requests are refused with 413. Default: what a packet holds.
    public var requestBytesMax: Int?
    /// Larger answers are replaced by a 413, which says that the function ran. Default 16 MiB.
    public var replyBytesMax = 16 << 20
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
