/// The name of a function on the bus: a service and a function in it, written `service/function`.
///
/// Both parts are a letter followed by at most 127 letters, digits, `_` or `-`, as on the platform that
/// edge functions come from.
package struct FunctionAddress: Hashable, Sendable, CustomStringConvertible {
    package let service: String
    package let function: String

    package init?(service: String, function: String) {
        guard Self.isName(service), Self.isName(function) else { return nil }
        self.service = service
        self.function = function
    }

    /// Reads `service/function`, or the resource form that ends in `service:S:function:F`.
    package init?(_ text: String) {
        let slashed = text.split(separator: "/", omittingEmptySubsequences: false)
        if slashed.count == 2 {
            self.init(service: String(slashed[0]), function: String(slashed[1]))
            return
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count >= 4, parts[parts.count - 4] == "service", parts[parts.count - 2] == "function" else {
            return nil
        }
        self.init(service: String(parts[parts.count - 3]), function: String(parts[parts.count - 1]))
    }

    package var description: String { "\(self.service)/\(self.function)" }

    package static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, Self.isLetter(first), text.utf8.count <= 128 else { return false }
        return text.utf8.allSatisfy { byte in
            Self.isLetter(byte) || (byte >= 0x30 && byte <= 0x39) || byte == 0x5F || byte == 0x2D
        }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (byte >= 0x41 && byte <= 0x5A) || (byte >= 0x61 && byte <= 0x7A)
    }
}
