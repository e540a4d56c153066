import BusContract

/// The answer to a call.
public struct Reply: Sendable {
    /// The bytes that the function returned.
    public var payload: Payload
    /// 200 or 204.
    public var status: Int
    /// The function is not done: a report of its progress.
    public var isInterim = false
    /// Said once more of an earlier execution: the function did not run again.
    public var isReplay = false
    /// The instance that answered, where it says so.
    public var instance: String?
    /// MIME type of the payload, if the function said one.
    public var contentType: String?
    /// User properties of the answer, those of the protocol included.
    public var userProperties: [(name: String, value: String)]

    /// The payload as text, `nil` when it is not UTF-8.
    public var text: String? { self.payload.text }
}

extension Reply {
    /// Reads a final reply; one without a status, as a stock client sends it, is a success.
    ///
    /// - Throws: the failure that the reply tells of.
    init(final message: ApplicationMessage) throws(BusError) {
        let properties = message.properties
        let status = properties.first(PropertyName.status).flatMap { Int($0) } ?? 200
        guard (200..<300).contains(status) else { throw BusError(message, status: status) }
        self.init(message, status: status)
    }

    /// Reads an interim reply.
    init(interim message: ApplicationMessage) {
        self.init(message, status: message.properties.first(PropertyName.status).flatMap { Int($0) } ?? 200)
        self.isInterim = true
    }

    private init(_ message: ApplicationMessage, status: Int) {
        let properties = message.properties
        self.init(
            payload: Payload(message.payload), status: status,
            isReplay: properties.first(PropertyName.replay) == "1",
            instance: properties.first(PropertyName.instance), contentType: properties.contentType,
            userProperties: properties.userProperties)
    }
}

extension BusError {
    /// The failure that a reply tells of.
    fileprivate init(_ message: ApplicationMessage, status: Int) {
        let properties = message.properties
        self.init(
            BusError.Code(rawValue: properties.first(PropertyName.code) ?? "UNKNOWN"), status: status,
            executed: properties.first(PropertyName.executed).flatMap(BusError.Executed.init) ?? .maybe,
            properties.first(PropertyName.statusMessage) ?? "the function failed and did not say why")
        self.retryAfter = properties.first(PropertyName.retryAfter).flatMap { Int($0) }.map { .milliseconds($0) }
        self.payload = Payload(message.payload)
        self.isPermanent = properties.first(PropertyName.retry) == "no"
        self.instance = properties.first(PropertyName.instance)
    }
}
