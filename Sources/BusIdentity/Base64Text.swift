import FoundationEssentials

/// The three spellings of base64 that password files and tokens use, read strictly: one text for one value.
enum Base64Text {
    /// As mosquitto writes it: `+`, `/` and padding.
    static func padded(_ text: some StringProtocol) -> [UInt8]? {
        guard let data = Data(base64Encoded: String(text)) else { return nil }
        // Foundation lets stray bits in the last letter pass; a second spelling of one value is refused here.
        guard data.base64EncodedString() == String(text) else { return nil }
        return [UInt8](data)
    }

    /// As PHC strings write it: `+` and `/`, no padding.
    static func unpadded(_ text: some StringProtocol) -> [UInt8]? {
        guard !text.utf8.contains(UInt8(ascii: "=")) else { return nil }
        return self.padded(String(text) + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4))
    }

    /// As tokens write it: `-` and `_`, no padding (RFC 7515 section 2).
    static func url(_ text: some StringProtocol) -> [UInt8]? {
        var letters: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "-"): letters.append(UInt8(ascii: "+"))
            case UInt8(ascii: "_"): letters.append(UInt8(ascii: "/"))
            case UInt8(ascii: "+"), UInt8(ascii: "/"): return nil
            default: letters.append(byte)
            }
        }
        return self.unpadded(String(decoding: letters, as: UTF8.self))
    }

    static func padded(_ bytes: [UInt8]) -> String {
        Data(bytes).base64EncodedString()
    }

    static func unpadded(_ bytes: [UInt8]) -> String {
        String(self.padded(bytes).prefix { $0 != "=" })
    }
}
