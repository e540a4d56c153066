import BusContract

/// Why a call, a publish or a connection did not work, and what may be done about it.
public struct BusError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure: an open set, for functions bring codes of their own.
    public struct Code: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        /// Capitals and underscores, as on the wire.
        public let rawValue: String

        /// Any code, such as one of a function's own.
        public init(rawValue: String) {
            self.rawValue = rawValue
        }

        /// The same as `rawValue`.
        public var description: String { self.rawValue }

        /// Nobody serves a function of that name (404).
        public static let noFunction = Code(rawValue: "NO_FUNCTION")
        /// The function is known and no instance is online (503).
        public static let noInstance = Code(rawValue: "NO_INSTANCE")
        /// The deadline passed at the broker or at the instance (408).
        public static let deadline = Code(rawValue: "DEADLINE")
        /// The function's own code raised (500).
        public static let handlerError = Code(rawValue: "HANDLER_ERROR")
        /// The instance went away while it had the call (502).
        public static let instanceLost = Code(rawValue: "INSTANCE_LOST")
        /// Every instance is busy and the queue is full (429).
        public static let overloaded = Code(rawValue: "OVERLOADED")
        /// The rights of this client do not allow it (403).
        public static let notAuthorized = Code(rawValue: "NOT_AUTHORIZED")
        /// The request is not one that the protocol allows (400).
        public static let invalidRequest = Code(rawValue: "INVALID_REQUEST")
        /// The packet is larger than the broker or the caller takes (413).
        public static let tooLarge = Code(rawValue: "REQUEST_TOO_LARGE")
        /// Cancelled by the caller's task (499).
        public static let cancelled = Code(rawValue: "CANCELLED")
        /// Local: no answer came in time and nobody says why.
        public static let localTimeout = Code(rawValue: "LOCAL_TIMEOUT")
        /// Local: there was no connection to send on.
        public static let disconnectedBeforeSend = Code(rawValue: "DISCONNECTED_BEFORE_SEND")
        /// Local: the connection was lost while the answer was awaited.
        public static let disconnectedAfterSend = Code(rawValue: "DISCONNECTED_AFTER_SEND")
        /// Local: the broker does not let this client read its answers.
        public static let replySubscriptionRefused = Code(rawValue: "REPLY_SUBSCRIPTION_REFUSED")
        /// Local: the broker refused the connection.
        public static let connectionRefused = Code(rawValue: "CONNECTION_REFUSED")
        /// Local: the broker lacks a part of MQTT 5 that this needs.
        public static let unsupportedByBroker = Code(rawValue: "UNSUPPORTED_BY_BROKER")
        /// Local: the function answered, and its answer is not what was asked for.
        public static let invalidAnswer = Code(rawValue: "INVALID_ANSWER")
        /// Local: the arguments are wrong.
        public static let invalidArgument = Code(rawValue: "INVALID_ARGUMENT")
    }

    /// Whether the handler of a failed call may have run.
    public enum Executed: String, Sendable {
        /// No handler saw the call: it may be made again.
        case none
        /// It was on its way or running: nobody knows.
        case maybe
        /// The handler finished or raised.
        case yes
    }

    /// The kind of failure.
    public var code: Code
    /// The status on the wire, such as 404; 0 for a local failure.
    public var status: Int
    /// Whether the handler may have run.
    public var executed: Executed
    /// What was attempted, why it failed, what to do.
    public var message: String
    /// How long to wait before another attempt makes sense, if the broker said so.
    public var retryAfter: Duration?
    /// The payload of the failure's reply, most often JSON.
    public var payload: Payload = .empty
    /// The function says that no other attempt can succeed (`fc-retry: no`).
    public var isPermanent = false
    /// Who answered, where the broker says it.
    public var instance: String?

    /// A failure; `status` is 0 for a local one.
    public init(_ code: Code, status: Int = 0, executed: Executed = .none, _ message: String) {
        self.code = code
        self.status = status
        self.executed = executed
        self.message = message
    }

    /// Whether the same call may be made again without running twice.
    public var isRetriable: Bool {
        let isFinal = [400, 401, 403, 404, 409, 413, 415, 505, 508].contains(self.status) && self.code != .noFunction
        return self.executed == .none && !self.isPermanent && !isFinal
            && !Self.finalCodes.contains(self.code)
    }

    /// Local ones: what failed now fails the next time as well.
    private static let finalCodes: Set<Code> = [
        .invalidArgument, .cancelled, .replySubscriptionRefused, .connectionRefused, .unsupportedByBroker,
    ]

    /// `NO_FUNCTION (404): no function …`
    public var description: String {
        self.status == 0 ? "\(self.code): \(self.message)" : "\(self.code) (\(self.status)): \(self.message)"
    }

    init(_ failure: Failure) {
        self.init(
            Code(rawValue: failure.code.rawValue), status: failure.status.rawValue,
            executed: Executed(rawValue: failure.executed.rawValue) ?? .maybe, failure.message)
        self.retryAfter = failure.retryAfterMilliseconds.map { .milliseconds($0) }
    }

    static let cancelled = BusError(.cancelled, status: 499, executed: .maybe, "the task that waited was cancelled")
}
