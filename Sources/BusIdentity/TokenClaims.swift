import JWTKit

/// The claims of a token, whatever their names: which of them counts for what is configured.
struct TokenClaims: JWTPayload {
    enum Value: Sendable, Equatable {
        case text(String)
        case number(Double)
        case texts([String])
        case other
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) {
            self.stringValue = stringValue
        }

        init?(intValue: Int) {
            nil
        }
    }

    let values: [String: Value]

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        var values: [String: Value] = [:]
        for key in container.allKeys {
            // A claim is of one of these kinds, or of none that counts here.
            if let text = try? container.decode(String.self, forKey: key) {
                values[key.stringValue] = .text(text)
            } else if let number = try? container.decode(Double.self, forKey: key) {
                values[key.stringValue] = .number(number)
            } else if let texts = try? container.decode([String].self, forKey: key) {
                values[key.stringValue] = .texts(texts)
            } else {
                values[key.stringValue] = .other
            }
        }
        self.values = values
    }

    /// Tokens are read here, never written.
    func encode(to encoder: any Encoder) throws {
        throw IdentityFailure("a token is not written here")
    }

    /// The signature is checked by now; the claims are the verifier's business, which knows the time.
    func verify(using algorithm: some JWTAlgorithm) async throws {}

    func text(_ name: String) -> String? {
        if case .text(let text) = self.values[name] { text } else { nil }
    }

    func number(_ name: String) -> Double? {
        if case .number(let number) = self.values[name] { number } else { nil }
    }

    /// One text counts as a list of one.
    func texts(_ name: String) -> [String] {
        switch self.values[name] {
        case .text(let text): [text]
        case .texts(let texts): texts
        case .number, .other, nil: []
        }
    }
}
