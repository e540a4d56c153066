/// The name of a function: a service and a function in it.
///
/// Both parts are a letter followed by at most 127 letters, digits, `_` or `-`. Names that begin with `_` belong to the
/// platform.
package struct FunctionName: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let service: String
    package let function: String

    /// - Throws: what is wrong with a part.
    package init(service: String, function: String) throws(ContractError) {
        try Self.check(service, "service")
        try Self.check(function, "function")
        self.service = service
        self.function = function
    }

    /// The same without a word of what is wrong, for topics: most of those that are no function's mean nothing by it.
    init?(service: Substring, function: Substring) {
        guard Self.isName(service), Self.isName(function) else { return nil }
        self.service = String(service)
        self.function = String(function)
    }

    /// Reads `service/function` or the resource name `acs:fc:REGION:ACCOUNT:service:SERVICE:function:FUNCTION`, whose
    /// front part may be missing.
    package init(parsing text: String) throws(ContractError) {
        if let (service, function) = Self.partsOfResourceName(text) {
            try self.init(service: service, function: function)
            return
        }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw ContractError("'\(text)' is not a function: write service/function, such as EdgeFC/helloworld")
        }
        try self.init(service: String(parts[0]), function: String(parts[1]))
    }

    /// One of the platform's own functions, of the service `_sys`.
    package init(systemOperation operation: String) throws(ContractError) {
        try Self.check(operation, "operation")
        self.service = Self.systemService
        self.function = operation
    }

    init?(systemOperation operation: Substring) {
        guard Self.isName(operation) else { return nil }
        self.service = Self.systemService
        self.function = String(operation)
    }

    /// The service of the platform's own functions.
    package static let systemService = "_sys"

    package var description: String { "\(self.service)/\(self.function)" }
    package var isSystem: Bool { self.service == Self.systemService }

    package static func < (left: FunctionName, right: FunctionName) -> Bool {
        (left.service, left.function) < (right.service, right.function)
    }

    static func isName(_ text: some StringProtocol) -> Bool {
        let bytes = text.utf8
        guard let first = bytes.first, bytes.count <= 128, Self.isLetter(first) else { return false }
        return bytes.allSatisfy {
            Self.isLetter($0) || Self.isDigit($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
        }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }

    private static func check(_ text: String, _ part: String) throws(ContractError) {
        guard self.isName(text) else {
            throw ContractError(
                "'\(text)' is not a \(part) name: a letter, then at most 127 letters, digits, '_' or '-'")
        }
    }

    /// The names in `acs:fc:[REGION]:[ACCOUNT]:service:SERVICE:function:FUNCTION`, or in its end from `service` on.
    private static func partsOfResourceName(_ text: String) -> (String, String)? {
        let parts = text.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false).map(Substring.init)
        guard parts.count == 4 || parts.count == 8 else { return nil }
        if parts.count == 8 {
            let isAccount = parts[3].utf8.count == 16 && parts[3].utf8.allSatisfy(Self.isDigit)
            guard parts[0] == "acs", parts[1] == "fc", parts[2].isEmpty || Self.isRegion(parts[2]),
                parts[3].isEmpty || isAccount
            else { return nil }
        }
        let tail = parts.suffix(4).map(String.init)
        guard tail[0] == "service", tail[2] == "function" else { return nil }
        return (tail[1], tail[3])
    }

    /// `cn-shanghai` or `ap-southeast-1`: two letters, a word and perhaps a digit.
    private static func isRegion(_ text: Substring) -> Bool {
        let parts = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard parts.count == 2 || parts.count == 3, parts[0].count == 2, !parts[1].isEmpty else { return false }
        let areWords = parts.prefix(2).allSatisfy { $0.allSatisfy((UInt8(ascii: "a")...UInt8(ascii: "z")).contains) }
        return areWords && (parts.count == 2 || (parts[2].count == 1 && parts[2].allSatisfy(Self.isDigit)))
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
