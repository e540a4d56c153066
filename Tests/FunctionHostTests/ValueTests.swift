import Foundation
import Testing

@testable import FunctionHost

@Suite("Names and quantities")
struct ValueTests {
    @Test(
        "A function is named by service/function or by its resource name",
        arguments: [
            "EdgeFC/hello", "service:EdgeFC:function:hello",
            "acs:fc:cn-shanghai:1234567890123456:service:EdgeFC:function:hello",
        ])
    func addresses(_ text: String) {
        #expect(FunctionAddress(text)?.description == "EdgeFC/hello")
    }

    @Test(
        "What is no name is refused",
        arguments: [
            "", "a", "a/", "/b", "a/b/c", "1a/b", "a/b c", "ä/b", "_a/b", "a/\(String(repeating: "b", count: 129))",
        ])
    func badAddresses(_ text: String) {
        #expect(FunctionAddress(text) == nil)
    }

    @Test(
        "Durations are read with their unit",
        arguments: [
            ("250ms", Duration.milliseconds(250)), ("5s", .seconds(5)), ("1.5s", .milliseconds(1_500)),
            ("2m", .seconds(120)), ("1h", .seconds(3_600)), ("5 s", .seconds(5)),
        ])
    func durations(_ text: String, _ duration: Duration) {
        #expect(Quantity.duration(text) == duration)
    }

    @Test("What is no duration is refused", arguments: ["", "5", "s", "5x", "-5s", "1..5s", "inf s", "1e9h", "９s"])
    func badDurations(_ text: String) {
        #expect(Quantity.duration(text) == nil)
    }

    @Test(
        "Sizes are read with decimal and binary units",
        arguments: [("512B", 512), ("64KiB", 65_536), ("256MB", 256_000_000), ("1GiB", 1 << 30), ("1.5kB", 1_500)])
    func sizes(_ text: String, _ bytes: Int) {
        #expect(Quantity.bytes(text) == bytes)
    }

    @Test("What is no size is refused", arguments: ["", "5", "MB", "5 potatoes", "-1MB", "9999999999GB"])
    func badSizes(_ text: String) {
        #expect(Quantity.bytes(text) == nil)
    }

    @Test(
        "The nearest name is what was probably meant",
        arguments: [("timeuot", "timeout"), ("handlr", "handler"), ("Service", "service"), ("trigger", "triggers")])
    func nearest(_ name: String, _ meant: String) {
        #expect(NearestName.of(name, in: ["service", "handler", "timeout", "triggers"]) == meant)
    }

    @Test("Nothing is suggested where nothing is near")
    func farAway() {
        #expect(NearestName.of("colour", in: ["service", "handler"]) == nil)
    }

    @Test(
        "Two filters overlap when some topic matches both [MQTT-4.7.1-2]",
        arguments: [
            ("a/b", "a/b", true), ("a/+", "a/b", true), ("a/#", "a", true), ("a/#", "a/b/c", true), ("#", "+", true),
            ("a/+", "+/b", true), ("+/+", "a/#", true), ("a/+/c", "a/b/+", true), ("a", "a/b", false),
            ("a/+", "a/b/c", false), ("a/b/#", "a/c/#", false), ("a/+/#", "a", false), ("a/", "a/+", true),
        ])
    func overlap(_ left: String, _ right: String, _ isOverlap: Bool) {
        #expect(TriggerFilter.overlap(left, right) == isOverlap)
        #expect(TriggerFilter.overlap(right, left) == isOverlap)
    }

    @Test("The Python part is looked for beside the executable, or only where the variable says")
    func places() {
        #expect(
            PythonRuntime.places([:], executable: "/usr/local/bin/fcbus") == [
                "/usr/local/share/fcbus/python", "/usr/local/bin/fcbus_FunctionHost.resources/Python",
            ])
        #expect(PythonRuntime.places(["FCBUS_PYTHON_DIR": "/x"], executable: "/usr/bin/fcbus") == ["/x"])
    }

    @Test("The Python part is found in the resource bundle beside the executable")
    func located() throws {
        let runtime = try PythonRuntime.locate()
        #expect(FileManager.default.fileExists(atPath: "\(runtime.folder)/lecoresdk/client.py"))
    }
}
