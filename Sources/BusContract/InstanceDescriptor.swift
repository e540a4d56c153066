/// Presence of an instance: the retained message on its instance topic; an empty one says that it is gone.
package struct InstanceDescriptor: Hashable, Sendable {
    package enum Status: String, Sendable, CaseIterable {
        case online, draining, offline
    }

    package var status = Status.online
    /// `service/function` of everything it serves.
    package var functions: [String] = []
    /// Calls at a time, over all its functions.
    package var capacity: Int?
    package var host = ""
    package var processIdentifier = 0
    /// Seconds since 1970.
    package var startedSeconds = 0
    package var language = ""
    package var sdk = ""

    package init() {}

    /// - Throws: what is not JSON or not of its type.
    package init(parsing text: String) throws(ContractError) {
        let json = try JSONObject(parsing: text, as: "instance descriptor")
        self.status = try json.word("status") ?? .online
        self.functions = try json.strings("functions") ?? []
        self.capacity = try json.integer("capacity", atLeast: 0)
        self.host = try json.string("host") ?? ""
        self.processIdentifier = try json.integer("pid", atLeast: 0) ?? 0
        self.startedSeconds = try json.integer("started", atLeast: 0) ?? 0
        self.language = try json.string("language") ?? ""
        self.sdk = try json.string("sdk") ?? ""
    }

    package var text: String {
        var members: [(String, JSONText)] = [
            ("status", .string(self.status.rawValue)), ("functions", .array(self.functions.map(JSONText.string))),
        ]
        if let capacity = self.capacity { members.append(("capacity", .integer(capacity))) }
        for (name, value) in [("host", self.host), ("language", self.language), ("sdk", self.sdk)] where !value.isEmpty
        {
            members.append((name, .string(value)))
        }
        for (name, value) in [("pid", self.processIdentifier), ("started", self.startedSeconds)] where value > 0 {
            members.append((name, .integer(value)))
        }
        return JSONText.object(members).text
    }
}
