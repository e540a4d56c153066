/// The reason codes that one packet type may carry, as the table of that packet in MQTT 5.0 lists them.
///
/// Who of client and server may send which is not told apart: nothing goes wrong when the other one does.
struct AllowedReasonCodes {
    /// One bit for each code below 0x40, and one for each from 0x80 to 0xBF.
    private var successes: UInt64 = 0
    private var errors: UInt64 = 0
    private let statement: String
    private let olderStatement: String?

    private init(_ statement: String, older: String? = nil, _ codes: [UInt8]) {
        self.statement = statement
        self.olderStatement = older
        for code in codes {
            if code < 0x80 { self.successes |= 1 << UInt64(code) } else { self.errors |= 1 << UInt64(code - 0x80) }
        }
    }

    func contains(_ code: UInt8) -> Bool {
        let (bits, offset) = code < 0x80 ? (self.successes, code) : (self.errors, code - 0x80)
        return offset < 64 && bits & (1 << UInt64(offset)) != 0
    }

    func violation(_ code: UInt8) -> Violation {
        .reasonCodeNotAllowed(code, statement: self.statement, older: self.olderStatement)
    }

    static let connAck = AllowedReasonCodes(
        "MQTT-3.2.2-8",
        [
            0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99,
            0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
        ])
    static let pubAck = AllowedReasonCodes(
        "MQTT-3.4.2-1", [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99])
    static let pubRec = AllowedReasonCodes(
        "MQTT-3.5.2-1", [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99])
    static let pubRel = AllowedReasonCodes("MQTT-3.6.2-1", [0x00, 0x92])
    static let pubComp = AllowedReasonCodes("MQTT-3.7.2-1", [0x00, 0x92])
    static let subAck = AllowedReasonCodes(
        "MQTT-3.9.3-2", [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2])
    static let olderSubAck = AllowedReasonCodes(
        "MQTT-3.9.3-2", older: "MQTT311-3.9.3-2", [0x00, 0x01, 0x02, 0x80])
    static let unsubAck = AllowedReasonCodes("MQTT-3.11.3-2", [0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91])
    static let disconnect = AllowedReasonCodes(
        "MQTT-3.14.2-1",
        [
            0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95,
            0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
        ])
    static let auth = AllowedReasonCodes("MQTT-3.15.2-1", [0x00, 0x18, 0x19])
}
