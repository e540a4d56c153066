import ArgumentParser
import FunctionBus
import FunctionHost
import Logging

struct HostCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "host",
        abstract: "Run the functions of a folder and serve them on a broker.",
        discussion: """
            Every folder with a function.yaml below DIR is a function. Prints `ready` when all are registered; SIGTERM
            finishes the running calls and exits 0.

            EXAMPLE
              fcbus host Examples/functions --broker mqtt://127.0.0.1:1883
            """, helpNames: .long)

    @Argument(help: "The folder with the functions.", completion: .directory)
    var directory: String

    @OptionGroup var client: ClientOptions
    @OptionGroup var logging: LoggingOptions

    func run() async throws {
        let logger = self.logging.logger("fcbus.host")
        let connector = BusConnector(try self.client.configuration())
        let host = HostService(directory: self.directory, connector: connector, logger: logger) { count in
            Terminal.write(line: "ready \(count) functions")
        }
        try await Services.run([host], logger: logger)
    }
}

struct UpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up",
        abstract: "Run broker and function host in one process.",
        discussion: """
            Prints `ready mqtt://127.0.0.1:1883` when clients can connect and all functions are registered.

            EXAMPLE
              fcbus up --functions Examples/functions
            """)

    @Option(help: "The folder with the functions.", completion: .directory)
    var functions: String?

    @OptionGroup var server: ServerOptions

    func run() async throws {
        let logger = self.server.logging.logger("fcbus")
        try await Services.runBrokerAndHost(self.server, functions: self.functions, logger: logger)
    }
}

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve a function with a command: payload on stdin, its stdout is the answer.",
        discussion: """
            The command is run once for each call. An exit code other than 0 is a failure of the function.

            EXAMPLES
              fcbus serve demo/upper -- tr a-z A-Z
              fcbus serve demo/sum --timeout 2s -- jq '.a + .b'
            """, helpNames: .long)

    @Argument(help: "The function as SERVICE/FUNCTION.")
    var function: String

    @Argument(parsing: .postTerminator, help: "The command and its arguments, after --.")
    var command: [String]

    @Option(help: "How long one call may run.")
    var timeout = DurationArgument(seconds: 5)

    @Option(help: "Commands that may run at a time.")
    var concurrency = 4

    @OptionGroup var client: ClientOptions
    @OptionGroup var logging: LoggingOptions

    func validate() throws {
        guard !self.command.isEmpty else { throw ValidationError("a command is missing: fcbus serve S/F -- COMMAND") }
    }

    func run() async throws {
        guard let address = FunctionAddress(self.function) else {
            throw CommandFailure(.usage, "'\(self.function)' is not a function: write service/function")
        }
        let logger = self.logging.logger("fcbus.serve")
        var settings = CommandSettings()
        settings.timeout = self.timeout.duration
        settings.concurrency = self.concurrency
        let service = CommandService(
            address: address, words: self.command, settings: settings,
            configuration: try self.client.configuration(), logger: logger)
        try await Services.run([service], logger: logger)
    }
}
