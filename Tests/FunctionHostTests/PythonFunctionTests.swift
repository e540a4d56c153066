import Foundation
import Testing

@testable import FunctionHost

@Suite("Python functions", .timeLimit(.minutes(5)))
struct PythonFunctionTests {
    @Test("The example functions answer, and the log tells that one called the other")
    func samples() async throws {
        try await TestHost.with(TestHost.examples) { host in
            try await host.expect("EdgeFC/helloworld", "hi", answers: "hello world")
            try await host.expect("EdgeFC/invoker", answers: "OK")
            #expect(host.log.all.contains { $0.contains("EdgeFC/invoker called EdgeFC/helloworld: 200 in") })
            try await host.expect("EdgeFC/greeter", "Ada", answers: "hello world, Ada! (status 200)")
            #expect(host.bus.calls.first?.context == #"{"custom":{"data":"customData"}}"#)
            #expect(host.bus.calls.first?.payload == Array("String message from Python Invoker.".utf8))
        }
    }

    @Test(
        "The functions of the original documentation are here byte for byte",
        arguments: [("helloworld", Self.helloworld), ("invoker", Self.invoker)])
    func byteForByte(_ name: String, _ text: String) throws {
        #expect(try String(contentsOfFile: "\(TestHost.examples)/\(name)/index.py", encoding: .utf8) == text)
    }

    private static let helloworld = """
        # -*- coding: utf-8 -*-
        import logging
        import lecoresdk
        def handler(event, context):
          return 'hello world'

        """

    /// In the documentation the closing brace of the parameters is missing.
    private static let invoker = """
        # -*- coding: utf-8 -*-
        import lecoresdk
        edgefc = lecoresdk.Client()
        def handler(event, context):
          context = {"custom": {"data": "customData"}}
          invokeParams = {
            "serviceName": 'EdgeFC',
            "functionName": 'helloworld',
            "invocationType": 'Sync',
            "invokerContext": context,
            "payload": 'String message from Python Invoker.'
          }
          res = edgefc.invoke_function(invokeParams)
          return 'OK'

        """

