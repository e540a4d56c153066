import BusContract
import BusTopics

/// A client's own places in the call protocol.
struct OwnNames: Sendable {
    private let client: String
    private let encoded: String
    private let replySpace: [UInt8]

    init(_ client: String) {
        self.client = client
        self.encoded = ClientName.encode(client)
        self.replySpace = Array(CallSpace.replySpace(of: client).utf8)
    }

    /// Whether the client's answers come to a topic.
    func areAnswered(on topic: Span<UInt8>) -> Bool {
        topic.begins(with: self.replySpace)
            && (topic.count == self.replySpace.count || topic[self.replySpace.count] == UInt8(ascii: "/"))
    }

    /// Whether a filter keeps out of other clients' answers.
    func mayRead(_ filter: TopicFilter) -> Bool { CallFilter.mayRead(filter, client: self.client) }

    /// Whether an instance is this client's: named as the client, or so with a number behind a dot.
    func own(instance: String) -> Bool {
        let name = self.encoded.utf8
        guard instance.utf8.starts(with: name) else { return false }
        let rest = instance.utf8.dropFirst(name.count)
        guard let first = rest.first else { return true }
        let digits = rest.dropFirst()
        return first == UInt8(ascii: ".") && !digits.isEmpty
            && digits.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}
