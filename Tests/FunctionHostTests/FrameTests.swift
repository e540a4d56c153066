import Testing

@testable import FunctionHost
@testable import FunctionWorker

@Suite("Frames")
struct FrameTests {
    private static func append(_ bytes: [UInt8], to decoder: inout FrameDecoder) {
        decoder.append(bytes.span.bytes)
    }

    private static let stream =
        FrameDecoder.encode(header: Array(#"{"kind":"ready"}"#.utf8), payload: [])
        + FrameDecoder.encode(header: Array(#"{"kind":"reply","call":7}"#.utf8), payload: [0, 255, 10])

    @Test("The same frames come out however the stream is cut", arguments: 1...stream.count)
    func cuts(_ size: Int) throws {
        var decoder = FrameDecoder()
        var frames: [WorkerFrame] = []
        for start in stride(from: 0, to: Self.stream.count, by: size) {
            Self.append(Array(Self.stream[start..<min(start + size, Self.stream.count)]), to: &decoder)
            while let frame = try decoder.next() { frames.append(try WorkerFrame(frame)) }
        }
        #expect(frames == [.ready(language: nil), .reply(call: 7, HostedReply(payload: [0, 255, 10]))])
    }

    @Test(
        "A length beyond the limits is refused before anything is allocated for it",
        arguments: [
            ([0xFF, 0xFF, 0xFF, 0xFF], FrameDecoder.Failure.frameTooLong(bytes: 0xFFFF_FFFF, limit: 17 << 20)),
            ([0, 0, 0, 3], .headerTooLong(bytes: 4, limit: 3)),
            ([0, 0, 0, 8, 0, 0, 0, 5], .headerTooLong(bytes: 5, limit: 256 << 10)),
            ([1, 0, 0, 0, 0, 4, 0, 1], .headerTooLong(bytes: (256 << 10) + 1, limit: 256 << 10)),
        ] as [([UInt8], FrameDecoder.Failure)])
    func lengths(_ bytes: [UInt8], _ failure: FrameDecoder.Failure) {
        var decoder = FrameDecoder()
        Self.append(bytes, to: &decoder)
        #expect(throws: failure) { try decoder.next() }
    }

    @Test(
        "A header that makes no sense is refused",
        arguments: [
            "", "[]", "{}", "{\"kind\":1}", "{\"kind\":\"reply\"}", "{\"kind\":\"nonsense\"}", "{\"kind\":\"invoke\"}",
            "{\"kind\":\"publish\",\"operation\":1}", "{\"kind\":\"reply\",\"call\":-1}", "Traceback (most recent",
        ])
    func headers(_ header: String) {
        let frame = FrameDecoder.Frame(header: Array(header.utf8), payload: [])
        #expect(throws: FrameError.self) { try WorkerFrame(frame) }
    }

    @Test("A nested call and a message are read with all they carry")
    func operations() throws {
        let invoke = """
            {"kind":"invoke","operation":3,"call":9,"service":"S","function":"f","type":"Async","context":"{}",
            "timeoutMs":50}
            """
        let invocation = WorkerOperation.Invocation(
            service: "S", function: "f", isAsync: true, context: "{}", timeout: .milliseconds(50), payload: [1])
        let frame = try WorkerFrame(FrameDecoder.Frame(header: Array(invoke.utf8), payload: [1]))
        #expect(frame == .operation(WorkerOperation(identifier: 3, call: 9, action: .invoke(invocation))))

        let publish = #"{"kind":"publish","operation":4,"topic":"a/b","qos":1,"retain":true}"#
        let message = OutgoingMessage(topic: "a/b", payload: [2], qos: 1, retain: true)
        let other = try WorkerFrame(FrameDecoder.Frame(header: Array(publish.utf8), payload: [2]))
        #expect(other == .operation(WorkerOperation(identifier: 4, call: nil, action: .publish(message))))
    }

    @Test(
        "A handler cannot pose as the platform: of its statuses only 400 and 415 are taken", arguments: [404, 200, 503])
    func statuses(_ status: Int) throws {
        let header = "{\"kind\":\"failure\",\"call\":1,\"message\":\"m\",\"status\":\(status)}"
        let frame = try WorkerFrame(FrameDecoder.Frame(header: Array(header.utf8), payload: []))
        #expect(frame == .failure(call: 1, .handlerError("m", errorType: nil, stackTrace: [])))
    }
}
