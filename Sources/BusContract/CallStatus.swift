/// The outcome of a call as a number, those of HTTP where HTTP has one.
package struct CallStatus: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: Int

    package init(rawValue: Int) {
        self.rawValue = rawValue
    }

    package static let ok = CallStatus(rawValue: 200)
    package static let accepted = CallStatus(rawValue: 202)
    package static let noContent = CallStatus(rawValue: 204)
    package static let invalidRequest = CallStatus(rawValue: 400)
    package static let notAuthorized = CallStatus(rawValue: 403)
    package static let noFunction = CallStatus(rawValue: 404)
    package static let deadline = CallStatus(rawValue: 408)
    package static let duplicateMismatch = CallStatus(rawValue: 409)
    package static let tooLarge = CallStatus(rawValue: 413)
    package static let contentType = CallStatus(rawValue: 415)
    package static let overloaded = CallStatus(rawValue: 429)
    package static let cancelled = CallStatus(rawValue: 499)
    package static let failed = CallStatus(rawValue: 500)
    package static let instanceLost = CallStatus(rawValue: 502)
    package static let unavailable = CallStatus(rawValue: 503)
    package static let version = CallStatus(rawValue: 505)
    package static let storeFull = CallStatus(rawValue: 507)
    package static let loop = CallStatus(rawValue: 508)

    package var isSuccess: Bool { (200..<300).contains(self.rawValue) }
    package var description: String { String(self.rawValue) }
}

/// Whether the handler of a failed call may have run: what a caller needs to know before it tries again.
package enum Executed: String, Sendable {
    /// No handler saw the call.
    case none
    /// It was dispatched; the outcome is unknown.
    case maybe
    /// The handler finished or raised.
    case yes

    /// What a status says by itself, for answers that cannot say more: those of clients without properties.
    package static func assumed(of status: CallStatus) -> Executed {
        switch status {
        case .accepted, .invalidRequest, .notAuthorized, .noFunction, .duplicateMismatch, .tooLarge, .contentType,
            .overloaded, .unavailable, .version, .storeFull, .loop:
            .none
        case .deadline, .cancelled, .instanceLost: .maybe
        default: .yes
        }
    }
}

/// The name of an outcome, finer than its status.
package struct CallCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: String

    package init(rawValue: String) {
        self.rawValue = rawValue
    }

    package static let ok = CallCode(rawValue: "OK")
    package static let noContent = CallCode(rawValue: "NO_CONTENT")
    package static let accepted = CallCode(rawValue: "ACCEPTED")
    package static let invalidRequest = CallCode(rawValue: "INVALID_REQUEST")
    package static let notAuthorized = CallCode(rawValue: "NOT_AUTHORIZED")
    package static let noFunction = CallCode(rawValue: "NO_FUNCTION")
    package static let deadline = CallCode(rawValue: "DEADLINE")
    package static let duplicateMismatch = CallCode(rawValue: "DUPLICATE_MISMATCH")
    package static let requestTooLarge = CallCode(rawValue: "REQUEST_TOO_LARGE")
    package static let replyTooLarge = CallCode(rawValue: "REPLY_TOO_LARGE")
    package static let contentType = CallCode(rawValue: "CONTENT_TYPE")
    package static let overloaded = CallCode(rawValue: "OVERLOADED")
    package static let cancelled = CallCode(rawValue: "CANCELLED")
    package static let handlerError = CallCode(rawValue: "HANDLER_ERROR")
    package static let `internal` = CallCode(rawValue: "INTERNAL")
    package static let instanceLost = CallCode(rawValue: "INSTANCE_LOST")
    package static let noInstance = CallCode(rawValue: "NO_INSTANCE")
    package static let draining = CallCode(rawValue: "DRAINING")
    package static let version = CallCode(rawValue: "VERSION")
    package static let storeFull = CallCode(rawValue: "STORE_FULL")
    package static let loop = CallCode(rawValue: "LOOP")

    /// The name of a status that came without one.
    package static func assumed(of status: CallStatus) -> CallCode {
        switch status {
        case .ok: .ok
        case .noContent: .noContent
        case .accepted: .accepted
        case .invalidRequest: .invalidRequest
        case .notAuthorized: .notAuthorized
        case .noFunction: .noFunction
        case .deadline: .deadline
        case .duplicateMismatch: .duplicateMismatch
        case .tooLarge: .requestTooLarge
        case .contentType: .contentType
        case .overloaded: .overloaded
        case .cancelled: .cancelled
        case .failed: .handlerError
        case .instanceLost: .instanceLost
        case .unavailable: .draining
        case .version: .version
        case .storeFull: .storeFull
        case .loop: .loop
        default: CallCode(rawValue: "STATUS_\(status.rawValue)")
        }
    }

    package var description: String { self.rawValue }
}
