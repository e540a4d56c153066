/// What a worker tells the host. The protocol is written down in Documentation/worker-protocol.md.
enum WorkerFrame: Equatable {
    /// The function is loaded: calls may come.
    case ready(language: String?)
    /// The function cannot be loaded; the worker ends after this.
    case loadFailure(CallFailure)
    case reply(call: UInt64, HostedReply)
    case failure(call: UInt64, CallFailure)
    /// Something that the function wants from the bus; `call` is the call during which it asks, if any.
    case operation(WorkerOperation)
    case log(LogEntry)

    struct LogEntry: Equatable {
        var level: String
        var message: String
        var call: UInt64?
    }
}

/// A nested call or a publish by a function.
struct WorkerOperation: Equatable {
    enum Action: Equatable {
        case invoke(Invocation)
        case publish(OutgoingMessage)
    }

    struct Invocation: Equatable {
        var service: String
        var function: String
        var isAsync: Bool
        var context: String?
        var contentType: String?
        var timeout: Duration?
        var payload: [UInt8]
    }

    /// Chosen by the worker; comes back in the result.
    var identifier: UInt64
    var call: UInt64?
    var action: Action
}

/// What the host tells a worker.
enum HostFrame {
    case call(UInt64, HostedCall, timeout: Duration)
    /// The caller is gone; the handler may stop early.
    case cancel(UInt64)
    /// The outcome of an operation.
    case result(UInt64, HostedReply)
    case failure(UInt64, CallFailure)
    /// Finish and exit: nothing more will come.
    case shutdown
}
