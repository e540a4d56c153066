import Foundation
import FunctionBus
import Synchronization
import Testing

/// Values, reports of progress and repeated calls, against our broker and against Debian's mosquitto.
@Suite("FunctionBus with values", .enabled(if: RunningBroker.isAvailable), .timeLimit(.minutes(3)))
struct FunctionBusValueTests {
    struct Reading: Codable, Sendable, Equatable {
        var device: String
        var celsius: Double
    }

    private static func name(_ text: String) throws(BusError) -> FunctionName { try FunctionName(text) }

    private func failure<Value>(_ body: () async throws(BusError) -> Value) async -> BusError? {
        do throws(BusError) {
            let value = try await body()
            Issue.record("answered: \(value)")
            return nil
        } catch {
            return error
        }
    }

    @Test(
        "Values go there and back as JSON; what does not fit is told to whom it concerns",
        arguments: BrokerKind.allCases)
    func values(_ kind: BrokerKind) async throws {
        let convert = FunctionHandler(try Self.name("demo/warmer"), accepting: Reading.self) { reading, _ in
            Reading(device: reading.device, celsius: reading.celsius + 1)
        }
        try await kind.withServer([convert]) { bus, _ in
            let name = try Self.name("demo/warmer")
            let answer: Reading = try await bus.call(name, with: Reading(device: "d1", celsius: 20.5))
            #expect(answer == Reading(device: "d1", celsius: 21.5))
            let mismatch = await self.failure { () async throws(BusError) in
                try await bus.call(name, with: ["device": "d1"], returning: Reading.self)
            }
            #expect(mismatch?.status == 400)
            #expect(mismatch?.executed == BusError.Executed.none)
            #expect(mismatch?.message.contains("'celsius' is missing") == true)
            #expect(mismatch?.isRetriable == false)
            let wrong = await self.failure { () async throws(BusError) in
                try await bus.call(name, with: Reading(device: "d", celsius: 1), returning: [Int].self)
            }
            #expect(wrong?.code == .invalidAnswer)
            #expect(wrong?.executed == .yes)
            var text = CallOptions()
            text.contentType = "text/plain"
            let plain = await self.failure { () async throws(BusError) in
                try await bus.call(name, "warm it", options: text)
            }
            #expect(plain?.status == 415)
        }
    }

    @Test("Reports of progress come in order before the answer, to those who ask only", arguments: BrokerKind.allCases)
    func progress(_ kind: BrokerKind) async throws {
        let count = FunctionHandler(try Self.name("demo/count")) { request in
            for number in 1...3 { request.report(Response(Payload("\(number)"))) }
            return request.acceptsReports ? "asked" : "not asked"
        }
        try await kind.withServer([count]) { bus, _ in
            let name = try Self.name("demo/count")
            var replies: [String] = []
            for try await reply in bus.callReporting(name) {
                replies.append((reply.isInterim ? "… " : "") + (reply.text ?? ""))
            }
            #expect(replies == ["… 1", "… 2", "… 3", "asked"])
            #expect(try await bus.call(name).text == "not asked")
        }
    }

    @Test("Leaving the reports early cancels the call", arguments: BrokerKind.allCases)
    func leaving(_ kind: BrokerKind) async throws {
        let (ended, signal) = AsyncStream.makeStream(of: Bool.self)
        let endless = FunctionHandler(try Self.name("demo/endless")) { request in
            request.report("begun")
            do {
                try await Task.sleep(for: .seconds(60))
            } catch {
                signal.yield(true)
                throw error
            }
            return ""
        }
        try await kind.withServer([endless]) { bus, _ in
            for try await reply in bus.callReporting(try Self.name("demo/endless")) {
                #expect(reply.text == "begun")
                break
            }
            #expect(await ended.first { _ in true } == true)
        }
    }

    @Test("A call that no handler saw is made again, within its deadline", arguments: BrokerKind.allCases)
    func retries(_ kind: BrokerKind) async throws {
        let calls = Mutex(0)
        let busy = FunctionHandler(try Self.name("demo/busy")) { _ in
            let number = calls.withLock { calls in
                calls += 1
                return calls
            }
            guard number > 2 else {
                var failure = FunctionFailure(status: 503, code: "NOT_YET", "not yet")
                failure.executed = .none
                throw failure
            }
            return Response(Payload("number \(number)"))
        }
        try await kind.withServer([busy]) { bus, _ in
            let name = try Self.name("demo/busy")
            let first = await self.failure { () async throws(BusError) in try await bus.call(name) }
            #expect(first?.isRetriable == true)
            var options = CallOptions(timeout: .seconds(5))
            options.retry = RetryPolicy()
            #expect(try await bus.call(name, options: options).text == "number 3")
        }
    }
}
