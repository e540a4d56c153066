import Foundation
import FunctionBus
import Synchronization
import Testing

/// The SDK against our broker and against Debian's mosquitto: the same tests.
@Suite("FunctionBus", .enabled(if: RunningBroker.isAvailable), .timeLimit(.minutes(3)))
struct FunctionBusTests {
    /// A bus with a function served by another connection.
    private func withServer(
        _ kind: BrokerKind, options: ServeOptions = .init(), handler: @escaping FunctionHandler.Handler,
        _ body: (FunctionBus, RunningBroker) async throws -> Void
    ) async throws {
        let echo = FunctionHandler(try FunctionName("demo/echo"), options: options, handler: handler)
        try await kind.withServer([echo], body)
    }

    private func failure(_ body: () async throws(BusError) -> Reply) async -> BusError? {
        do throws(BusError) {
            let reply = try await body()
            Issue.record("answered: \(reply)")
            return nil
        } catch {
            return error
        }
    }

    @Test("A call is answered with what the function returns", arguments: BrokerKind.allCases)
    func call(_ kind: BrokerKind) async throws {
        try await self.withServer(kind, handler: { Response(Payload([0x3C] + $0.payload.bytes + [0x3E])) }) { bus, _ in
            let name = try FunctionName("demo/echo")
            #expect(try await bus.call(name, "hi").text == "<hi>")
            let bytes = Payload((0...255).map { UInt8($0) })
            #expect(try await bus.call(name, bytes).payload.bytes.count == 258)
            let replies = try await withThrowingTaskGroup(of: String?.self) { group in
                for number in 0..<64 { group.addTask { try await bus.call(name, "\(number)").text } }
                return try await group.reduce(into: Set<String?>()) { $0.insert($1) }
            }
            #expect(replies.count == 64)
        }
    }

    @Test("The context arrives as it was sent", arguments: BrokerKind.allCases)
    func context(_ kind: BrokerKind) async throws {
        try await self.withServer(kind, handler: { Response(Payload($0.context ?? "none")) }) { bus, _ in
            let result = await bus.invokeFunction(
                InvokeParameters(
                    serviceName: "demo", functionName: "echo", invokerContext: "{\"custom\":{\"data\":\"x\"}}"))
            #expect(result.statusCode == 200)
            #expect(result.functionError.isEmpty)
            #expect(result.payload == "{\"custom\":{\"data\":\"x\"}}")
        }
    }

    @Test(
        "A handler's error is a 500 with its message, and Handled in the seed's shape", arguments: BrokerKind.allCases)
    func handlerError(_ kind: BrokerKind) async throws {
        try await self.withServer(kind, handler: { _ in throw FunctionFailure("no paper") }) { bus, _ in
            let name = try FunctionName("demo/echo")
            let error = await self.failure { () async throws(BusError) in try await bus.call(name) }
            #expect(error?.status == 500)
            #expect(error?.code == .handlerError)
            #expect(error?.executed == .yes)
            #expect(error?.message == "no paper")
            let result = await bus.invokeFunction(InvokeParameters(serviceName: "demo", functionName: "echo"))
            #expect(result.functionError == "Handled")
        }
    }

    @Test(
        "An unknown function fails: at once on fcbus, at the latest by the deadline elsewhere (R21)",
        arguments: BrokerKind.allCases)
    func unknownFunction(_ kind: BrokerKind) async throws {
        try await self.withServer(kind, handler: { _ in "" }) { bus, _ in
            let name = try FunctionName("demo/nothere")
            let error = await self.failure { () async throws(BusError) in
                try await bus.call(name, options: CallOptions(timeout: .seconds(2)))
            }
            if kind == .fcbus {
                #expect(error?.status == 404)
                #expect(error?.executed == BusError.Executed.none)
            } else {
                #expect(error?.code == .noFunction || error?.code == .localTimeout)
            }
        }
    }

    @Test("A deadline is kept and tells that the function may have run (R20)", arguments: BrokerKind.allCases)
    func deadline(_ kind: BrokerKind) async throws {
        let handler: FunctionHandler.Handler = { _ in
            try await Task.sleep(for: .seconds(30))
            return ""
        }
        try await self.withServer(kind, handler: handler) { bus, _ in
            let name = try FunctionName("demo/echo")
            let start = ContinuousClock.now
            let error = await self.failure { () async throws(BusError) in
                try await bus.call(name, options: CallOptions(timeout: .milliseconds(300)))
            }
            #expect(error?.status == 408)
            #expect(error?.executed == .maybe)
            #expect(ContinuousClock.now - start < .seconds(5))
        }
    }

