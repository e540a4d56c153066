import ArgumentParser
import FunctionBus

struct TaskCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "task",
        abstract: "Show what became of an invocation that was sent.",
        discussion: """
            EXAMPLES
              fcbus task "$(fcbus send demo/mail hi)"
              fcbus task t-17 --cancel

            A task that has ended is known for ten minutes, then it is not found (exit code 69).
            """, helpNames: .long)

    @Argument(help: "The identifier that `fcbus send` printed.")
    var task: String

    @Flag(help: "Make no further attempt.")
    var cancel = false

    @OptionGroup var client: ClientOptions

    func run() async throws {
        let operation = self.cancel ? "task-cancel" : "task-get"
        let answer = try await self.client.withSystem(operation, ["task": self.task])
        Terminal.write(line: answer)
    }
}

struct DeadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead",
        abstract: "Look after the invocations that failed for good.",
        subcommands: [List.self, Requeue.self, Purge.self], helpNames: .long)

    /// Which letters are meant.
    struct Choice: ParsableArguments {
        @Argument(help: "Only those of this function, as SERVICE/FUNCTION.")
        var function: String?

        @Option(help: "Only this task.")
        var task: String?

        var parameters: [String: String] {
            var parameters: [String: String] = [:]
            parameters["function"] = self.function
            parameters["task"] = self.task
            return parameters
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List them, the newest last.", discussion: "EXAMPLE\n  fcbus dead list demo/mail",
            helpNames: .long)

        @OptionGroup var choice: Choice

        @Flag(help: "Print the broker's answer as it is.")
        var json = false

        @OptionGroup var client: ClientOptions

        private struct Letters: Decodable {
            struct Letter: Decodable {
                var task: String
                var function: String
                var attempts: Int
                var status: Int
                var code: String
                var reason: String
                var diedAgoMs: Int64
            }

            var letters: [Letter]
        }

        func run() async throws {
            if self.json {
                let answer = try await self.client.withSystem("dead-list", self.choice.parameters)
                return Terminal.write(line: answer)
            }
            let answer: Letters = try await self.client.withBus { bus in
                try await bus.system("dead-list", self.choice.parameters)
            }
            var table = TextTable(["TASK", "FUNCTION", "DIED", "ATTEMPTS", "STATUS", "REASON"])
            for letter in answer.letters {
                table.add([
                    letter.task, letter.function, "\(Duration.milliseconds(letter.diedAgoMs).shortText) ago",
                    "\(letter.attempts)", "\(letter.status) \(letter.code)", letter.reason,
                ])
            }
            Terminal.write(line: table.text)
        }
    }

    struct Requeue: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let them begin anew, with all their attempts.",
            discussion: "EXAMPLE\n  fcbus dead requeue --task t-17", helpNames: .long)

        @OptionGroup var choice: Choice
        @OptionGroup var client: ClientOptions

        func run() async throws {
            Terminal.write(line: try await self.client.withSystem("dead-requeue", self.choice.parameters))
        }
    }

    struct Purge: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Forget them.", discussion: "EXAMPLE\n  fcbus dead purge demo/mail", helpNames: .long)

        @OptionGroup var choice: Choice
        @OptionGroup var client: ClientOptions

        func run() async throws {
            Terminal.write(line: try await self.client.withSystem("dead-purge", self.choice.parameters))
        }
    }
}

extension ClientOptions {
    /// The answer of one of the broker's own functions: a line of JSON.
    func withSystem(_ operation: String, _ choice: [String: String]) async throws -> String {
        try await self.withBus { bus in
            let request = Payload(ReplyJSON.text(choice))
            return try await bus.call(FunctionName(systemOperation: operation), request).text ?? ""
        }
    }
}
