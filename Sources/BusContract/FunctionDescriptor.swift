/// What the catalog says of a function: the retained message on its catalog topic.
///
/// JSON; members that nobody knows are skipped, known ones must be of their type.
package struct FunctionDescriptor: Hashable, Sendable {
    /// When an instance of the function is there.
    package enum Activation: String, Sendable, CaseIterable {
        /// As long as its host runs.
        case always
        /// Its host starts one for the first call.
        case onDemand
    }

    /// How asynchronous calls that say nothing of it are repeated.
    package struct Retry: Hashable, Sendable {
        package var attemptsMax: Int?
        /// As in the property `fc-backoff`: `base=1000;max=60000;jitter=0.2`.
        package var backoff: String?

        package init(attemptsMax: Int? = nil, backoff: String? = nil) {
            self.attemptsMax = attemptsMax
            self.backoff = backoff
        }
    }

    package var version = ""
    package var description = ""
    /// Deadline of a call that brings none.
    package var timeoutMilliseconds: UInt64?
    /// A second execution does no harm.
    package var isIdempotent = false
    /// Calls at a time in one instance.
    package var concurrency: Int?
    /// Calls that may wait for an instance.
    package var queueMax: Int?
    package var retry = Retry()
    /// Largest request payload in bytes.
    package var requestBytesMax: Int?
    /// What requests may be; empty for anything.
    package var contentTypes: [String] = []
    package var activation = Activation.always

    package init() {}

    /// - Throws: what is not JSON or not of its type.
    package init(parsing text: String) throws(ContractError) {
        let json = try JSONObject(parsing: text, as: "function descriptor")
        self.version = try json.string("version") ?? ""
        self.description = try json.string("description") ?? ""
        self.timeoutMilliseconds = try json.integer("timeoutMs", atLeast: 1).map(UInt64.init)
        self.isIdempotent = try json.bool("idempotent") ?? false
        self.concurrency = try json.integer("concurrency", atLeast: 1)
        self.queueMax = try json.integer("maxQueue", atLeast: 0)
        if let retry = try json.object("retry") {
            self.retry.attemptsMax = try retry.integer("maxAttempts", atLeast: 1)
            self.retry.backoff = try retry.string("backoff")
        }
        self.requestBytesMax = try json.integer("maxRequest", atLeast: 0)
        self.contentTypes = try json.strings("contentTypes") ?? []
        self.activation = try json.word("activation") ?? .always
    }

    package var text: String { self.json.text }

    package var json: JSONText {
        var members: [(String, JSONText)] = [
            ("version", .string(self.version)), ("description", .string(self.description)),
            ("idempotent", .bool(self.isIdempotent)), ("activation", .string(self.activation.rawValue)),
        ]
        if let value = self.timeoutMilliseconds { members.append(("timeoutMs", .integer(Int(clamping: value)))) }
        if let value = self.concurrency { members.append(("concurrency", .integer(value))) }
        if let value = self.queueMax { members.append(("maxQueue", .integer(value))) }
        if self.retry != Retry() {
            var retry: [(String, JSONText)] = []
            if let value = self.retry.attemptsMax { retry.append(("maxAttempts", .integer(value))) }
            if let value = self.retry.backoff { retry.append(("backoff", .string(value))) }
            members.append(("retry", .object(retry)))
        }
        if let value = self.requestBytesMax { members.append(("maxRequest", .integer(value))) }
        if !self.contentTypes.isEmpty {
            members.append(("contentTypes", .array(self.contentTypes.map(JSONText.string))))
        }
        return .object(members)
    }
}
