import Glibc
import Testing

@testable import FunctionWorker

/// A worker between two pipes: all the host says is there before it starts, all it answers is read when it is done.
@Suite("Functions in Swift")
struct WorkerConnectionTests {
    struct Answer: Equatable {
        var header: String
        var payload: String
    }

    private static func frame(_ header: String, _ payload: String = "") -> [UInt8] {
        FrameDecoder.encode(header: Array(header.utf8), payload: Array(payload.utf8))
    }

    private static func pipe() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [0, 0]
        try #require(Glibc.pipe(&ends) == 0)
        return (ends[0], ends[1])
    }

    /// - Throws: also when the worker leaves with a failure.
    private static func converse(
        _ frames: [[UInt8]], _ handler: (WorkerCall, WorkerBus) throws -> WorkerReply
    ) throws -> [Answer] {
        let (toWorker, toHost) = (try Self.pipe(), try Self.pipe())
        let bytes = Array(frames.joined())
        try #require(write(toWorker.write, bytes, bytes.count) == bytes.count)
        close(toWorker.write)
        defer { for end in [toWorker.read, toHost.read] { close(end) } }
        do {
            defer { close(toHost.write) }
            try WorkerConnection(input: toWorker.read, output: toHost.write).serve(handler)
        }
        var decoder = FrameDecoder()
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var answers: [Answer] = []
        while true {
            let count = read(toHost.read, &buffer, buffer.count)
            guard count > 0 else { return answers }
            decoder.append(buffer.span.extracting(0..<count).bytes)
            while let frame = try decoder.next() {
                answers.append(
                    Answer(
                        header: String(decoding: frame.header, as: UTF8.self),
                        payload: String(decoding: frame.payload, as: UTF8.self)))
            }
        }
    }

    private static let call = #"{"kind":"call","call":7,"requestId":"r1","timeoutMs":1500,"attempt":2}"#
    private static let ready = Answer(header: #"{"kind":"ready","language":"swift"}"#, payload: "")

    @Test("It says that it is ready, answers calls in their order, and leaves at the end of its input")
    func echo() throws {
        let answers = try Self.converse([
            Self.frame(Self.call, "abc"), Self.frame(#"{"kind":"call","call":8,"caller":"S/f","context":"{}"}"#),
        ]) { call, _ in
            #expect(call.caller == (call.number == 8 ? "S/f" : nil))
            if call.number == 7 { #expect((call.requestID, call.attempt, call.timeout) == ("r1", 2, .seconds(1.5))) }
            return call.payload.isEmpty ? .none : WorkerReply(call.text.uppercased(), contentType: "text/plain")
        }
        #expect(
            answers == [
                Self.ready, Answer(header: #"{"kind":"reply","call":7,"contentType":"text/plain"}"#, payload: "ABC"),
                Answer(header: #"{"kind":"reply","call":8,"status":204}"#, payload: ""),
            ])
    }

    @Test("What the handler throws is the failure of that call alone")
    func failure() throws {
        let answers = try Self.converse([Self.frame(Self.call, "x"), Self.frame(Self.call, "y")]) { call, _ in
            guard call.text == "y" else { throw WorkerFailure("it was an x", isPermanent: true) }
            return WorkerReply("fine")
        }
        #expect(answers.count == 3)
        #expect(
            answers[1].header
                == #"{"kind":"failure","call":7,"message":"it was an x","errorType":"WorkerFailure","permanent":true}"#)
        #expect(answers[2].payload == "fine")
    }

    @Test("A nested call waits for its result; a call that comes meanwhile is answered afterwards")
    func nested() throws {
        let answers = try Self.converse([
            Self.frame(Self.call, "ask"), Self.frame(#"{"kind":"call","call":8}"#, "next"),
            Self.frame(#"{"kind":"cancel","call":8}"#), Self.frame(#"{"kind":"unheard-of"}"#),
            Self.frame(#"{"kind":"result","operation":99,"status":200}"#, "another one's"),
            Self.frame(#"{"kind":"result","operation":1,"status":200,"contentType":"text/plain"}"#, "told"),
        ]) { call, bus in
            guard call.text == "ask" else { return WorkerReply("then") }
            let reply = try bus.call("S/other", "question", context: "{}", timeout: .milliseconds(250))
            #expect(reply.contentType == "text/plain")
            return reply
        }
        #expect(answers.map(\.payload) == ["", "question", "told", "then"])
        #expect(
            answers[1].header
                == #"{"kind":"invoke","operation":1,"call":7,"service":"S","function":"other","type":"Sync","context":"{}","timeoutMs":250}"#
        )
    }

    @Test("A nested call that fails throws its status and code, which the caller then reads in the message")
    func nestedFailure() throws {
        let result = #"{"kind":"result","operation":1,"status":404,"code":"NO_FUNCTION","message":"nobody"}"#
        let answers = try Self.converse([Self.frame(Self.call), Self.frame(result)]) { _, bus in
            try bus.call("S/none")
        }
        #expect(answers.last?.header.contains(#""message":"NO_FUNCTION (404): nobody""#) == true)
    }

    @Test("Messages, one-way calls and log lines say what they are")
    func others() throws {
        let results = (1...2).map { Self.frame(#"{"kind":"result","operation":\#($0),"status":200}"#) }
        let answers = try Self.converse([Self.frame(Self.call)] + results) { _, bus in
            try bus.publish("a/b", "on", qos: 1, retain: true)
            try bus.send("S/f", [1])
            try bus.log(.warning, "told")
            return .none
        }
        #expect(
            answers.map(\.header).dropFirst().dropLast() == [
                #"{"kind":"publish","operation":1,"call":7,"topic":"a/b","qos":1,"retain":true}"#,
                #"{"kind":"invoke","operation":2,"call":7,"service":"S","function":"f","type":"Async"}"#,
                #"{"kind":"log","level":"warning","message":"told","call":7}"#,
            ])
    }

    @Test("A name that is none is told to the handler, without a word to the host")
    func badName() throws {
        let answers = try Self.converse([Self.frame(Self.call)]) { _, bus in try bus.call("no-function") }
        #expect(answers.count == 2)
        #expect(answers.last?.header.contains("write service/function") == true)
    }

    @Test("Nothing more comes after a shutdown, and what waited for a result learns that there will be none")
    func shutdown() throws {
        let stop = Self.frame(#"{"kind":"shutdown"}"#)
        #expect(try Self.converse([stop, Self.frame(Self.call)]) { _, _ in .none } == [Self.ready])
        let answers = try Self.converse([Self.frame(Self.call), stop]) { _, bus in try bus.call("S/f") }
        #expect(answers.last?.header.contains("the host ended before it answered") == true)
    }

    @Test("What is no frame, or no header, ends the worker with the reason")
    func garbage() throws {
        #expect(throws: WorkerFailure.self) {
            try Self.converse([Array("Hello, I am no frame.".utf8)]) { _, _ in .none }
        }
        #expect(throws: WorkerFailure.self) { try Self.converse([Self.frame("{")]) { _, _ in .none } }
    }

    @Test("A reply that fits no frame is a failure of its call, and so is a message of any length")
    func tooLong() throws {
        let answers = try Self.converse([Self.frame(Self.call, "bytes"), Self.frame(Self.call, "words")]) { call, _ in
            guard call.text == "bytes" else { throw WorkerFailure(String(repeating: "x", count: 1 << 20)) }
            return WorkerReply([UInt8](repeating: 0, count: 17 << 20))
        }
        #expect(answers.count == 3)
        #expect(answers[1].header.contains("fits no frame"))
        #expect(answers[2].header.count < 10_000)
    }
}
