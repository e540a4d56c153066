/// The properties of MQTT 5 that calls and messages use, as Swift values.
package struct MessageProperties: Sendable, Equatable {
    package var responseTopic: String?
    package var correlationData: [UInt8]?
    package var contentType: String?
    /// 1 says that the payload is UTF-8.
    package var payloadFormatIndicator: UInt8?
    /// Seconds.
    package var messageExpiryInterval: UInt32?
    /// In their order.
    package var userProperties: [(name: String, value: String)] = []

    package init() {}

    package func first(_ name: String) -> String? {
        self.userProperties.first { $0.name == name }?.value
    }

    package static func == (left: MessageProperties, right: MessageProperties) -> Bool {
        left.responseTopic == right.responseTopic && left.correlationData == right.correlationData
            && left.contentType == right.contentType && left.payloadFormatIndicator == right.payloadFormatIndicator
            && left.messageExpiryInterval == right.messageExpiryInterval
            && left.userProperties.elementsEqual(right.userProperties) { $0.name == $1.name && $0.value == $1.value }
    }
}

/// An application message as it is published and as it arrives.
package struct ApplicationMessage: Sendable, Equatable {
    package var topic: String
    package var payload: [UInt8]
    /// 0, 1 or 2.
    package var qos: Int
    package var isRetained: Bool
    package var properties = MessageProperties()

    package init(topic: String, payload: [UInt8], qos: Int = 0, isRetained: Bool = false) {
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.isRetained = isRetained
    }
}
