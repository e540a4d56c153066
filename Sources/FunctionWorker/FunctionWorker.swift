@unsafe @preconcurrency import Glibc

/// A function written in Swift that the host runs as a process of its own (`runtime: swift`).
///
///     FunctionWorker.run { call, bus in
///         WorkerReply(call.text.uppercased())
///     }
///
/// One call at a time: `workers` in function.yaml says how many processes there are, and `concurrency` stays at 1.
public enum FunctionWorker {
    /// Answers calls until the host wants no more. What the handler throws is the failure of that call alone.
    ///
    /// The pipes to the host move to descriptors of their own first: what the program prints becomes log lines of the
    /// function, as what it writes to stderr does.
    public static func run(_ handler: (WorkerCall, WorkerBus) throws -> WorkerReply) {
        let connection = WorkerConnection(input: dup(0), output: dup(1))
        let nothing = unsafe open("/dev/null", O_RDONLY)
        if nothing >= 0 { dup2(nothing, 0) }
        dup2(2, 1)
        // A line at a time, not when four kilobytes have come together. Nobody else has the stream yet.
        unsafe setvbuf(stdout, nil, _IOLBF, 0)
        do throws(WorkerFailure) {
            try connection.serve(handler)
        } catch {
            // The host has gone, or this side of the protocol is broken: its log gets the reason, and a new worker.
            print(error)
            exit(1)
        }
    }
}

/// One call of the function.
public struct WorkerCall: Sendable {
    /// What the caller sent.
    public let payload: [UInt8]
    /// What log lines of this call are known by.
    public let requestID: String
    /// The caller's `invokerContext`, JSON text as a rule.
    public let context: String?
    /// Such as `application/json`; nothing where it was not said.
    public let contentType: String?
    /// The function or client that calls, where it said so.
    public let caller: String?
    /// 1, and more when a one-way call is tried again.
    public let attempt: Int
    /// How much time the handler has, counted from the call's arrival.
    public let timeout: Duration
    let number: Int

    /// The payload as text; bytes that are none become replacement characters.
    public var text: String { String(decoding: self.payload, as: UTF8.self) }
}

/// What a function answers, or what a function that was called has answered.
public struct WorkerReply: Sendable, Equatable {
    /// The result.
    public var payload: [UInt8]
    /// Such as `application/json`; nothing where it was not said.
    public var contentType: String?

    /// A reply of any bytes.
    public init(_ payload: [UInt8], contentType: String? = nil) {
        self.payload = payload
        self.contentType = contentType
    }

    /// A reply of text.
    public init(_ text: String, contentType: String? = nil) {
        self.init(Array(text.utf8), contentType: contentType)
    }

    /// The payload as text; bytes that are none become replacement characters.
    public var text: String { String(decoding: self.payload, as: UTF8.self) }

    /// No result: the caller gets 204.
    public static let none = WorkerReply([])
}

/// Why a call failed: thrown by the handler it is the function's own failure, and it is thrown by what a handler asks
/// of the bus.
public struct WorkerFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// A sentence for people.
    public var message: String
    /// Of a function that was called: 404, 408, 500 and so on; 0 where nothing was called.
    public var status: Int
    /// The word of the protocol for the same: `NO_FUNCTION`; empty where nothing was called.
    public var code: String
    /// A retry of this one-way call is pointless.
    public var isPermanent: Bool

    /// A failure of the function itself.
    public init(_ message: String, isPermanent: Bool = false) {
        self.init(message, status: 0, code: "", isPermanent: isPermanent)
    }

    init(_ message: String, status: Int, code: String, isPermanent: Bool = false) {
        self.message = message
        self.status = status
        self.code = code
        self.isPermanent = isPermanent
    }

    /// The message, after status and code where there are any.
    public var description: String {
        self.status == 0 ? self.message : "\(self.code) (\(self.status)): \(self.message)"
    }
}
