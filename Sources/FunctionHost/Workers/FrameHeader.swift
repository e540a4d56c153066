import FunctionWorker

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The JSON part of a frame: one flat object for every kind, absent where a key has no meaning.
private struct FrameHeader: Codable {
    var kind: String
    var call: UInt64?
    var operation: UInt64?
    var requestId: String?
    var context: String?
    var contentType: String?
    var timeoutMs: Int?
    var caller: String?
    var callerId: String?
    var attempt: Int?
    var hops: Int?
    var task: String?
    var trace: HostedCall.TraceContext?
    var status: Int?
    var code: String?
    var executed: CallFailure.Executed?
    var message: String?
    var errorType: String?
    var stackTrace: [String]?
    var permanent: Bool?
    var retryAfterMs: Int?
    var handled: Bool?
    var service: String?
    var function: String?
    var type: String?
    var topic: String?
    var qos: Int?
    var retain: Bool?
    var level: String?
    var language: String?
}

/// A frame that a worker should not have sent.
struct FrameError: Error, Equatable {
    var message: String
}

extension HostFrame {
    /// - Throws: Never for what Codable can write; an encoder's failure is the worker's loss and reported as such.
    func encoded() throws(FrameError) -> [UInt8] {
        let (header, payload) = self.parts()
        do {
            return FrameDecoder.encode(header: [UInt8](try JSONEncoder().encode(header)), payload: payload)
        } catch {
            throw FrameError(message: "a frame of kind \(header.kind) could not be written: \(error)")
        }
    }

    private func parts() -> (FrameHeader, [UInt8]) {
        switch self {
        case .call(let call, let request, let timeout):
            var header = FrameHeader(kind: "call", call: call, requestId: request.requestIdentifier)
            header.context = request.context
            header.contentType = request.contentType
            header.timeoutMs = timeout.milliseconds
            header.caller = request.caller
            header.callerId = request.callerIdentifier
            header.attempt = request.attempt
            header.hops = request.hops
            header.task = request.task
            header.trace = request.trace
            return (header, request.payload)
        case .cancel(let call):
            return (FrameHeader(kind: "cancel", call: call), [])
        case .result(let operation, let reply):
            var header = FrameHeader(kind: "result", operation: operation)
            header.status = reply.status
            header.contentType = reply.contentType
            return (header, reply.payload)
        case .failure(let operation, let failure):
            var header = FrameHeader(kind: "result", operation: operation)
            header.status = failure.status
            header.code = failure.code
            header.executed = failure.executed
            header.message = failure.message
            header.errorType = failure.errorType
            header.stackTrace = failure.stackTrace
            header.retryAfterMs = failure.retryAfter?.milliseconds
            header.handled = failure.isHandled
            return (header, [])
        case .shutdown:
            return (FrameHeader(kind: "shutdown"), [])
        }
    }
}

extension WorkerFrame {
    init(_ frame: FrameDecoder.Frame) throws(FrameError) {
        let header: FrameHeader
        do {
            header = try JSONDecoder().decode(FrameHeader.self, from: Data(frame.header))
        } catch {
            throw FrameError(message: "a frame header is not the expected JSON object")
        }
        switch header.kind {
        case "ready": self = .ready(language: header.language)
        case "reply": self = .reply(call: try header.required(header.call, "call"), header.reply(frame.payload))
        case "failure":
            guard let call = header.call else {
                self = .loadFailure(header.failure)
                return
            }
            self = .failure(call: call, header.failure)
        case "invoke", "publish": self = .operation(try header.workerOperation(frame.payload))
        case "log":
            self = .log(LogEntry(level: header.level ?? "info", message: header.message ?? "", call: header.call))
        default: throw FrameError(message: "unknown frame kind \"\(header.kind)\"")
        }
    }
}

extension FrameHeader {
    init(kind: String, operation: UInt64) {
        self.init(kind: kind)
        self.operation = operation
    }

    func required<Value>(_ value: Value?, _ key: String) throws(FrameError) -> Value {
        guard let value else { throw FrameError(message: "a frame of kind \(self.kind) lacks \"\(key)\"") }
        return value
    }

    func reply(_ payload: [UInt8]) -> HostedReply {
        let status = self.status == 204 && payload.isEmpty ? 204 : 200
        return HostedReply(payload: payload, contentType: self.contentType, status: status)
    }

    /// A handler's failure; only a client-error status may replace the 500, so that no handler can pose as the bus.
    var failure: CallFailure {
        var failure = CallFailure.handlerError(
            self.message ?? "the handler failed without a message", errorType: self.errorType,
            stackTrace: self.stackTrace ?? [])
        if let status = self.status, status == 400 || status == 415 {
            failure.status = status
            failure.code = status == 400 ? "INVALID_REQUEST" : "CONTENT_TYPE"
        }
        failure.isPermanent = self.permanent ?? false
        failure.retryAfter = self.retryAfterMs.map { .milliseconds($0) }
        return failure
    }

    func workerOperation(_ payload: [UInt8]) throws(FrameError) -> WorkerOperation {
        let identifier = try self.required(self.operation, "operation")
        guard self.kind == "invoke" else {
            var message = OutgoingMessage(topic: try self.required(self.topic, "topic"), payload: payload)
            message.qos = self.qos ?? 0
            message.retain = self.retain ?? false
            message.contentType = self.contentType
            return WorkerOperation(identifier: identifier, call: self.call, action: .publish(message))
        }
        let invocation = WorkerOperation.Invocation(
            service: try self.required(self.service, "service"), function: try self.required(self.function, "function"),
            isAsync: self.type == "Async", context: self.context, contentType: self.contentType,
            timeout: self.timeoutMs.map { .milliseconds($0) }, payload: payload)
        return WorkerOperation(identifier: identifier, call: self.call, action: .invoke(invocation))
    }
}
