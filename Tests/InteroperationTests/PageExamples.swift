import FunctionBus
import FunctionBusTesting
import Testing

/// What Documentation/sdk.md shows: each example stands between its name in brackets and `[end]`, and is run by
/// `PageExampleTests`.
enum PageExamples {
    static func connect(_ broker: String) async throws -> String? {
        // [connect]
        let configuration = try BusConfiguration(broker: broker)  // such as "mqtt://127.0.0.1:1883"
        let greeting = try await FunctionBus.withConnection(configuration) { bus in
            try await bus.call(FunctionName("EdgeFC/helloworld"), "hi").text
        }
        // [end]
        return greeting
    }

    static func secure() throws -> BusConfiguration {
        // [secure]
        var configuration = try BusConfiguration(broker: "mqtts://gateway.local")
        configuration.clientIdentifier = "thermostat-1"
        configuration.userName = "thermostat"
        configuration.password = "from a file, not from the source"
        configuration.authorityFile = "/etc/fcbus/authority.pem"
        // [end]
        return configuration
    }

    static func call(_ bus: FunctionBus) async throws -> String? {
        // [call]
        let name = try FunctionName("EdgeFC/helloworld")
        let reply = try await bus.call(name, "hi")
        print(reply.text ?? "\(reply.payload.bytes.count) bytes", "from", reply.instance ?? "somebody")
        // [end]
        return reply.text
    }

    static func options(_ bus: FunctionBus, _ name: FunctionName) async throws -> String? {
        // [options]
        var options = CallOptions(timeout: .milliseconds(1500))
        options.isIdempotent = true  // may run twice: if its instance dies, another one gets it
        options.key = "device-7"  // calls of one key stay in order, at one instance
        options.waitForInstance = .seconds(1)  // none is there yet: wait that long before giving up
        options.retry = RetryPolicy()  // up to four attempts, all of them within the deadline
        options.contentType = "text/plain"
        let reply = try await bus.call(name, "hi", options: options)
        // [end]
        return reply.text
    }

    static func errors(_ bus: FunctionBus) async throws -> String {
        var seen = ""
        // [errors]
        do throws(BusError) {
            _ = try await bus.call(FunctionName("demo/nobody"), "hi")
        } catch {
            switch (error.code, error.executed) {
            case (.noFunction, _): seen = "nobody has ever served it"
            case (.overloaded, _): seen = "busy; again in \(error.retryAfter ?? .seconds(1))"
            case (_, .none): seen = "it has not run: the call can be made again"
            case (_, .maybe): seen = "nobody knows whether it has run"
            case (_, .yes): seen = "it has run, and failed: \(error.message)"
            }
        }
        // [end]
        return seen
    }

    struct Reading: Codable, Sendable {
        var device: String
        var celsius: Double
    }

    static func typed(_ bus: FunctionBus, onReady: @escaping @Sendable () -> Void) async throws {
        // [typed handler]
        let warmer = FunctionHandler(try FunctionName("demo/warmer"), accepting: Reading.self) { reading, _ in
            Reading(device: reading.device, celsius: reading.celsius + 1)
        }
        try await bus.serve([warmer], onReady: onReady)
        // [end]
    }

    static func typedCall(_ bus: FunctionBus) async throws -> Double {
        // [typed call]
        let warmer: Reading = try await bus.call(
            FunctionName("demo/warmer"), with: Reading(device: "d1", celsius: 20))
        // [end]
        return warmer.celsius
    }

    static func send(_ bus: FunctionBus, _ name: FunctionName) async throws -> String? {
        // [send]
        var terms = TaskTerms()
        terms.attemptsMax = 5
        terms.delay = .milliseconds(10)
        let task = try await bus.send(name, "when you have time", terms: terms)
        // [end]
        return task
    }

    static func publish(_ bus: FunctionBus) async throws {
        // [publish]
        try await bus.publish("devices/d1/state", "on")  // QoS 0: gone when it is on its way
        try await bus.publish("devices/d1/state", "on", qos: 1, retain: true)  // returns when the broker has it
        // [end]
    }

