/// The failures of the protocol's table, each with its sentence.
extension Failure {
    package static func noFunction(_ name: FunctionName) -> Failure {
        Failure(
            .noFunction, .noFunction, executed: .none,
            "no function \(name) is known here: start one that serves it, or see `fcbus functions` for those there are")
    }

    package static func noInstance(_ name: FunctionName) -> Failure {
        Failure(
            .unavailable, .noInstance, executed: .none,
            "the function \(name) is known but no instance of it is online: "
                + "start its host, or let the call wait with fc-wait-ms")
    }

    package static func draining(_ name: FunctionName) -> Failure {
        Failure(
            .unavailable, .draining, executed: .none,
            "this instance of \(name) is shutting down and takes no more calls: try again, another one may take it",
            origin: .host)
    }

    /// - Parameter milliseconds: the time that the caller gave, where it is known.
    package static func deadline(_ name: FunctionName, executed: Executed, milliseconds: UInt64? = nil) -> Failure {
        var failure = Failure(
            .deadline, .deadline, executed: executed,
            executed == .none
                ? "the deadline of the call to \(name) passed while it waited for an instance: give it more time"
                : "the deadline of the call to \(name) passed while it ran, and it may still finish: give it more time")
        failure.blamed = .messageExpiry(milliseconds: milliseconds)
        return failure
    }

    /// The function's own limit passed before the caller's did.
    package static func executionTimeout(_ name: FunctionName, milliseconds: UInt64) -> Failure {
        var failure = Failure(
            .deadline, .deadline, executed: .maybe,
            "\(name) ran for longer than its timeout of \(milliseconds) ms and was stopped: raise its timeout",
            origin: .host)
        failure.blamed = .executionTimeout(milliseconds: milliseconds)
        return failure
    }

    package static func duplicateMismatch(_ name: FunctionName) -> Failure {
        Failure(
            .duplicateMismatch, .duplicateMismatch, executed: .none,
            "another call to \(name) with the same correlation data had another payload: give each call its own")
    }

    package static func overloaded(_ name: FunctionName, retryAfterMilliseconds: Int) -> Failure {
        var failure = Failure(
            .overloaded, .overloaded, executed: .none,
            "all instances of \(name) are busy and its queue is full: try again in \(retryAfterMilliseconds) ms")
        failure.retryAfterMilliseconds = retryAfterMilliseconds
        return failure
    }

    package static func tooManyCalls(limit: Int) -> Failure {
        var failure = Failure(
            .overloaded, .overloaded, executed: .none,
            "this client has \(limit) calls in flight, the most it may have: wait for answers first")
        failure.retryAfterMilliseconds = 100
        return failure
    }

    package static func instanceLost(_ name: FunctionName) -> Failure {
        Failure(
            .instanceLost, .instanceLost, executed: .maybe,
            "the instance of \(name) that had the call went away before it answered, and the call may have run: "
                + "repeat it only if it does no harm twice")
    }

    package static func cancelled(_ name: FunctionName, executed: Executed) -> Failure {
        Failure(.cancelled, .cancelled, executed: executed, "the call to \(name) was cancelled by its caller")
    }

    package static func requestTooLarge(_ name: FunctionName, bytes: Int, limit: Int) -> Failure {
        Failure(
            .tooLarge, .requestTooLarge, executed: .none,
            "the call to \(name) carries \(bytes) bytes and the function takes at most \(limit): send less")
    }

    /// No instance takes packets of this size.
    package static func packetTooLarge(_ name: FunctionName, bytes: Int, limit: Int) -> Failure {
        Failure(
            .tooLarge, .requestTooLarge, executed: .none,
            "the call to \(name) makes a packet of \(bytes) bytes and its instances take at most \(limit): "
                + "send less, or raise their Maximum Packet Size")
    }

    package static func replyTooLarge(bytes: Int, limit: Int) -> Failure {
        Failure(
            .tooLarge, .replyTooLarge, executed: .yes,
            "the answer has \(bytes) bytes and the caller takes packets of at most \(limit): "
                + "raise its Maximum Packet Size")
    }

    package static func wrongContentType(_ name: FunctionName, _ type: String, accepted: [String]) -> Failure {
        Failure(
            .contentType, .contentType, executed: .none,
            "\(name) does not take '\(type)': send \(accepted.joined(separator: " or "))", origin: .host)
    }

    /// The function's own code raised, with what it says of it.
    package static func handlerError(_ message: String, stackTrace: [String] = []) -> Failure {
        var failure = Failure(.failed, .handlerError, executed: .yes, message, origin: .handler)
        failure.stackTrace = stackTrace
        return failure
    }

    /// A bug or an accident on our side of the call.
    package static func `internal`(_ message: String, origin: Origin) -> Failure {
        Failure(.failed, .internal, executed: .maybe, message, origin: origin)
    }

    package static func version(_ version: String) -> Failure {
        Failure(
            .version, .version, executed: .none,
            "the protocol version '\(version)' of the request is not known here: send version 1.0", origin: .host)
    }

    package static func invalidRequest(_ message: String) -> Failure {
        Failure(.invalidRequest, .invalidRequest, executed: .none, message)
    }

    package static func notAuthorized(_ message: String) -> Failure {
        Failure(.notAuthorized, .notAuthorized, executed: .none, message)
    }

    package static func loop(_ name: FunctionName) -> Failure {
        Failure(
            .loop, .loop, executed: .none,
            "the call to \(name) is nested more than \(ContractLimits.hopsMax) deep: "
                + "look for functions that call each other in a circle", origin: .host)
    }

    package static func storeFull(limit: Int) -> Failure {
        Failure(
            .storeFull, .storeFull, executed: .none,
            "\(limit) asynchronous calls wait already, the most that are kept: try again later")
    }
}
