import BusContract
import BusTopics

/// Where the outcome of a task goes: a topic, or with `fn:` before it a function that is called one-way.
enum TaskDestination: Equatable, Sendable {
    case topic(String)
    case function(FunctionName)

    private static let functionPrefix = "fn:"

    /// `nil` for what is neither.
    init?(_ text: String, limits: TopicLimits) {
        if text.utf8.starts(with: Self.functionPrefix.utf8) {
            // Why a name is none is said by whoever refuses the call.
            guard let name = try? FunctionName(parsing: String(text.dropFirst(Self.functionPrefix.count))),
                !name.isSystem
            else { return nil }
            self = .function(name)
        } else {
            // As above.
            guard (try? TopicName(text, limits: limits)) != nil, text.utf8.first != UInt8(ascii: "$") else {
                return nil
            }
            self = .topic(text)
        }
    }
}