    @Test("The context of the caller arrives as a dict, in whatever form it was sent")
    func contextForms() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "context",
            """
            import json
            def handler(event, context):
                assert context["invokerContext"] == context.invokerContext
                assert isinstance(context.invokerContext, dict)
                custom = context.invokerContext.custom
                assert context.request_id == context.requestId and context.invoker_context == context["invokerContext"]
                assert context.custom == custom and 0 < context.remaining_ms() <= context.timeoutMs
                json.dumps(context)
                return {"data": custom.data, "id": context.requestId, "caller": context["caller"]}
            """)
        try await TestHost.with(folder) { host in
            let json = #"{"custom":{"data":"ö"}}"#
            let once = Data(json.utf8).base64EncodedString()
            let twice = Data(once.utf8).base64EncodedString()
            for form in [json, once, twice] {
                try await host.expect(
                    "T/context", context: form, answers: #"{"data": "ö", "id": "r1", "caller": "tester"}"#)
            }
        }
    }

    @Test("invoke_function takes a dict, JSON text or base64 as context, and sends JSON text")
    func invokerContext() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "caller",
            """
            import base64, json, lecoresdk
            def handler(event, context):
                value = {"custom": {"n": 1}}
                text = json.dumps(value)
                once = base64.b64encode(text.encode()).decode()
                for form in (value, text, once, base64.b64encode(once.encode()).decode()):
                    lecoresdk.Client().invoke_function(
                        {"serviceName": "T", "functionName": "any", "invokerContext": form})
                lecoresdk.Client().invoke_function({"functionId": "T/any", "invokerContext": "test"})
                lecoresdk.Client().invoke_function({"functionId": "acs:fc:::service:T:function:any"})
            """)
        let bus = FakeBus()
        try bus.answer("T/any") { _ in HostedReply() }
        try await TestHost.with(folder, bus: bus) { host in
            try await host.expect("T/caller", answers: "")
            let json = #"{"custom":{"n":1}}"#
            #expect(host.bus.calls.map(\.context) == [json, json, json, json, #""test""#, nil])
        }
    }

    @Test("What a handler returns becomes the reply: nothing, text, bytes, or JSON")
    func results() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "echo",
            """
            def handler(event, context):
                results = {b"none": None, b"text": "grüße", b"bytes": b"\\xff\\x00", b"json": {"a": [1, "ü"]}}
                return results.get(event, event)
            """)
        try await TestHost.with(folder) { host in
            let none = try await host.bus.invoke("T/echo", Array("none".utf8)).get()
            #expect(none == HostedReply(status: 204))
            let text = try await host.bus.invoke("T/echo", Array("text".utf8)).get()
            #expect(text == HostedReply(payload: Array("grüße".utf8), contentType: "text/plain"))
            let bytes = try await host.bus.invoke("T/echo", Array("bytes".utf8)).get()
            #expect(bytes == HostedReply(payload: [0xFF, 0]))
            let json = try await host.bus.invoke("T/echo", Array("json".utf8)).get()
            #expect(json == HostedReply(payload: Array(#"{"a": [1, "ü"]}"#.utf8), contentType: "application/json"))
            let raw = try await host.bus.invoke("T/echo", [0, 1, 2, 0xFE, 0xFF]).get()
            #expect(raw.payload == [0, 1, 2, 0xFE, 0xFF])
        }
    }

    @Test("A payload of eight megabytes goes in and out unchanged")
    func largePayload() async throws {
        let folder = try FunctionFolder()
        try folder.python("echo", "def handler(event, context): return event")
        try await TestHost.with(folder) { host in
            let payload = (0..<8 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let reply = try await host.bus.invoke("T/echo", payload).get()
            #expect(reply.payload == payload)
        }
    }

    @Test("A reply that fits no frame is a failure with the reason, and the worker goes on")
    func oversizedReply() async throws {
        let folder = try FunctionFolder()
        try folder.python("big", "def handler(event, context): return b'x' * (int(event) << 20)")
        try await TestHost.with(folder) { host in
            let failure = try await host.failure("T/big", "18")
            #expect(failure.errorType == "FrameTooLong")
            let reply = try await host.bus.invoke("T/big", Array("1".utf8)).get()
            #expect(reply.payload.count == 1 << 20)
        }
    }

    @Test("An exception is the function's own failure, with message, type and the function's part of the stack")
    func exception() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "broken",
            """
            def inner():
                raise KeyError("ärger")
            def handler(event, context):
                inner()
            """)
        try await TestHost.with(folder) { host in
            let failure = try await host.failure("T/broken")
            #expect(failure.status == 500)
            #expect(failure.code == "HANDLER_ERROR")
            #expect(failure.executed == .yes)
            #expect(failure.message == "'ärger'")
            #expect(failure.errorType == "KeyError")
            #expect(failure.stackTrace.count == 2)
            #expect(failure.stackTrace.last?.contains("in inner") == true)
        }
    }

    @Test("What a function prints becomes log lines of its call and never breaks a frame")
    func prints() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "chatty",
            """
            import os, subprocess, sys
            print("while loading")
            def handler(event, context):
                print("plain", "words")
                print("no newline", end="")
                sys.stderr.write("to stderr\\n")
                os.write(1, b"raw descriptor\\n")
                subprocess.run(["echo", "from a child"])
                assert sys.stdin.read() == ""
                return "done"
            """)
        try await TestHost.with(folder) { host in
            try await host.expect("T/chatty", answers: "done")
            let lines = ["while loading", "plain words", "no newline", "to stderr", "raw descriptor", "from a child"]
            for line in lines { #expect(await host.log.wait(for: line), "\(line)") }
            #expect(host.log.all.contains { $0.contains("plain words call=r1 function=T/chatty worker=1") })
        }
    }

    @Test("A flood of lines is bounded in the log and holds nothing up")
    func flood() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "flood",
            """
            import os
            def handler(event, context):
                for number in range(20000):
                    os.write(2, b"%d\\n" % number)
                    print(number)
                return "done"
            """, "timeout: 60s")
        try await TestHost.with(folder) { host in
            try await host.expect("T/flood", answers: "done")
            #expect(host.log.all.count < 20_000)
        }
    }

    @Test("Calls run at the same time in one worker, as many as its concurrency says")
    func concurrency() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "meeting",
            """
            import os, threading
            barrier = threading.Barrier(3, timeout=15)
            def handler(event, context):
                barrier.wait()
                return str(os.getpid())
            """, "concurrency: 3\nworkers: { max: 1 }\ntimeout: 20s")
        try await TestHost.with(folder) { host in
            async let first = host.text("T/meeting")
            async let second = host.text("T/meeting")
            async let third = host.text("T/meeting")
            let processes = try await Set([first, second, third])
            #expect(processes.count == 1)
        }
    }

    @Test("A worker has the function's folder and variables, and neither the host's secrets nor its descriptors")
    func surroundings() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "around",
            """
            import json, os, subprocess
            def handler(event, context):
                child = subprocess.run(["ls", "/proc/self/fd"], capture_output=True, close_fds=False, text=True)
                return {
                    "cwd": os.path.basename(os.getcwd()), "unit": os.environ["UNIT"],
                    "variables": sorted(os.environ), "own": len(os.listdir("/proc/self/fd")),
                    "inherited": len(child.stdout.split()),
                }
            """, "environment: { UNIT: celsius }")
        struct Answer: Decodable {
            var cwd: String
            var unit: String
            var variables: [String]
            var own: Int
            var inherited: Int
        }
        setenv("FCBUS_TEST_SECRET", "not for functions", 1)
        try await TestHost.with(folder) { host in
            let text = try await host.text("T/around")
            let answer = try JSONDecoder().decode(Answer.self, from: Data(text.utf8))
            #expect(answer.cwd == "around")
            #expect(answer.unit == "celsius")
            // A wrapper such as pyenv adds variables of its own, so only the secret is looked for.
            #expect(!answer.variables.contains("FCBUS_TEST_SECRET"))
            // stdin, stdout, stderr, the two pipes, and the listing itself; the child has its three and the listing.
            #expect(answer.own == 6)
            #expect(answer.inherited == 4)
        }
    }

    @Test("A function that has used up its files fails with its own words, and its worker goes on")
    func files() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "collector",
            """
            import os
            def handler(event, context):
                if event != b"all":
                    return event
                held = []
                try:
                    while True:
                        held.append(os.dup(0))
                except OSError:
                    raise ValueError("no file is left")
            """, "limits: { files: 64 }")
        try await TestHost.with(folder) { host in
            let failure = try await host.failure("T/collector", "all")
            #expect((failure.errorType, failure.message) == ("ValueError", "no file is left"))
            try await host.expect("T/collector", "next", answers: "next")
        }
    }

    @Test("A function that takes too much memory fails by itself, and its worker goes on")
    func memory() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "greedy", "def handler(event, context): return str(len(bytearray(int(event) << 20)))", "memory: 128MB")
        try await TestHost.with(folder) { host in
            let failure = try await host.failure("T/greedy", "400")
            #expect(failure.errorType == "MemoryError")
            try await host.expect("T/greedy", "1", answers: "1048576")
        }
    }
}
