import BusContract
import Testing

@Suite("Failure")
struct FailureTests {
    /// A row of the status table: what a failure says everywhere.
    struct Row: Sendable, CustomTestStringConvertible {
        let failure: Failure
        let status: Int
        let code: String
        let grpc: String
        let publishReasonCode: UInt8
        let executed: Executed

        init(_ failure: Failure, _ status: Int, _ code: String, _ grpc: String, _ publish: UInt8, _ executed: Executed)
        {
            self.failure = failure
            self.status = status
            self.code = code
            self.grpc = grpc
            self.publishReasonCode = publish
            self.executed = executed
        }

        var testDescription: String { "\(self.status) \(self.code) \(self.executed)" }
    }

    static func table() throws -> [Row] {
        let echo = try FunctionName(parsing: "demo/echo")
        return [
            Row(
                .invalidRequest("the reply address is missing"), 400, "INVALID_REQUEST", "INVALID_ARGUMENT", 0x00, .none
            ),
            Row(.notAuthorized("you may not call demo/echo"), 403, "NOT_AUTHORIZED", "PERMISSION_DENIED", 0x87, .none),
            Row(.noFunction(echo), 404, "NO_FUNCTION", "UNIMPLEMENTED", 0x10, .none),
            Row(.deadline(echo, executed: .none), 408, "DEADLINE", "DEADLINE_EXCEEDED", 0x00, .none),
            Row(.deadline(echo, executed: .maybe), 408, "DEADLINE", "DEADLINE_EXCEEDED", 0x00, .maybe),
            Row(.executionTimeout(echo, milliseconds: 5000), 408, "DEADLINE", "DEADLINE_EXCEEDED", 0x00, .maybe),
            Row(.duplicateMismatch(echo), 409, "DUPLICATE_MISMATCH", "ALREADY_EXISTS", 0x00, .none),
            Row(
                .requestTooLarge(echo, bytes: 9, limit: 8), 413, "REQUEST_TOO_LARGE", "RESOURCE_EXHAUSTED", 0x97,
                .none),
            Row(.replyTooLarge(bytes: 9, limit: 8), 413, "REPLY_TOO_LARGE", "RESOURCE_EXHAUSTED", 0x00, .yes),
            Row(
                .wrongContentType(echo, "text/html", accepted: ["a/b"]), 415, "CONTENT_TYPE", "INVALID_ARGUMENT", 0x00,
                .none
            ),
            Row(.overloaded(echo, retryAfterMilliseconds: 20), 429, "OVERLOADED", "RESOURCE_EXHAUSTED", 0x97, .none),
            Row(.tooManyCalls(limit: 1024), 429, "OVERLOADED", "RESOURCE_EXHAUSTED", 0x97, .none),
            Row(.cancelled(echo, executed: .none), 499, "CANCELLED", "CANCELLED", 0x00, .none),
            Row(.cancelled(echo, executed: .maybe), 499, "CANCELLED", "CANCELLED", 0x00, .maybe),
            Row(.handlerError("it raised a ValueError: x"), 500, "HANDLER_ERROR", "UNKNOWN", 0x00, .yes),
            Row(.internal("the worker broke off its answer", origin: .host), 500, "INTERNAL", "INTERNAL", 0x80, .maybe),
            Row(.instanceLost(echo), 502, "INSTANCE_LOST", "UNAVAILABLE", 0x00, .maybe),
            Row(.noInstance(echo), 503, "NO_INSTANCE", "UNAVAILABLE", 0x10, .none),
            Row(.draining(echo), 503, "DRAINING", "UNAVAILABLE", 0x00, .none),
            Row(.version("2.0"), 505, "VERSION", "UNIMPLEMENTED", 0x00, .none),
            Row(.storeFull(limit: 7), 507, "STORE_FULL", "RESOURCE_EXHAUSTED", 0x97, .none),
            Row(.loop(echo), 508, "LOOP", "FAILED_PRECONDITION", 0x00, .none),
        ]
    }

    @Test("Every row of the status table has its codes and a sentence", arguments: try table())
    func rows(_ row: Row) {
        #expect(row.failure.status.rawValue == row.status)
        #expect(row.failure.code.rawValue == row.code)
        #expect(row.failure.grpcStatus == row.grpc)
        #expect(row.failure.publishReasonCode == row.publishReasonCode)
        #expect(row.failure.executed == row.executed)
        #expect(row.failure.message.split(separator: " ").count >= 5)
        #expect(!row.failure.status.isSuccess)
    }

