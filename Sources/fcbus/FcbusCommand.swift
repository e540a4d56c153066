import ArgumentParser
import Foundation

/// The one way in: `fcbus <subcommand>`.
@main
struct FcbusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fcbus",
        abstract: "The message bus for edge gateways: functions call each other, devices publish events, over MQTT.",
        discussion: """
            EXAMPLES
              fcbus up --functions Examples/functions   broker and function host in one process
              fcbus call EdgeFC/helloworld hi           call a function and print its answer
              fcbus send EdgeFC/helloworld hi           invoke it without waiting for the answer
              fcbus subscribe 'devices/#'               print what devices publish
              fcbus publish devices/d1/temperature 21.5

            A client command takes --broker URL (default FCBUS_BROKER or mqtt://127.0.0.1:1883) and works against any \
            MQTT 5 broker.

            EXIT CODES
              0 answered  1 the function failed  64 usage  65 refused input  69 no broker, no function or no instance
              70 lost, may have run  75 overloaded  77 not authorised  78 bad configuration  124 deadline passed
            """,
        version: fcbusVersion,
        subcommands: [
            UpCommand.self, BrokerCommand.self, HostCommand.self, CallCommand.self, SendCommand.self,
            PublishCommand.self, SubscribeCommand.self, ServeCommand.self, FunctionsCommand.self, TopCommand.self,
            TaskCommand.self, DeadCommand.self, BenchCommand.self, BenchWorkerCommand.self,
            PasswdCommand.self, CheckCommand.self,
        ])

    static func main() async {
        do {
            var command = try Self.parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            Terminal.writeError(line: "fcbus: \(failure)")
            Foundation.exit(failure.status.rawValue)
        } catch {
            Self.exit(withError: error)
        }
    }
}

/// The version of the product, as `--version` prints it.
let fcbusVersion = "0.1.0"
