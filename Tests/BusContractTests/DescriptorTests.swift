import BusContract
import Testing

@Suite("Descriptors")
struct DescriptorTests {
    @Test("A full function descriptor is read as it was written")
    func function() throws {
        var descriptor = FunctionDescriptor()
        descriptor.version = "1.2"
        descriptor.description = "says \"hello\""
        descriptor.timeoutMilliseconds = 5000
        descriptor.isIdempotent = true
        descriptor.concurrency = 4
        descriptor.queueMax = 0
        descriptor.retry = FunctionDescriptor.Retry(attemptsMax: 5, backoff: "base=1000")
        descriptor.requestBytesMax = 65_536
        descriptor.contentTypes = ["application/json", "text/plain"]
        descriptor.activation = .onDemand
        #expect(try FunctionDescriptor(parsing: descriptor.text) == descriptor)
    }

    @Test("Everything in a function descriptor has a default, and unknown members are skipped")
    func functionDefaults() throws {
        #expect(try FunctionDescriptor(parsing: "{}") == FunctionDescriptor())
        #expect(try FunctionDescriptor(parsing: #"{"new":[1],"version":null}"#) == FunctionDescriptor())
        #expect(try FunctionDescriptor(parsing: FunctionDescriptor().text) == FunctionDescriptor())
    }

    @Test(
        "A member of a wrong type or range is refused by its name",
        arguments: [
            (#"{"timeoutMs":0}"#, "timeoutMs"), (#"{"timeoutMs":"5s"}"#, "timeoutMs"),
            (#"{"timeoutMs":-1}"#, "timeoutMs"),
            (#"{"idempotent":1}"#, "idempotent"), (#"{"concurrency":0}"#, "concurrency"),
            (#"{"maxQueue":-1}"#, "maxQueue"),
            (#"{"retry":3}"#, "retry"), (#"{"retry":{"maxAttempts":0}}"#, "maxAttempts"),
            (#"{"contentTypes":"a/b"}"#, "contentTypes"), (#"{"contentTypes":[1]}"#, "contentTypes"),
            (#"{"activation":"never"}"#, "activation"), (#"{"version":2}"#, "version"),
            (#"{"maxRequest":1.5}"#, "maxRequest"),
            ("[]", "object"), ("", "JSON"),
        ])
    func functionErrors(_ text: String, _ word: String) {
        do {
            _ = try FunctionDescriptor(parsing: text)
            Issue.record("not refused")
        } catch {
            #expect(error.description.contains(word))
        }
    }

    @Test("A full instance descriptor is read as it was written")
    func instance() throws {
        var descriptor = InstanceDescriptor()
        descriptor.status = .draining
        descriptor.functions = ["demo/echo", "demo/other"]
        descriptor.capacity = 16
        descriptor.host = "gateway-7"
        descriptor.processIdentifier = 4711
        descriptor.startedSeconds = 1_700_000_000
        descriptor.language = "swift"
        descriptor.sdk = "fcbus 1.0"
        #expect(try InstanceDescriptor(parsing: descriptor.text) == descriptor)
        #expect(try InstanceDescriptor(parsing: "{}") == InstanceDescriptor())
    }

    @Test(
        "A wrong instance descriptor is refused by the member's name",
        arguments: [
            (#"{"status":"sleeping"}"#, "status"), (#"{"functions":[{}]}"#, "functions"),
            (#"{"capacity":-1}"#, "capacity"),
            (#"{"pid":"1"}"#, "pid"), ("null", "object"),
        ])
    func instanceErrors(_ text: String, _ word: String) {
        do {
            _ = try InstanceDescriptor(parsing: text)
            Issue.record("not refused")
        } catch {
            #expect(error.description.contains(word))
        }
    }
}