    @Test("PUBACK codes stay inside those that libmosquitto takes", arguments: try table())
    func publishReasonCodes(_ row: Row) {
        #expect([0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99].contains(row.failure.publishReasonCode))
    }

    @Test("What no handler saw and may pass is retriable; what may have run only for an idempotent function")
    func retriable() throws {
        let rows = try Self.table()
        let always = rows.filter(\.failure.isRetriable).map(\.testDescription)
        #expect(
            always == [
                "404 NO_FUNCTION none", "408 DEADLINE none", "429 OVERLOADED none", "429 OVERLOADED none",
                "503 NO_INSTANCE none", "503 DRAINING none", "507 STORE_FULL none",
            ])
        let idempotent = rows.filter { $0.failure.isRetriable(isIdempotent: true) && !$0.failure.isRetriable }
        #expect(
            idempotent.map(\.testDescription) == [
                "408 DEADLINE maybe", "408 DEADLINE maybe", "500 INTERNAL maybe", "502 INSTANCE_LOST maybe",
            ])
    }

    @Test("A failure that its handler calls permanent is not retriable")
    func permanent() throws {
        var failure = Failure.instanceLost(try FunctionName(parsing: "demo/echo"))
        failure.isPermanent = true
        #expect(!failure.isRetriable(isIdempotent: true))
        #expect(failure.userProperties.contains { $0.name == "fc-retry" && $0.value == "no" })
    }

    @Test("The payload is the JSON of the protocol")
    func payload() throws {
        var failure = Failure(.unavailable, .noInstance, executed: .none, "say \"it\"\n\u{1}\\é")
        failure.retryAfterMilliseconds = 200
        failure.stackTrace = ["a", "b"]
        #expect(
            failure.payload == #"{"status":503,"code":"NO_INSTANCE","Message":"say \"it\"\n\u0001\\é","#
                + #""StackTrace":["a","b"],"executed":"none","retryAfterMs":200}"#)
    }

    @Test("The reply's properties say the same as its payload")
    func properties() throws {
        let failure = Failure.overloaded(try FunctionName(parsing: "demo/echo"), retryAfterMilliseconds: 20)
        #expect(
            failure.userProperties.map { "\($0.name)=\($0.value)" } == [
                "__stat=429", "__stMsg=\(failure.message)", "fc-code=OVERLOADED", "fc-exec=none", "fc-by=broker",
                "fc-retry-after-ms=20",
            ])
    }

    @Test("A handler's error is marked as the application's")
    func handlerError() {
        let failure = Failure.handlerError("no such sensor", stackTrace: ["index.py:3"])
        let properties = failure.userProperties.map { "\($0.name)=\($0.value)" }
        #expect(properties.contains("__apErr=true"))
        #expect(properties.contains("fc-by=handler"))
        #expect(failure.payload.contains(#""StackTrace":["index.py:3"]"#))
    }

    @Test(
        "A timeout names the property to blame with an ISO 8601 duration",
        arguments: [
            (UInt64(5000), "PT5S"), (250, "PT0.25S"), (1001, "PT1.001S"), (0, "PT0S"), (60_500, "PT60.5S"),
            (5, "PT0.005S"),
        ])
    func blamed(_ milliseconds: UInt64, _ duration: String) throws {
        let echo = try FunctionName(parsing: "demo/echo")
        let own = Failure.executionTimeout(echo, milliseconds: milliseconds)
        #expect(own.blamed?.name == "ExecutionTimeout")
        #expect(own.userProperties.contains { $0.name == "__propVal" && $0.value == duration })
        let callers = Failure.deadline(echo, executed: .none, milliseconds: milliseconds)
        #expect(callers.userProperties.contains { $0.name == "__propName" && $0.value == "MessageExpiry" })
        #expect(callers.userProperties.contains { $0.name == "__propVal" && $0.value == duration })
    }

    @Test("A deadline of unknown length blames the expiry without a value")
    func unknownDeadline() throws {
        let failure = Failure.deadline(try FunctionName(parsing: "demo/echo"), executed: .none)
        #expect(failure.userProperties.contains { $0.name == "__propName" })
        #expect(!failure.userProperties.contains { $0.name == "__propVal" })
    }

    @Test(
        "Properties that only the broker may set are known",
        arguments: ["fc-caller", "fc-caller-id", "fc-attempt", "fc-task"])
    func reserved(_ name: String) {
        #expect(PropertyName.isReserved(name))
        #expect(!PropertyName.isReserved(name + "x"))
        #expect(!PropertyName.isReserved(String(name.dropFirst())))
    }
}
