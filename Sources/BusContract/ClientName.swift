/// A client identifier as a topic level: every byte outside `[A-Za-z0-9._~-]` is written `%XX`.
package enum ClientName {
    package static func encode(_ identifier: String) -> String {
        if identifier.utf8.allSatisfy(self.isPlain) { return identifier }
        var encoded = ""
        for byte in identifier.utf8 {
            if self.isPlain(byte) {
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                encoded += digits.utf8.count == 1 ? "%0\(digits)" : "%\(digits)"
            }
        }
        return encoded
    }

    /// `nil` when the text is not the encoding of an identifier. Needless escapes and small digits are understood,
    /// since other people's clients write them.
    package static func decode(_ level: some StringProtocol) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(level.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%") {
                guard let high = rest.popFirst().flatMap(HexDigit.value),
                    let low = rest.popFirst().flatMap(HexDigit.value)
                else { return nil }
                bytes.append(UInt8(high << 4 | low))
            } else {
                guard self.isPlain(byte) else { return nil }
                bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// Whether a text is one level that stands for a client or an instance: not empty and percent-encoded.
    static func isLevel(_ text: some StringProtocol) -> Bool { !text.isEmpty && self.decode(text) != nil }

    /// Whether a text can be the `<call>` level of a topic: 1 to 64 plain characters.
    package static func isCallIdentifier(_ text: some StringProtocol) -> Bool {
        (1...ContractLimits.callIdentifierBytesMax).contains(text.utf8.count) && text.utf8.allSatisfy(self.isPlain)
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"),
            UInt8(ascii: "-"):
            true
        default: false
        }
    }
}

enum HexDigit {
    /// Of one ASCII digit; `UInt32(_:radix:)` would take a sign as well.
    static func value(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a")) + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A")) + 10
        default: nil
        }
    }
}
