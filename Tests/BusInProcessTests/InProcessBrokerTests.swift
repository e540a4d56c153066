import FunctionBus
import FunctionBusTesting
import Synchronization
import Testing

/// The true semantics of calls without a socket: a product for users' tests, and the first user of it.
@Suite("A broker in the test's own process", .timeLimit(.minutes(1)))
struct InProcessBrokerTests {
    private func failure(_ body: () async throws(BusError) -> Reply) async -> BusError? {
        do throws(BusError) {
            let reply = try await body()
            Issue.record("answered: \(reply)")
            return nil
        } catch {
            return error
        }
    }

    @Test("A call is answered with what the function returns")
    func call() async throws {
        try await InProcessBroker.run { broker in
            let name = try FunctionName("demo/echo")
            try await broker.serve([FunctionHandler(name) { Response(Payload([0x3C] + $0.payload.bytes)) }], as: "i1")
            let bus = try await broker.connect()
            #expect(bus.isConnectedToFcbus)
            let reply = try await bus.call(name, "hi")
            #expect(reply.text == "<hi")
            #expect(reply.instance == "i1")
            let texts = try await withThrowingTaskGroup(of: String?.self) { group in
                for number in 0..<64 { group.addTask { try await bus.call(name, "\(number)").text } }
                return try await group.reduce(into: Set<String?>()) { $0.insert($1) }
            }
            #expect(texts.count == 64)
        }
    }

    @Test("An unknown function is a 404, one without an instance a 503, and nothing has run")
    func nobody() async throws {
        try await InProcessBroker.run { broker in
            let bus = try await broker.connect()
            let unknown = try FunctionName("demo/unknown")
            let first = await self.failure { () async throws(BusError) in try await bus.call(unknown) }
            #expect(first?.code == .noFunction)
            let name = try FunctionName("demo/echo")
            let instance = try await broker.serve([FunctionHandler(name) { Response($0.payload) }])
            await instance.stop()
            let second = await self.failure { () async throws(BusError) in try await bus.call(name) }
            #expect(second?.code == .noInstance)
            #expect(second?.executed == BusError.Executed.none)
        }
    }

    @Test("A deadline is kept, and the handler's task is cancelled")
    func deadline() async throws {
        try await InProcessBroker.run { broker in
            let name = try FunctionName("demo/slow")
            let (ended, signal) = AsyncStream.makeStream(of: Bool.self)
            try await broker.serve([
                FunctionHandler(name) { _ in
                    do { try await Task.sleep(for: .seconds(60)) } catch { signal.yield(true) }
                    return ""
                }
            ])
            let bus = try await broker.connect()
            let error = await self.failure { () async throws(BusError) in
                try await bus.call(name, options: CallOptions(timeout: .milliseconds(100)))
            }
            #expect(error?.status == 408)
            #expect(error?.executed == .maybe)
            #expect(await ended.first { _ in true } == true)
        }
    }

    @Test("An instance that dies with a call is a 502; an idempotent call goes to another one (R19)")
    func lost() async throws {
        try await InProcessBroker.run { broker in
            let name = try FunctionName("demo/mortal")
            let (taken, signal) = AsyncStream.makeStream(of: String.self)
            let handler: FunctionHandler.Handler = { request in
                signal.yield(request.payload.text ?? "")
                if request.attempt == 1 { try await Task.sleep(for: .seconds(60)) }
                return Response(Payload("attempt \(request.attempt)"))
            }
            let first = try await broker.serve([FunctionHandler(name, handler: handler)])
            let bus = try await broker.connect()
            let call = Task { await self.failure { () async throws(BusError) in try await bus.call(name, "a") } }
            var calls = taken.makeAsyncIterator()
            #expect(await calls.next() == "a")
            await first.kill()
            let error = await call.value
            #expect(error?.code == .instanceLost)
            #expect(error?.executed == .maybe)

            let second = try await broker.serve([FunctionHandler(name, handler: handler)])
            var options = CallOptions(timeout: .seconds(20))
            options.isIdempotent = true
            let repeated = Task { [options] in try await bus.call(name, "b", options: options).text }
            #expect(await calls.next() == "b")
            try await broker.serve([FunctionHandler(name, handler: handler)])
            await second.kill()
            #expect(try await repeated.value == "attempt 2")
        }
    }

    @Test("Messages are published and read, at every QoS, retained ones too", arguments: [0, 1, 2])
    func messages(_ qos: Int) async throws {
        try await InProcessBroker.run { broker in
            let bus = try await broker.connect()
            try await bus.publish("state", "kept", qos: qos, retain: true)
            let texts = try await bus.subscribe(["state", "devices/#"], qos: 2) { messages in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<50 {
                        group.addTask { try await bus.publish("devices/\(number)", "x", qos: qos) }
                    }
                    try await group.waitForAll()
                }
                var texts: [String?] = []
                for await message in messages {
                    texts.append(message.payload.text)
                    if texts.count == 51 { break }
                }
                return texts
            }
            #expect(texts.count == 51)
            #expect(texts.first == "kept")
        }
    }

    @Test("A one-way call runs without anyone waiting")
    func send() async throws {
        try await InProcessBroker.run { broker in
            let name = try FunctionName("demo/mail")
            let (ran, signal) = AsyncStream.makeStream(of: String.self)
            try await broker.serve([
                FunctionHandler(name) { request in
                    signal.yield(request.payload.text ?? "")
                    return ""
                }
            ])
            let bus = try await broker.connect()
            #expect(try await bus.send(name, "letter") != nil)
            #expect(await ran.first { _ in true } == "letter")
        }
    }

    @Test("A connection that was taken over by another of its name comes back by itself")
    func takenOver() async throws {
        try await InProcessBroker.run { broker in
            let name = try FunctionName("demo/echo")
            try await broker.serve([FunctionHandler(name) { Response($0.payload) }])
            let first = try await broker.connect("same")
            #expect(try await first.call(name, "1").text == "1")
            let second = try await broker.connect("same")
            await second.close()
            var options = CallOptions(timeout: .seconds(20))
            options.retry = RetryPolicy()
            options.isIdempotent = true
            #expect(try await first.call(name, "2", options: options).text == "2")
        }
    }

    @Test("Too many calls are refused with 429, and the policy of the caller makes them again")
    func overload() async throws {
        try await InProcessBroker.run { broker in
            let name = try FunctionName("demo/narrow")
            var options = ServeOptions()
            options.concurrency = 1
            let calls = Mutex(0)
            try await broker.serve([
                FunctionHandler(name, options: options) { _ in
                    calls.withLock { $0 += 1 }
                    try await Task.sleep(for: .milliseconds(1))
                    return "done"
                }
            ])
            let bus = try await broker.connect()
            var patient = CallOptions(timeout: .seconds(30))
            patient.retry = RetryPolicy()
            patient.retry.attemptsMax = 100
            let outcomes = await withTaskGroup(of: Int.self) { [patient] group in
                for _ in 0..<100 {
                    group.addTask {
                        do throws(BusError) {
                            return try await bus.call(name, options: patient).status
                        } catch {
                            return error.status
                        }
                    }
                }
                return await group.reduce(into: [:]) { $0[$1, default: 0] += 1 }
            }
            // Ten repetitions are free; then each wants ten successes.
            #expect(outcomes.keys.allSatisfy { $0 == 200 || $0 == 429 })
            #expect(calls.withLock { $0 } == outcomes[200])
        }
    }
}
