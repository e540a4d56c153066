package import BusContract

/// What a network connection tells its owner, on the network thread: copy, hand over, return.
package enum MosquittoEvent: Sendable {
    /// CONNACK with success, its user properties, and whether the broker says that it has shared subscriptions.
    case connected(userProperties: [(name: String, value: String)], hasSharedSubscriptions: Bool)
    /// CONNACK with a refusal: a reason code of MQTT 5, or a return code below 6 of an older broker.
    case refused(reasonCode: Int)
    /// DISCONNECT of the broker: why it ends the connection, which `disconnected` follows.
    case dismissed(reasonCode: Int)
    /// The network connection is gone or could not be made; another attempt follows after the delay.
    case disconnected(reason: String, retryAfter: Duration)
    /// PUBACK, PUBREC of 0x80 and above, or PUBCOMP; for QoS 0, written to the socket.
    case published(identifier: Int32, reasonCode: Int)
    /// SUBACK, a code for each filter.
    case subscribed(identifier: Int32, reasonCodes: [Int])
    case unsubscribed(identifier: Int32)
    case message(ApplicationMessage)
}

/// libmosquitto would not do what it was asked.
package struct MosquittoFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// A `MOSQ_ERR_` number.
    package let code: Int32
    package let description: String

    package init(code: Int32, description: String) {
        self.code = code
        self.description = description
    }

    /// The packet is larger than the broker takes.
    package var isOversize: Bool { self.code == 25 }
    package var isNotConnected: Bool { self.code == 4 || self.code == 7 }
    static let notConnected = MosquittoFailure(code: 4, description: "there is no connection")
}
