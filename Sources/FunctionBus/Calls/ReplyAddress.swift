import BusContract

/// Who answers requests, and what it says of every success: made once.
final class AnsweringInstance: Sendable {
    let name: String
    let answer: [(name: String, value: String)]
    let emptyAnswer: [(name: String, value: String)]

    init(_ name: String) {
        self.name = name
        self.answer = Self.properties("200", name)
        self.emptyAnswer = Self.properties("204", name)
    }

    private static func properties(_ status: String, _ name: String) -> [(name: String, value: String)] {
        [
            (PropertyName.status, status), (PropertyName.executed, "yes"), (PropertyName.by, "host"),
            (PropertyName.instance, name),
        ]
    }
}

/// Where the answer of one request goes.
struct ReplyAddress: Sendable {
    /// Empty where nobody waits for an answer.
    var topic: String
    var correlation: [UInt8]?
    var isTopicForm: Bool
    var deadline: ContinuousClock.Instant
    /// Who answers.
    var instance: AnsweringInstance

    /// Whose call it is: the reply topic without the level of the call.
    var client: String {
        guard self.isTopicForm, let slash = self.topic.lastIndex(of: "/") else { return self.topic }
        return String(self.topic[..<slash])
    }

    func message(_ response: Response) -> ApplicationMessage {
        let isEmpty = response.payload.bytes.isEmpty
        return self.message(response, isEmpty ? self.instance.emptyAnswer : self.instance.answer)
    }

    /// An interim reply, its number counted from 1.
    func message(_ response: Response, interim number: Int) -> ApplicationMessage {
        self.message(
            response,
            [
                (PropertyName.status, "200"), (PropertyName.more, "1"), (PropertyName.sequence, "\(number)"),
                (PropertyName.instance, self.instance.name),
            ])
    }

    private func message(
        _ response: Response, _ properties: [(name: String, value: String)]
    ) -> ApplicationMessage {
        var message = ApplicationMessage(topic: self.topic, payload: response.payload.bytes, qos: 1)
        message.properties.contentType = response.contentType
        message.properties.userProperties =
            response.userProperties.isEmpty ? properties : properties + response.userProperties
        self.complete(&message)
        return message
    }

    func message(_ failure: Failure) -> ApplicationMessage {
        let topic = self.isTopicForm ? "\(self.topic)/err/\(failure.status)" : self.topic
        var message = ApplicationMessage(topic: topic, payload: Array(failure.payload.utf8), qos: 1)
        message.properties.contentType = Failure.contentType
        message.properties.payloadFormatIndicator = 1
        message.properties.userProperties = failure.userProperties + [(PropertyName.instance, self.instance.name)]
        self.complete(&message)
        return message
    }

    /// What was answered before, said again to whoever asks now.
    func replay(_ answer: ApplicationMessage) -> ApplicationMessage {
        var message = answer
        message.properties.userProperties.append((PropertyName.replay, "1"))
        self.complete(&message)
        return message
    }

    private func complete(_ message: inout ApplicationMessage) {
        message.properties.correlationData = self.correlation
        let left = (self.deadline - .now).milliseconds
        message.properties.messageExpiryInterval = UInt32(clamping: max(1, (left + 999) / 1000))
    }
}