    static func subscribe(_ bus: FunctionBus) async throws -> String? {
        // [subscribe]
        let first = try await bus.subscribe(["devices/+/state"]) { messages in
            for await message in messages where message.topic == "devices/d1/state" {
                return message.payload.text  // leaving the closure unsubscribes
            }
            return nil
        }
        // [end]
        return first
    }

    static func serve(_ bus: FunctionBus, onReady: @escaping @Sendable () -> Void) async throws {
        // [serve]
        var options = ServeOptions()
        options.concurrency = 8  // calls at a time; others wait at the broker
        options.timeout = .seconds(5)  // then the handler's task is cancelled, and the caller told 408
        options.isIdempotent = true
        options.description = "Says it again"
        try await bus.serve(FunctionName("demo/echo"), options: options, onReady: onReady) { request in
            Response(request.payload, contentType: request.contentType)
        }
        // [end]
    }

    static func failing() throws -> FunctionHandler {
        // [failing]
        let divide = FunctionHandler(try FunctionName("demo/divide")) { request in
            guard let divisor = Int(request.payload.text ?? ""), divisor != 0 else {
                var failure = FunctionFailure(status: 400, code: "NO_DIVISOR", "the payload is a number other than 0")
                failure.executed = .none
                failure.isPermanent = true  // a second attempt would not help
                throw failure
            }
            return Response(Payload("\(100 / divisor)"))
        }
        // [end]
        return divide
    }

    static func nested(_ bus: FunctionBus) throws -> FunctionHandler {
        // [nested]
        let polite = FunctionHandler(try FunctionName("demo/polite")) { request in
            // Has the deadline of the call that is served, and its trace.
            let reply = try await bus.call(FunctionName("EdgeFC/helloworld"), request.payload)
            return Response(Payload("\(reply.text ?? ""), please"))
        }
        // [end]
        return polite
    }

    static func reporting() throws -> FunctionHandler {
        // [reporting]
        let copy = FunctionHandler(try FunctionName("demo/copy")) { request in
            for percent in [25, 50, 75] { request.report(Response(Payload("\(percent) %"))) }
            return "copied"
        }
        // [end]
        return copy
    }

    static func progress(_ bus: FunctionBus) async throws -> [String] {
        var seen: [String] = []
        // [progress]
        for try await reply in bus.callReporting(try FunctionName("demo/copy")) {
            seen.append(reply.isInterim ? "so far \(reply.text ?? "")" : "done: \(reply.text ?? "")")
        }
        // [end]
        return seen
    }

    static func testing() async throws {
        // [testing]
        try await InProcessBroker.run { broker in
            try await broker.serve([Self.failing()])
            let bus = try await broker.connect()
            let reply = try await bus.call(FunctionName("demo/divide"), "4")
            #expect(reply.text == "25")
            await #expect(throws: BusError.self) { try await bus.call(FunctionName("demo/divide"), "0") }
        }
        // [end]
    }

    static func killing(_ name: FunctionName) async throws {
        // [killing]
        try await InProcessBroker.run { broker in
            let instance = try await broker.serve([FunctionHandler(name) { Response($0.payload) }])
            let bus = try await broker.connect()
            await instance.kill()
            let error = await #expect(throws: BusError.self) { try await bus.call(name, "hi") }
            #expect(error?.code == .noInstance)
        }
        // [end]
    }

    static func seed(_ bus: FunctionBus) async -> InvokeResult {
        // [seed]
        let result = await bus.invokeFunction(
            InvokeParameters(
                serviceName: "EdgeFC", functionName: "helloworld",
                invokerContext: #"{"custom":{"data":"customData"}}"#, payload: "from Swift"))
        print(result.statusCode, result.functionError, result.payload.text ?? "")
        // [end]
        return result
    }

    static func directory(_ bus: FunctionBus) async throws -> [String] {
        var seen: [String] = []
        // [directory]
        for entry in try await bus.directory() {
            seen.append("\(entry.name): \(entry.description), \(entry.instances.count) instances")
        }
        // [end]
        return seen
    }
}
