import ArgumentParser
import FunctionBus

struct PublishCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "publish",
        abstract: "Publish a message; nobody answers.",
        discussion: """
            EXAMPLES
              fcbus publish devices/d1/temperature 21.5
              fcbus publish -t devices/d1/state -m on -q 1 -r
            """, helpNames: .long)

    @Argument(help: "The topic.")
    var topic: String?

    @Argument(help: "The payload: text, - for stdin, @FILE for a file.")
    var payload: PayloadArgument?

    @Option(name: [.customShort("t"), .customLong("topic")], help: "The topic, as mosquitto_pub takes it.")
    var topicOption: String?

    @Option(name: [.customShort("m"), .customLong("message")], help: "The payload, as mosquitto_pub takes it.")
    var message: PayloadArgument?

    @Option(name: [.short, .long], help: "Quality of service: 0, 1 or 2.")
    var qos = 0

    @Flag(name: [.short, .long], help: "The broker keeps it for later subscribers.")
    var retain = false

    @OptionGroup var client: ClientOptions

    func validate() throws {
        guard (0...2).contains(self.qos) else { throw ValidationError("--qos must be 0, 1 or 2 (got \(self.qos))") }
        guard self.topic != nil || self.topicOption != nil else { throw ValidationError("a topic is missing") }
    }

    func run() async throws {
        let payload = try (self.payload ?? self.message)?.read() ?? .empty
        try await self.client.withBus { bus in
            try await bus.publish(
                self.topic ?? self.topicOption ?? "", payload, qos: self.qos, retain: self.retain)
        }
    }
}

struct SubscribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "subscribe",
        abstract: "Print what is published, a line for each message: topic and payload.",
        discussion: """
            EXAMPLES
              fcbus subscribe 'devices/#'
              fcbus subscribe -C 1 rooms/+/cooling       ends after one message
            """, helpNames: .long)

    @Argument(help: "Topic filters.")
    var filters: [String] = []

    @Option(name: [.customShort("t"), .customLong("topic")], help: "A topic filter, as mosquitto_sub takes it.")
    var topics: [String] = []

    @Option(name: [.short, .long], help: "Highest quality of service to receive with.")
    var qos = 1

    @Option(name: [.customShort("C"), .long], help: "End after this many messages.")
    var count: Int?

    @Option(name: [.customShort("W"), .long], help: "End after this long.")
    var timeout: DurationArgument?

    @Flag(help: "Print each message as one line of JSON.")
    var json = false

    @OptionGroup var client: ClientOptions

    func validate() throws {
        guard !self.filters.isEmpty || !self.topics.isEmpty else { throw ValidationError("a topic filter is missing") }
        guard (0...2).contains(self.qos) else { throw ValidationError("--qos must be 0, 1 or 2 (got \(self.qos))") }
    }

    func run() async throws {
        try await self.client.withBus { bus in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await bus.subscribe(self.filters + self.topics, qos: self.qos) { messages in
                        var left = self.count ?? .max
                        for await message in messages {
                            self.write(message)
                            left -= 1
                            if left == 0 { return }
                        }
                    }
                }
                if let timeout = self.timeout { group.addTask { try await Task.sleep(for: timeout.duration) } }
                try await group.next()
                group.cancelAll()
            }
        }
    }

    private func write(_ message: BusMessage) {
        guard self.json else {
            Terminal.write(line: "\(message.topic) \(message.payload.text ?? "(\(message.payload.bytes.count) bytes)")")
            return
        }
        Terminal.write(
            line: ReplyJSON.text([
                "topic": message.topic, "payload": message.payload.text ?? "", "qos": message.qos,
                "retained": message.isRetained,
            ]))
    }
}
