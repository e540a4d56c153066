import ArgumentParser
import FunctionBus

struct CallCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "call",
        abstract: "Call a function and print what it returns.",
        discussion: """
            EXAMPLES
              fcbus call EdgeFC/helloworld hi
              fcbus call EdgeFC/resize @photo.jpg > small.jpg
              echo '{"a":1}' | fcbus call demo/sum - --timeout 2s
              fcbus call EdgeFC/helloworld hi --trace
              fcbus call demo/report '' --context '{"custom":{"data":"x"}}' --json

            EXIT CODES
              0 answered  1 the function failed  65 refused input  69 no broker, no function or no instance
              70 lost, may have run  75 overloaded  77 not authorised  124 the deadline passed
            """, helpNames: .long)

    @Argument(help: "The function as SERVICE/FUNCTION.")
    var function: String

    @Argument(help: "Its payload: text, - for stdin, @FILE for a file.")
    var payload: PayloadArgument?

    @Option(name: [.customShort("W"), .long], help: "How long to wait for the answer: the deadline of the call.")
    var timeout = DurationArgument(seconds: 10)

    @Option(help: "The invokerContext that the function sees: JSON text.")
    var context: String?

    @Flag(help: "The function may run twice: if its instance dies another one gets the call.")
    var idempotent = false

    @Option(help: "How long the call may wait for an instance to appear.")
    var wait: DurationArgument?

    @Flag(help: "Print status, payload and properties as one line of JSON, failures too.")
    var json = false

    @Flag(help: "Say on stderr where the time went: queue, function, transport (the queue and function on fcbus only).")
    var trace = false

    @OptionGroup var client: ClientOptions

    func run() async throws {
        var options = CallOptions(timeout: self.timeout.duration)
        options.context = self.context
        if self.idempotent { options.isIdempotent = true }
        if let wait = self.wait { options.waitForInstance = wait.duration }
        if self.trace { options.userProperties.append((CallTrace.request, "1")) }
        let payload = try self.payload?.read() ?? .empty
        do {
            let (reply, time) = try await self.client.withBus { [options] bus in
                do {
                    let name = try FunctionName(self.function)
                    // The first call of a connection subscribes to the answers: that is not the call's time.
                    if self.trace { try await bus.prepareCalls() }
                    let start = ContinuousClock.now
                    let reply = try await bus.call(name, payload, options: options)
                    return Result<(Reply, Duration), BusError>.success((reply, ContinuousClock.now - start))
                } catch let error as BusError {
                    return .failure(error)
                }
            }.get()
            if self.trace { Terminal.writeError(line: CallTrace(reply, time).text) }
            self.json ? Terminal.write(line: ReplyJSON.text(reply)) : Terminal.write(reply.payload)
        } catch let error as BusError {
            if self.json { Terminal.write(line: ReplyJSON.text(error)) }
            throw CommandFailure(error)
        }
    }
}

struct SendCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "send",
        abstract: "Invoke a function without waiting for it; prints the task's identifier.",
        discussion: """
            The broker accepts the invocation and sees to it, with retries; a failure for good is published on the
            function's dead-letter topic.

            EXAMPLE
              fcbus send EdgeFC/helloworld hi
            """, helpNames: .long)

    @Argument(help: "The function as SERVICE/FUNCTION.")
    var function: String

    @Argument(help: "Its payload: text, - for stdin, @FILE for a file.")
    var payload: PayloadArgument?

    @Option(help: "The invokerContext that the function sees: JSON text.")
    var context: String?

    @Option(name: [.customShort("W"), .long], help: "How long to wait for the broker to accept it.")
    var timeout = DurationArgument(seconds: 10)

    @OptionGroup var client: ClientOptions

    func run() async throws {
        var options = CallOptions(timeout: self.timeout.duration)
        options.context = self.context
        let payload = try self.payload?.read() ?? .empty
        let task = try await self.client.withBus { [options] bus in
            try await bus.send(try FunctionName(self.function), payload, options: options)
        }
        if let task {
            Terminal.write(line: task)
        } else {
            Terminal.writeError(line: "handed over; this broker keeps no tasks")
        }
    }
}
