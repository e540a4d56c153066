import BusContract
import Glibc

/// A worker's side of the two pipes: blocking reads and writes on the calling thread.
///
/// While a handler waits for the result of what it asked, further calls may come; they wait for their turn.
final class WorkerConnection {
    private let input: Int32
    private let output: Int32
    private var decoder = FrameDecoder()
    private var waiting: [WorkerCall] = []
    private var lastOperation = 0
    private var isShuttingDown = false
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)

    init(input: Int32, output: Int32) {
        self.input = input
        self.output = output
    }

    /// Returns at the end of the input or when the host says that nothing more will come.
    func serve(_ handler: (WorkerCall, WorkerBus) throws -> WorkerReply) throws(WorkerFailure) {
        try self.send([("kind", .string("ready")), ("language", .string("swift"))])
        while let call = try self.nextCall() {
            let outcome: Result<WorkerReply, any Error>
            do {
                outcome = .success(try handler(call, WorkerBus(connection: self, call: call.number)))
            } catch {
                outcome = .failure(error)
            }
            try self.answer(call, outcome)
        }
    }

    /// Asks something of the bus and waits for the result.
    func perform(
        _ kind: String, _ header: [(String, JSONText)], _ payload: [UInt8], in call: Int
    ) throws(WorkerFailure) -> WorkerReply {
        self.lastOperation += 1
        let operation = self.lastOperation
        let address: [(String, JSONText)] = [
            ("kind", .string(kind)), ("operation", .integer(operation)), ("call", .integer(call)),
        ]
        try self.send(address + header, payload)
        while !self.isShuttingDown, let frame = try self.nextFrame() {
            let header = try Self.header(of: frame)
            guard header["kind"]?.string == "result" else {
                self.take(header, frame.payload)
                continue
            }
            if header["operation"]?.integer == operation { return try Self.result(header, frame.payload) }
        }
        throw WorkerFailure("the host ended before it answered")
    }

    func send(_ header: [(String, JSONText)], _ payload: [UInt8] = []) throws(WorkerFailure) {
        let text = Array(JSONText.object(header).text.utf8)
        let frame = FrameDecoder.encode(header: text, payload: payload)
        guard frame.count - 4 <= FrameDecoder.frameBytesMax, text.count <= FrameDecoder.headerBytesMax else {
            throw WorkerFailure("\(payload.count) bytes with a header of \(text.count) fit no frame")
        }
        var written = 0
        while written < frame.count {
            let count = unsafe frame.withUnsafeBytes { bytes in
                unsafe write(self.output, bytes.baseAddress.map { unsafe $0 + written }, bytes.count - written)
            }
            guard count >= 0 || errno == EINTR else {
                throw WorkerFailure("the pipe to the host cannot be written: errno \(errno)")
            }
            written += max(0, count)
        }
    }

    // MARK: Calls

    private func nextCall() throws(WorkerFailure) -> WorkerCall? {
        while self.waiting.isEmpty {
            guard !self.isShuttingDown, let frame = try self.nextFrame() else { return nil }
            self.take(try Self.header(of: frame), frame.payload)
        }
        return self.waiting.removeFirst()
    }

    /// Kinds that are not known here are passed over, and so is a cancellation: the handler that it is for has the
    /// thread. The host ends a worker that does not answer in time.
    private func take(_ header: JSONText, _ payload: [UInt8]) {
        switch header["kind"]?.string {
        case "call": self.waiting.append(WorkerCall(header, payload))
        case "shutdown": self.isShuttingDown = true
        default: break
        }
    }

    private func answer(_ call: WorkerCall, _ outcome: Result<WorkerReply, any Error>) throws(WorkerFailure) {
        let number = JSONText.integer(call.number)
        switch outcome {
        case .success(let reply) where reply.payload.count > FrameDecoder.frameBytesMax - FrameDecoder.headerBytesMax:
            try self.fail(number, WorkerFailure("a reply of \(reply.payload.count) bytes fits no frame"))
        case .success(let reply):
            var header: [(String, JSONText)] = [("kind", .string("reply")), ("call", number)]
            if reply.payload.isEmpty { header.append(("status", .integer(204))) }
            if let type = reply.contentType { header.append(("contentType", .string(type))) }
            try self.send(header, reply.payload)
        case .failure(let error):
            try self.fail(number, error)
        }
    }

    private func fail(_ number: JSONText, _ error: any Error) throws(WorkerFailure) {
        try self.send([
            ("kind", .string("failure")), ("call", number), ("message", .string(String("\(error)".prefix(8_192)))),
            ("errorType", .string("\(type(of: error))")),
            ("permanent", .bool((error as? WorkerFailure)?.isPermanent ?? false)),
        ])
    }

    private static func result(_ header: JSONText, _ payload: [UInt8]) throws(WorkerFailure) -> WorkerReply {
        let status = header["status"]?.integer ?? 0
        guard let code = header["code"]?.string else {
            return WorkerReply(payload, contentType: header["contentType"]?.string)
        }
        throw WorkerFailure(header["message"]?.string ?? "the call failed", status: status, code: code)
    }

    // MARK: Frames

    private static func header(of frame: FrameDecoder.Frame) throws(WorkerFailure) -> JSONText {
        do throws(ContractError) {
            return try JSONText(parsing: String(decoding: frame.header, as: UTF8.self))
        } catch {
            throw WorkerFailure("the host sent a header that is no JSON: \(error)")
        }
    }

    /// `nil` at the end of the input.
    private func nextFrame() throws(WorkerFailure) -> FrameDecoder.Frame? {
        while true {
            do throws(FrameDecoder.Failure) {
                if let frame = try self.decoder.next() { return frame }
            } catch {
                throw WorkerFailure("the host sent what is no frame: \(error.message)")
            }
            let count = unsafe self.buffer.withUnsafeMutableBytes { bytes in
                unsafe read(self.input, bytes.baseAddress, bytes.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            unsafe self.buffer.withUnsafeBytes { bytes in
                unsafe self.decoder.append(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
            }
        }
    }
}

extension WorkerCall {
    fileprivate init(_ header: JSONText, _ payload: [UInt8]) {
        self.init(
            payload: payload, requestID: header["requestId"]?.string ?? "", context: header["context"]?.string,
            contentType: header["contentType"]?.string, caller: header["caller"]?.string,
            attempt: header["attempt"]?.integer ?? 1,
            timeout: .milliseconds(header["timeoutMs"]?.integer ?? 0), number: header["call"]?.integer ?? 0)
    }
}
