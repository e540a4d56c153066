/// Why a call brought no result, in the terms of the call protocol's status table.
package struct CallFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// Whether the handler may have run: what decides if a retry is safe.
    package enum Executed: String, Hashable, Sendable, Codable {
        case none, maybe, yes
    }

    package var status: Int
    package var code: String
    package var executed: Executed
    package var message: String
    /// The handler's own stack, outermost frame first; empty where the platform failed.
    package var stackTrace: [String] = []
    /// Name of the exception's type in the function's language.
    package var errorType: String?
    package var retryAfter: Duration?
    /// The handler says that a retry is pointless.
    package var isPermanent = false

    package init(_ status: Int, _ code: String, executed: Executed, _ message: String) {
        self.status = status
        self.code = code
        self.executed = executed
        self.message = message
    }

    package var description: String { "\(self.status) \(self.code): \(self.message)" }

    /// The exception's type and message, for log lines.
    var cause: String { self.errorType.map { "\($0): \(self.message)" } ?? self.message }

    /// True when the function reported the failure itself; false when the platform noticed it.
    package var isHandled: Bool { self.code == Self.handlerErrorCode }

    private static let handlerErrorCode = "HANDLER_ERROR"
}

extension CallFailure {
    package static func handlerError(_ message: String, errorType: String?, stackTrace: [String]) -> Self {
        var failure = Self(500, Self.handlerErrorCode, executed: .yes, message)
        failure.errorType = errorType
        failure.stackTrace = stackTrace
        return failure
    }

    package static func executionTimeout(_ function: FunctionAddress, _ timeout: Duration) -> Self {
        Self(
            408, "DEADLINE", executed: .maybe,
            "\(function) ran longer than its timeout of \(timeout.text); its worker was replaced. "
                + "Raise `timeout` in function.yaml if that is normal.")
    }

    package static func deadline(_ function: FunctionAddress, executed: Executed) -> Self {
        let place = executed == .none ? "while the call waited for a worker" : "while the handler was running"
        return Self(408, "DEADLINE", executed: executed, "The deadline of the call to \(function) passed \(place).")
    }

    package static func couldNotStart(_ function: FunctionAddress, _ reason: String) -> Self {
        Self(500, "INTERNAL", executed: .none, "\(function) could not be started: \(reason)")
    }

    package static func workerLost(_ function: FunctionAddress, _ reason: String) -> Self {
        Self(502, "INSTANCE_LOST", executed: .maybe, "The worker of \(function) ended during the call: \(reason)")
    }

    package static func overloaded(_ function: FunctionAddress, waiting: Int) -> Self {
        var failure = Self(
            429, "OVERLOADED", executed: .none,
            "\(waiting) calls already wait for a worker of \(function). Try later, or raise `workers.max`.")
        failure.retryAfter = .milliseconds(200)
        return failure
    }

    package static func draining(_ function: FunctionAddress) -> Self {
        Self(
            503, self.drainingCode, executed: .none,
            "The host of \(function) is shutting down; another instance may answer.")
    }

    package static func cancelled(_ function: FunctionAddress, executed: Executed) -> Self {
        Self(499, "CANCELLED", executed: executed, "The caller cancelled its call to \(function).")
    }

    static let loopCode = "LOOP"
    private static let drainingCode = "DRAINING"

    /// The function is leaving and did not touch the call.
    var isDraining: Bool { self.code == Self.drainingCode && self.executed == .none }

    package static func loop(_ function: FunctionAddress, slots: Int) -> Self {
        Self(
            508, self.loopCode, executed: .none,
            "The call came back to \(function), whose \(slots) slots are all held by calls that wait for this one.")
    }

    package static func tooDeep(_ function: FunctionAddress, hops: Int) -> Self {
        Self(
            508, self.loopCode, executed: .none,
            "The call to \(function) is nested \(hops) deep, which is taken for a loop; \(Self.hopsMax) is the limit.")
    }

    /// Nested calls, and messages that set off functions that publish messages; one more is a loop.
    package static let hopsMax = 16

    package static func replyTooLarge(_ function: FunctionAddress, limit: Int) -> Self {
        Self(
            413, "REPLY_TOO_LARGE", executed: .yes,
            "\(function) answered with more than \(limit) bytes (`limits.output` in function.yaml).")
    }

    package static func invalid(_ message: String) -> Self {
        Self(400, "INVALID_REQUEST", executed: .none, message)
    }
}
