import BusContract
import BusTopics

/// The topics of the call protocol as access rules see them: set apart from all others.
enum CallSpace {
    private static let prefix = Array(CallTopic.prefix.utf8)
    private static let replyPrefix = Array(Self.replySpace(of: "").utf8)

    static func contains(_ topic: Span<UInt8>) -> Bool { topic.begins(with: Self.prefix) }
    static func contains(_ filter: TopicFilter) -> Bool { filter.filter.utf8.starts(with: Self.prefix) }
    static func isSpelled(by text: String) -> Bool { text.utf8.starts(with: Self.prefix) }

    /// Whether a topic or filter lies where answers go, whosever they are.
    static func isReply(_ topic: Span<UInt8>) -> Bool { topic.begins(with: Self.replyPrefix) }
    static func isReply(_ filter: TopicFilter) -> Bool { filter.filter.utf8.starts(with: Self.replyPrefix) }

    /// The topic of a client's answers; those of the topic form lie below it.
    static func replySpace(of client: String) -> String {
        CallTopic.reply(client: ClientName.encode(client), call: nil, errorStatus: nil).string
    }

    /// A function that messages on topics of a filter would call, when the filter itself says that it is about calls.
    static func functionCalled(through filter: TopicFilter) -> FunctionName? {
        guard self.contains(filter) else { return nil }
        let levels = filter.levels
        func name(_ index: Int, _ any: String) -> String {
            index < levels.count && levels[index] != "+" && levels[index] != "#" ? String(levels[index]) : any
        }
        guard let function = self.function(service: name(1, "service"), function: name(2, "function")) else {
            return nil
        }
        let reply = ReplyLevels(client: name(4, "client"), call: name(5, "call"))
        let topics: [CallTopic] = [
            .request(function, nil), .request(function, reply), .async(function, nil), .async(function, reply),
            .cancel(function, nil), .cancel(function, reply),
        ]
        return topics.contains { filter.matches($0.string) } ? function : nil
    }

    /// Whether a filter names the service of the platform's own functions, at its place in topics of calls.
    static func spellsSystem(_ filter: TopicFilter) -> Bool {
        let levels = filter.levels
        return levels.count > 2 && self.function(service: String(levels[1]), function: "any")?.isSystem == true
    }

    private static func function(service: String, function: String) -> FunctionName? {
        do {
            let operation = try FunctionName(systemOperation: function)
            return service == operation.service ? operation : try FunctionName(service: service, function: function)
        } catch {
            return nil
        }
    }

    /// The function of a filter by which its instances hear of cancellations, or of one-way calls on other brokers.
    static func functionHeard(through filter: TopicFilter) -> FunctionName? {
        guard self.contains(filter) else { return nil }
        let levels = filter.levels
        let topic = (levels.last == "#" ? levels.dropLast() : levels).joined(separator: "/")
        switch CallTopic(topic) {
        case .cancel(let function, nil), .async(let function, nil): return function
        case .cancel, .async, .request, .reply, .dead, .catalog, .instance, .control, .event, nil: return nil
        }
    }

    /// The instance in a filter for an operator's verbs, as far as the filter names one.
    struct Listener: Equatable {
        var service: String?
        var instance: String?
    }

    /// `nil` for a filter that is not one of those that instances subscribe to for verbs.
    static func listener(of filter: TopicFilter) -> Listener? {
        guard self.contains(filter), !filter.isShared else { return nil }
        let levels = filter.levels.map(String.init)
        let service = levels.count > 3 ? levels[3] : nil
        let instance = levels.count > 4 ? levels[4] : nil
        let known = CallFilter.controls(of: instance ?? "", service: service ?? "")
        guard levels.count <= 5, known.contains(where: { $0.utf8.elementsEqual(filter.filter.utf8) }) else {
            return nil
        }
        return Listener(service: service, instance: instance)
    }
}

extension Span<UInt8> {
    func begins(with prefix: [UInt8]) -> Bool {
        guard self.count >= prefix.count else { return false }
        for index in prefix.indices where self[index] != prefix[index] { return false }
        return true
    }
}