    @Test("Cancelling the caller's task ends the wait and the handler", arguments: BrokerKind.allCases)
    func cancellation(_ kind: BrokerKind) async throws {
        let (cancelled, signal) = AsyncStream.makeStream(of: Void.self)
        let (started, start) = AsyncStream.makeStream(of: Void.self)
        let handler: FunctionHandler.Handler = { _ in
            start.yield()
            do { try await Task.sleep(for: .seconds(30)) } catch { signal.yield() }
            return ""
        }
        try await self.withServer(kind, handler: handler) { bus, _ in
            let name = try FunctionName("demo/echo")
            let task = Task { try await bus.call(name, options: CallOptions(timeout: .seconds(25))) }
            _ = await started.first { _ in true }
            task.cancel()
            await #expect(throws: BusError.self) { try await task.value }
            _ = await cancelled.first { _ in true }
        }
    }

    @Test("More calls than the function takes at a time wait; none is lost", arguments: BrokerKind.allCases)
    func concurrency(_ kind: BrokerKind) async throws {
        let peak = Peak()
        var options = ServeOptions()
        options.concurrency = 2
        let handler: FunctionHandler.Handler = { request in
            peak.enter()
            try await Task.sleep(for: .milliseconds(5))
            peak.leave()
            return Response(request.payload)
        }
        try await self.withServer(kind, options: options, handler: handler) { bus, _ in
            let name = try FunctionName("demo/echo")
            let count = try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<50 { group.addTask { _ = try await bus.call(name, "\(number)") } }
                return try await group.reduce(0) { count, _ in count + 1 }
            }
            #expect(count == 50)
            #expect(peak.highest == 2)
        }
    }

    @Test("Published messages arrive at every QoS, retained ones later", arguments: BrokerKind.allCases, [0, 1, 2])
    func publishSubscribe(_ kind: BrokerKind, _ qos: Int) async throws {
        try await kind.withBroker { broker in
            let configuration = try BusConfiguration(broker: "mqtt://127.0.0.1:\(broker.port)")
            try await FunctionBus.withConnection(configuration) { bus in
                try await bus.publish("state", "kept", qos: qos, retain: true)
                let texts = try await bus.subscribe(["devices/+/t", "state"], qos: 2) { messages in
                    for number in 0..<20 {
                        try await bus.publish("devices/d\(number)/t", Payload("\(number)"), qos: qos)
                    }
                    var texts: [String] = []
                    for await message in messages {
                        texts.append(message.payload.text ?? "")
                        if texts.count == 21 { break }
                    }
                    return texts
                }
                #expect(texts.first == "kept")
                #expect(Array(texts.dropFirst()) == (0..<20).map(String.init))
            }
        }
    }

    @Test("A one-way invocation runs without anyone waiting", arguments: BrokerKind.allCases)
    func send(_ kind: BrokerKind) async throws {
        let (ran, signal) = AsyncStream.makeStream(of: String.self)
        try await self.withServer(
            kind,
            handler: { request in
                signal.yield(request.payload.text ?? "")
                return ""
            }
        ) { bus, _ in
            let task = try await bus.send(FunctionName("demo/echo"), "letter")
            #expect((task != nil) == (kind == .fcbus))
            #expect(await ran.first { _ in true } == "letter")
        }
    }

    @Test("Wrong arguments are told before anything is sent")
    func arguments() async throws {
        #expect(throws: BusError.self) { try FunctionName("no slash") }
        #expect(throws: BusError.self) { try BusConfiguration(broker: "http://x") }
        let configuration = try BusConfiguration(broker: "mqtt://user:secret@[::1]:1884")
        #expect(configuration.host == "::1")
        #expect(configuration.port == 1884)
        #expect(configuration.password == "secret")
    }

    @Test("No broker is told with what to do")
    func noBroker() async throws {
        var configuration = try BusConfiguration(broker: "mqtt://127.0.0.1:1")
        configuration.connectTimeout = .seconds(1)
        await #expect(throws: BusError.self) {
            try await FunctionBus.withConnection(configuration) { _ in }
        }
    }
}

/// How many were inside at a time.
private final class Peak: Sendable {
    private let state = Mutex((now: 0, highest: 0))

    func enter() {
        self.state.withLock { state in
            state.now += 1
            state.highest = max(state.highest, state.now)
        }
    }

    func leave() { self.state.withLock { $0.now -= 1 } }

    var highest: Int { self.state.withLock { $0.highest } }
}
