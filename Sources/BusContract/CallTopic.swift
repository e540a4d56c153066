/// The levels by which a client without MQTT 5 properties says where its answer goes: `<client>/<call>`.
package struct ReplyLevels: Hashable, Sendable {
    /// Percent-encoded, as it stands in the topic.
    package let client: String
    package let call: String

    package init(client: String, call: String) {
        self.client = client
        self.call = call
    }

    /// Where the answer goes.
    package var replyTopic: CallTopic { .reply(client: self.client, call: self.call, errorStatus: nil) }
}

/// Every topic of the call protocol, as a value.
package enum CallTopic: Hashable, Sendable {
    /// A call; the topic form carries its reply address.
    case request(FunctionName, ReplyLevels?)
    /// A one-way invocation.
    case async(FunctionName, ReplyLevels?)
    case cancel(FunctionName, ReplyLevels?)
    /// Answers to one client (percent-encoded); `call` and `errorStatus` in the topic form only.
    case reply(client: String, call: String?, errorStatus: Int?)
    case dead(FunctionName)
    case catalog(FunctionName)
    /// Presence of an instance.
    case instance(String)
    case control(verb: String, service: String?, instance: String?)
    case event(kind: String, FunctionName)

    package static let prefix = "fc/"
    /// What all events lie below.
    package static let events = "fc/_evt"

    /// Whether a topic of no known form lies where only the platform writes: below a level that begins with `_`. All
    /// others below `fc/` are ordinary topics.
    package static func isReserved(_ topic: String) -> Bool { topic.utf8.starts(with: "fc/_".utf8) }

    /// Whether a topic can be one of the protocol's: a comparison of three bytes.
    package static func mayBe(_ topic: UnsafeRawBufferPointer) -> Bool {
        guard topic.count >= 3 else { return false }
        return unsafe topic[0] == UInt8(ascii: "f") && topic[1] == UInt8(ascii: "c") && topic[2] == UInt8(ascii: "/")
    }

    /// `nil` for a topic outside the protocol, and for one below `fc/` that has none of its forms; `mayBe` tells them
    /// apart. A topic that is read has exactly the text that it was read from.
    package init?(_ topic: String) {
        guard topic.utf8.starts(with: Self.prefix.utf8) else { return nil }
        // Cut at bytes: a grapheme may begin with a slash.
        let levels = topic.utf8.dropFirst(Self.prefix.utf8.count)
            .split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map(Substring.init)
        guard levels.count >= 2 else { return nil }
        switch levels[0] {
        case "_reply": self.init(replyLevels: levels)
        case "_catalog":
            guard levels.count == 3, let name = FunctionName(service: levels[1], function: levels[2]) else {
                return nil
            }
            self = .catalog(name)
        case "_inst":
            guard levels.count == 2, ClientName.isLevel(levels[1]) else { return nil }
            self = .instance(String(levels[1]))
        case "_ctl": self.init(controlLevels: levels)
        case "_evt":
            guard levels.count == 4, FunctionName.isName(levels[1]),
                let name = FunctionName(service: levels[2], function: levels[3])
            else { return nil }
            self = .event(kind: String(levels[1]), name)
        default: self.init(functionLevels: levels)
        }
    }

    private init?(replyLevels levels: [Substring]) {
        guard ClientName.isLevel(levels[1]) else { return nil }
        let client = String(levels[1])
        switch levels.count {
        case 2: self = .reply(client: client, call: nil, errorStatus: nil)
        case 3 where ClientName.isCallIdentifier(levels[2]):
            self = .reply(client: client, call: String(levels[2]), errorStatus: nil)
        case 5 where ClientName.isCallIdentifier(levels[2]) && levels[3] == "err":
            guard let status = Self.status(levels[4]) else { return nil }
            self = .reply(client: client, call: String(levels[2]), errorStatus: status)
        default: return nil
        }
    }

    private init?(controlLevels levels: [Substring]) {
        guard (2...4).contains(levels.count), FunctionName.isName(levels[1]) else { return nil }
        if levels.count > 2, !FunctionName.isName(levels[2]), levels[2] != FunctionName.systemService { return nil }
        if levels.count > 3, !ClientName.isLevel(levels[3]) { return nil }
        self = .control(
            verb: String(levels[1]), service: levels.count > 2 ? String(levels[2]) : nil,
            instance: levels.count > 3 ? String(levels[3]) : nil)
    }

    private init?(functionLevels levels: [Substring]) {
        guard levels.count == 3 || levels.count == 5 else { return nil }
        let isSystem = levels[0] == FunctionName.systemService
        let name =
            isSystem
            ? FunctionName(systemOperation: levels[1]) : FunctionName(service: levels[0], function: levels[1])
        guard let name else { return nil }
        var reply: ReplyLevels?
        if levels.count == 5 {
            guard ClientName.isLevel(levels[3]), ClientName.isCallIdentifier(levels[4]) else { return nil }
            reply = ReplyLevels(client: String(levels[3]), call: String(levels[4]))
        }
        switch levels[2] {
        case "req": self = .request(name, reply)
        case "async" where !isSystem: self = .async(name, reply)
        case "cancel": self = .cancel(name, reply)
        case "dead" where reply == nil && !isSystem: self = .dead(name)
        default: return nil
        }
    }

    /// The client (percent-encoded) whose answers lie at a topic of any depth; `nil` outside the reply space. Callers of
    /// MQTT 5 may choose what stands below their own level.
    package static func replyClient(of topic: String) -> String? {
        let prefix = "fc/_reply/"
        guard topic.utf8.starts(with: prefix.utf8) else { return nil }
        let level = Substring(topic.utf8.dropFirst(prefix.utf8.count).prefix { $0 != UInt8(ascii: "/") })
        return ClientName.isLevel(level) ? String(level) : nil
    }

    /// Three digits, as every status has.
    private static func status(_ level: Substring) -> Int? {
        guard level.utf8.count == 3, let status = Int(level), (100...999).contains(status) else { return nil }
        return status
    }

    /// The topic as text.
    package var string: String {
        switch self {
        case .request(let name, let reply): Self.text(name, "req", reply)
        case .async(let name, let reply): Self.text(name, "async", reply)
        case .cancel(let name, let reply): Self.text(name, "cancel", reply)
        case .reply(let client, let call, let status):
            "fc/_reply/\(client)" + (call.map { "/\($0)" } ?? "") + (status.map { "/err/\($0)" } ?? "")
        case .dead(let name): "fc/\(name)/dead"
        case .catalog(let name): "fc/_catalog/\(name)"
        case .instance(let instance): "fc/_inst/\(instance)"
        case .control(let verb, let service, let instance):
            "fc/_ctl/\(verb)" + (service.map { "/\($0)" } ?? "") + (instance.map { "/\($0)" } ?? "")
        case .event(let kind, let name): "fc/_evt/\(kind)/\(name)"
        }
    }

    private static func text(_ name: FunctionName, _ verb: String, _ reply: ReplyLevels?) -> String {
        var text = prefix
        // Once for all of it: this is made for every call.
        text.reserveCapacity(prefix.utf8.count + name.service.utf8.count + name.function.utf8.count + 32)
        text += name.service
        text += "/"
        text += name.function
        text += "/"
        text += verb
        if let reply {
            text += "/"
            text += reply.client
            text += "/"
            text += reply.call
        }
        return text
    }
}
