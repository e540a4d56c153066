extension JSONText {
    /// Reads one JSON value (RFC 8259).
    ///
    /// - Throws: what is wrong and at which byte; also for more than 64 nested arrays and objects.
    package init(parsing text: String) throws(ContractError) {
        var parser = JSONParser(Array(text.utf8))
        self = try parser.document()
    }
}

/// Reads JSON bytes, depth first, with a bound on the depth.
struct JSONParser {
    private let bytes: [UInt8]
    private var position = 0
    private static let depthMax = 64

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func document() throws(ContractError) -> JSONText {
        let value = try self.value(depth: 0)
        self.skipSpace()
        guard self.position == self.bytes.count else { throw self.failure("something stands after the value") }
        return value
    }

    private mutating func value(depth: Int) throws(ContractError) -> JSONText {
        guard depth < Self.depthMax else { throw self.failure("nested more than \(Self.depthMax) deep") }
        self.skipSpace()
        switch self.peek {
        case UInt8(ascii: "{"): return try self.object(depth: depth)
        case UInt8(ascii: "["): return try self.array(depth: depth)
        case UInt8(ascii: "\""): return .string(try self.string())
        case UInt8(ascii: "t"): return try self.word("true", .bool(true))
        case UInt8(ascii: "f"): return try self.word("false", .bool(false))
        case UInt8(ascii: "n"): return try self.word("null", .null)
        default: return try self.number()
        }
    }

    private mutating func object(depth: Int) throws(ContractError) -> JSONText {
        self.position += 1
        var members: [JSONText.Member] = []
        self.skipSpace()
        if self.take("}") { return .members(members) }
        while true {
            self.skipSpace()
            guard self.peek == UInt8(ascii: "\"") else { throw self.failure("a member needs a name in quotes") }
            let name = try self.string()
            self.skipSpace()
            guard self.take(":") else { throw self.failure("':' is missing after a name") }
            members.append(JSONText.Member(name: name, value: try self.value(depth: depth + 1)))
            self.skipSpace()
            if self.take("}") { return .members(members) }
            guard self.take(",") else { throw self.failure("',' or '}' is missing") }
        }
    }

    private mutating func array(depth: Int) throws(ContractError) -> JSONText {
        self.position += 1
        var values: [JSONText] = []
        self.skipSpace()
        if self.take("]") { return .array(values) }
        while true {
            values.append(try self.value(depth: depth + 1))
            self.skipSpace()
            if self.take("]") { return .array(values) }
            guard self.take(",") else { throw self.failure("',' or ']' is missing") }
        }
    }

    private mutating func string() throws(ContractError) -> String {
        self.position += 1
        var content: [UInt8] = []
        while let byte = self.peek {
            self.position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: content, as: UTF8.self) else { throw self.failure("not UTF-8") }
                return text
            case UInt8(ascii: "\\"): try self.escape(into: &content)
            case 0..<0x20: throw self.failure("a control character stands in a string")
            default: content.append(byte)
            }
        }
        throw self.failure("a string does not end")
    }

    private mutating func escape(into content: inout [UInt8]) throws(ContractError) {
        guard let byte = self.peek else { throw self.failure("a string does not end") }
        self.position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(byte)
        case UInt8(ascii: "b"): content.append(0x08)
        case UInt8(ascii: "f"): content.append(0x0C)
        case UInt8(ascii: "n"): content.append(0x0A)
        case UInt8(ascii: "r"): content.append(0x0D)
        case UInt8(ascii: "t"): content.append(0x09)
        case UInt8(ascii: "u"):
            var code = try self.hexDigits()
            if (0xD800..<0xDC00).contains(code) {
                guard self.take("\\"), self.take("u") else { throw self.failure("half a surrogate pair") }
                let low = try self.hexDigits()
                guard (0xDC00..<0xE000).contains(low) else { throw self.failure("half a surrogate pair") }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw self.failure("not a character") }
            content += Array(String(scalar).utf8)
        default: throw self.failure("an unknown escape")
        }
    }

    private mutating func hexDigits() throws(ContractError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = self.peek.flatMap(HexDigit.value) else {
                throw self.failure("\\u needs four hexadecimal digits")
            }
            code = code << 4 | digit
            self.position += 1
        }
        return code
    }

    /// `-` int frac exp, as in the grammar: no leading zero, digits on both sides of the point.
    private mutating func number() throws(ContractError) -> JSONText {
        let start = self.position
        _ = self.take("-")
        let firstDigit = self.peek
        let count = self.digits()
        guard count > 0 else { throw self.failure("a value is missing or not JSON") }
        guard count == 1 || firstDigit != UInt8(ascii: "0") else { throw self.failure("a number begins with 0") }
        if self.take("."), self.digits() == 0 { throw self.failure("a digit is missing after the point") }
        if self.take("e") || self.take("E") {
            if !self.take("+") { _ = self.take("-") }
            guard self.digits() > 0 else { throw self.failure("a digit is missing in the exponent") }
        }
        let text = String(decoding: self.bytes[start..<self.position], as: UTF8.self)
        if let value = Int(text) { return .integer(value) }
        guard let value = Double(text), value.isFinite else { throw self.failure("\(text) is too large a number") }
        return .double(value)
    }

    /// Returns how many digits it passed.
    private mutating func digits() -> Int {
        let start = self.position
        while let byte = self.peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { self.position += 1 }
        return self.position - start
    }

    private mutating func word(_ word: String, _ value: JSONText) throws(ContractError) -> JSONText {
        guard self.bytes[self.position...].starts(with: word.utf8) else { throw self.failure("not a JSON value") }
        self.position += word.utf8.count
        return value
    }

    // MARK: Bytes

    private var peek: UInt8? { self.position < self.bytes.count ? self.bytes[self.position] : nil }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard let byte = self.peek, UInt32(byte) == character.value else { return false }
        self.position += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = self.peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { self.position += 1 }
    }

    private func failure(_ message: String) -> ContractError {
        ContractError("not valid JSON at byte \(self.position): \(message)")
    }
}
