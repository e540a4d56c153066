package import NIOCore

/// CONNECT: the first packet of a client.
package struct Connect: Sendable, Equatable {
    package var version: ProtocolVersion
    /// "Clean session" below MQTT 5.0.
    package var cleanStart: Bool
    package var keepAliveSeconds: UInt16
    package var clientIdentifier: String
    package var properties: Properties
    package var will: Will?
    package var userName: String?
    package var password: ByteBuffer?

    package init(
        version: ProtocolVersion = .v5,
        cleanStart: Bool = true,
        keepAliveSeconds: UInt16 = 0,
        clientIdentifier: String = "",
        properties: Properties = Properties(),
        will: Will? = nil,
        userName: String? = nil,
        password: ByteBuffer? = nil
    ) {
        self.version = version
        self.cleanStart = cleanStart
        self.keepAliveSeconds = keepAliveSeconds
        self.clientIdentifier = clientIdentifier
        self.properties = properties
        self.will = will
        self.userName = userName
        self.password = password
    }
}

/// The message that the broker publishes for a client that vanished. Its delay stays in `properties`.
package struct Will: Sendable, Equatable {
    package var topic: String
    package var payload: ByteBuffer
    package var qos: QoS
    package var isRetained: Bool
    package var properties: Properties

    package init(
        topic: String,
        payload: ByteBuffer = ByteBuffer(),
        qos: QoS = .atMostOnce,
        isRetained: Bool = false,
        properties: Properties = Properties()
    ) {
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.isRetained = isRetained
        self.properties = properties
    }

    /// The payload is said to be UTF-8 and is not.
    package var isWronglyUTF8: Bool {
        self.properties.payloadFormatIndicator == 1 && !self.payload.readableBytesUInt8Span.isUTF8
    }
}
