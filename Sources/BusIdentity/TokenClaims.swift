import JWTKit

/// What a token says, by claim.
struct TokenClaims: JWTPayload, Equatable {
    /// A claim's value, as far as anybody here asks for it.
    enum Value: Equatable, Sendable {
        case text(String)
        case number(Double)
        case texts([String])
        case other
    }

    var values: [String: Value]

    /// The verifier checks the claims itself: it takes the time from outside and has its own words for each failure.
    func verify(using _: some JWTAlgorithm) async throws {}

    /// A time in seconds since 1970.
    ///
    /// - Throws: `.malformedToken` for what is no time.
    func seconds(_ claim: String) throws(IdentityFailure) -> Double? {
        switch self.values[claim] {
        case nil: return nil
        case .number(let number) where abs(number) < 0x1p53: return number
        case .number, .text, .texts, .other:
            throw IdentityFailure(.malformedToken, "the token's `\(claim)` is no time in seconds")
        }
    }

    /// A list of texts, or one alone.
    ///
    /// - Throws: `.malformedToken` for anything else.
    func texts(_ claim: String) throws(IdentityFailure) -> [String]? {
        switch self.values[claim] {
        case nil: return nil
        case .text(let text): return [text]
        case .texts(let texts): return texts
        case .number, .other:
            throw IdentityFailure(.malformedToken, "the token's `\(claim)` is neither text nor a list of texts")
        }
    }
}

extension TokenClaims: Codable {
    init(from decoder: any Decoder) throws {
        self.values = try decoder.singleValueContainer().decode([String: Value].self)
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.values)
    }
}

extension TokenClaims.Value: Codable {
    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        // A value of another type is no error here, only not this case.
        if let text = try? container.decode(String.self) {
            self = .text(text)
        } else if let number = try? container.decode(Double.self) {
            self = .number(number)
        } else if let texts = try? container.decode([String].self) {
            self = .texts(texts)
        } else {
            self = .other
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .text(let text): try container.encode(text)
        case .number(let number): try container.encode(number)
        case .texts(let texts): try container.encode(texts)
        case .other: try container.encodeNil()
        }
    }
}
