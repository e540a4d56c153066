import Foundation
import Testing

@testable import FunctionHost

@Suite("Calls that come back", .timeLimit(.minutes(5)))
struct CallLoopTests {
    private static func ring(_ folder: FunctionFolder, workers: Int) throws {
        for (name, next) in [("a", "b"), ("b", "c"), ("c", "a")] {
            try folder.python(
                name,
                """
                import json, lecoresdk
                def handler(event, context):
                    answer = lecoresdk.Client().invoke_function({"functionId": "T/\(next)", "timeout": 60})
                    return answer["payload"] if not answer["functionError"] else "%d %s" % (
                        answer["statusCode"], json.loads(answer["payload"])["Message"])
                """, "timeout: 60s\nworkers: { max: \(workers) }")
        }
    }

    @Test("A -> B -> C -> A ends with 508 and the way it went, not with the deadline", arguments: [1, 3])
    func ring(_ workers: Int) async throws {
        let folder = try FunctionFolder()
        try Self.ring(folder, workers: workers)
        try await TestHost.with(folder) { host in
            let before = ContinuousClock.now
            let reply = try await host.bus.invoke("T/a", within: .seconds(60)).get()
            let text = String(decoding: reply.payload, as: UTF8.self)
            #expect(text.hasPrefix("508 The call came back to T/a, whose \(workers) slots are all held by calls"))
            #expect(text.hasSuffix("T/a -> T/b -> T/c -> T/a."))
            #expect(ContinuousClock.now - before < .seconds(50))
            #expect(await host.log.wait(for: "508 LOOP"))
        }
    }

    @Test("Two rings that have taken each other's workers are both ended")
    func twoRings() async throws {
        let folder = try FunctionFolder()
        try Self.ring(folder, workers: 2)
        try await TestHost.with(folder) { host in
            let before = ContinuousClock.now
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<3 {
                    group.addTask {
                        let address = FunctionAddress("T/a")
                        var request = HostedCall(payload: [], requestIdentifier: "outer\(number)")
                        request.remaining = .seconds(60)
                        guard let address else { return }
                        let result = await host.bus.run(request, at: address)
                        let text = (try? result.get().payload).map { String(decoding: $0, as: UTF8.self) }
                        #expect(text?.hasPrefix("508 ") == true, "\(result)")
                    }
                }
            }
            #expect(ContinuousClock.now - before < .seconds(50))
        }
    }

    @Test("A nested call has what is left of the deadline of the call around it")
    func deadline() async throws {
        let folder = try FunctionFolder()
        try folder.python(
            "outer",
            """
            import lecoresdk, time
            def handler(event, context):
                time.sleep(0.2)
                answer = lecoresdk.Client().invoke_function({"functionId": "T/inner", "timeout": 60})
                return "%d %s" % (context.remaining_ms(), answer["payload"])
            """, "timeout: 30s")
        try folder.python(
            "inner", "def handler(event, context): return str(context.getRemainingTimeInMillis())", "timeout: 30s")
        try await TestHost.with(folder) { host in
            let reply = try await host.bus.invoke("T/outer", within: .seconds(10)).get()
            let left = String(decoding: reply.payload, as: UTF8.self).split(separator: " ").compactMap { Int($0) }
            #expect(left.count == 2)
            #expect(left.allSatisfy { $0 > 0 && $0 <= 9_800 })
        }
    }

    @Test("The chain of calls survives its way over the bus")
    func chain() throws {
        let (first, second) = (try #require(FunctionAddress("S/f")), try #require(FunctionAddress("S/g")))
        let chain = CallChain().appending(first, call: "1a").appending(second, call: "2b")
        #expect(chain.text == "S/f#1a S/g#2b")
        #expect(CallChain(text: chain.text) == chain)
        #expect(chain.path == "S/f -> S/g")
    }

    @Test(
        "Whatever a client sends as a chain is harmless",
        arguments: ["", "x", "S/f", "S/f#", "#1", "S/f#1#2", "S/f/g#1", String(repeating: "S/f#1 ", count: 5_000)])
    func foreignChain(_ text: String) {
        #expect(CallChain(text: text).links.isEmpty)
    }

    @Test("A chain keeps the innermost calls, as many as can be nested")
    func longChain() throws {
        let function = try #require(FunctionAddress("S/f"))
        let chain = (0..<40).reduce(CallChain()) { $0.appending(function, call: "\($1)") }
        #expect(chain.links.count == CallFailure.hopsMax + 1)
        #expect(chain.links.last?.call == "39")
    }
}
