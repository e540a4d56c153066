/// The property that made a call fail, such as the expiry that was too short.
package struct BlamedProperty: Hashable, Sendable {
    package let name: String
    package let value: String?

    /// The caller's deadline.
    package static func messageExpiry(milliseconds: UInt64?) -> BlamedProperty {
        BlamedProperty(name: "MessageExpiry", value: milliseconds.map(Self.duration))
    }

    /// The function's own limit.
    package static func executionTimeout(milliseconds: UInt64) -> BlamedProperty {
        BlamedProperty(name: "ExecutionTimeout", value: Self.duration(milliseconds))
    }

    /// An ISO 8601 duration in seconds: `PT5S`, `PT0.25S`.
    private static func duration(_ milliseconds: UInt64) -> String {
        let rest = milliseconds % 1000
        guard rest > 0 else { return "PT\(milliseconds / 1000)S" }
        var digits = String(String(1000 + rest).dropFirst())
        while digits.last == "0" { digits.removeLast() }
        return "PT\(milliseconds / 1000).\(digits)S"
    }
}

/// A call that was not answered well: what its final reply says.
package struct Failure: Error, Hashable, Sendable {
    /// Who found out.
    package enum Origin: String, Sendable {
        case broker, host, handler
    }

    package var status: CallStatus
    package var code: CallCode
    package var executed: Executed
    /// What was attempted, why it failed, what to do.
    package var message: String
    package var origin: Origin
    /// How long to wait before another attempt makes sense.
    package var retryAfterMilliseconds: Int?
    /// The property to blame, and its value where it is known: an ISO 8601 duration.
    package var blamed: BlamedProperty?
    /// Another attempt cannot succeed: the handler said so.
    package var isPermanent = false
    /// Where a handler raised, outermost first.
    package var stackTrace: [String] = []

    package init(
        _ status: CallStatus, _ code: CallCode, executed: Executed, _ message: String, origin: Origin = .broker
    ) {
        self.status = status
        self.code = code
        self.executed = executed
        self.message = message
        self.origin = origin
    }

    /// Raised by the function's own code.
    package var isApplicationError: Bool { self.code == .handlerError }

    /// Whether a later attempt may succeed and cannot make the call run twice.
    package var isRetriable: Bool { self.executed == .none && self.mayPass }

    /// Whether a later attempt may succeed and does no harm, for a function that may run twice.
    package func isRetriable(isIdempotent: Bool) -> Bool {
        switch self.executed {
        case .none: self.mayPass
        case .maybe: isIdempotent && self.mayPass
        case .yes: false
        }
    }

    /// Whether the cause may go away by itself.
    private var mayPass: Bool {
        let passing: [CallStatus] = [
            .noFunction, .deadline, .overloaded, .failed, .instanceLost, .unavailable, .storeFull,
        ]
        return !self.isPermanent && passing.contains(self.status)
    }

    /// What PUBACK or PUBREC of the request says in MQTT 5, given before any reply; 0 where the reply alone tells.
    package var publishReasonCode: UInt8 {
        switch self.code {
        case .notAuthorized: 0x87
        case .noFunction, .noInstance: 0x10
        case .requestTooLarge, .overloaded, .storeFull: 0x97
        case .internal: 0x80
        default: 0x00
        }
    }

    /// The name of the status in gRPC.
    package var grpcStatus: String {
        switch self.code {
        case .invalidRequest, .contentType: "INVALID_ARGUMENT"
        case .notAuthorized: "PERMISSION_DENIED"
        case .noFunction, .version: "UNIMPLEMENTED"
        case .deadline: "DEADLINE_EXCEEDED"
        case .duplicateMismatch: "ALREADY_EXISTS"
        case .requestTooLarge, .replyTooLarge, .overloaded, .storeFull: "RESOURCE_EXHAUSTED"
        case .cancelled: "CANCELLED"
        case .internal: "INTERNAL"
        case .instanceLost, .noInstance, .draining: "UNAVAILABLE"
        case .loop: "FAILED_PRECONDITION"
        default: "UNKNOWN"
        }
    }

    /// The failure as the payload of its reply, `application/json`.
    package var payload: String {
        var members: [(String, JSONText)] = [
            ("status", .integer(self.status.rawValue)), ("code", .string(self.code.rawValue)),
            ("Message", .string(self.message)), ("StackTrace", .array(self.stackTrace.map(JSONText.string))),
            ("executed", .string(self.executed.rawValue)),
        ]
        if let delay = self.retryAfterMilliseconds { members.append(("retryAfterMs", .integer(delay))) }
        return JSONText.object(members).text
    }

    /// The user properties of the failure's reply, in a fixed order.
    package var userProperties: [(name: String, value: String)] {
        var properties = [
            (PropertyName.status, self.status.description), (PropertyName.statusMessage, self.message),
            (PropertyName.code, self.code.rawValue), (PropertyName.executed, self.executed.rawValue),
            (PropertyName.by, self.origin.rawValue),
        ]
        if self.isApplicationError { properties.append((PropertyName.applicationError, "true")) }
        if let blamed = self.blamed {
            properties.append((PropertyName.propertyName, blamed.name))
            if let value = blamed.value { properties.append((PropertyName.propertyValue, value)) }
        }
        if self.isPermanent { properties.append((PropertyName.retry, "no")) }
        if let delay = self.retryAfterMilliseconds { properties.append((PropertyName.retryAfter, "\(delay)")) }
        return properties
    }

    package static let contentType = "application/json"
}
