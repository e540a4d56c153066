import FoundationEssentials

/// The signatures that are checked. `none` is not among them, and a key belongs to one algorithm for good, so that a
/// token cannot choose how it is checked (RFC 8725 section 3.1).
enum TokenAlgorithm: String, Sendable {
    case hs256 = "HS256"
    case rs256 = "RS256"
    case es256 = "ES256"
}

/// The part of a token that says how it is signed. Everything in it is the sender's word until the signature is checked.
struct TokenHeader: Decodable, Sendable {
    private enum CodingKeys: String, CodingKey {
        case algorithm = "alg"
        case keyIdentifier = "kid"
        case critical = "crit"
    }

    let algorithm: String
    let keyIdentifier: String?
    /// RFC 7515 section 4.1.11: whoever does not understand these extensions refuses the token; none is understood here.
    let hasCriticalExtensions: Bool

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.algorithm = try fields.decode(String.self, forKey: .algorithm)
        self.keyIdentifier = try fields.decodeIfPresent(String.self, forKey: .keyIdentifier)
        self.hasCriticalExtensions = fields.contains(.critical)
    }

    /// Reads the header of a token in its compact form.
    ///
    /// - Throws: `.malformedToken`, also where another part is no base64url.
    static func read(_ token: String) throws(IdentityFailure) -> TokenHeader {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false).map { Base64Text.url($0) }
        guard parts.count == 3, let header = parts[0], parts[1] != nil, parts[2] != nil else {
            throw IdentityFailure(.malformedToken, "the token does not have three parts in base64url")
        }
        do {
            return try JSONDecoder().decode(TokenHeader.self, from: Data(header))
        } catch {
            // The decoder's own words would quote the token.
            throw IdentityFailure(.malformedToken, "the token's header is no JSON object with `alg`")
        }
    }
}
