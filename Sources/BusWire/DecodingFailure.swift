/// Why received bytes are not a packet that their sender may send.
///
/// The network connection is beyond repair: whoever decodes answers with `reasonCode` where the version allows an
/// answer, and closes.
package struct DecodingFailure: Error, Equatable, Sendable {
    package let reasonCode: ReasonCode
    /// A sentence that says what was wrong; fit for logs and for a Reason String.
    package let message: String
    /// The normative statement that was broken, such as "MQTT-3.3.1-4", where one has a number.
    package let statement: String?
    /// The type nibble of the packet.
    package let packetType: UInt8?
    /// The version in which the sender understands an answer, as far as its CONNECT could be read.
    package let version: ProtocolVersion?

    package init(
        reasonCode: ReasonCode, message: String, statement: String? = nil, packetType: UInt8? = nil,
        version: ProtocolVersion? = nil
    ) {
        self.reasonCode = reasonCode
        self.message = message
        self.statement = statement
        self.packetType = packetType
        self.version = version
    }

    func attributed(to type: PacketType, version: ProtocolVersion?) -> DecodingFailure {
        DecodingFailure(
            reasonCode: self.reasonCode, message: self.message, statement: self.statement, packetType: type.rawValue,
            version: self.version ?? version)
    }
}
