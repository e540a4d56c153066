/// How a JSON Web Token (RFC 7519) in the password field proves who a client is.
package struct TokenSettings: Equatable, Sendable {
    /// A file with the key, and with it the one algorithm that counts.
    package enum Key: Equatable, Sendable {
        /// HS256 with the bytes of this file, without an end of line at their end.
        case secret(file: String)
        /// RS256 with this public key in PEM form.
        case rsa(file: String)
        /// ES256 with this public key in PEM form.
        case ecdsa(file: String)
        /// RS256 and ES256 with the keys of this JSON Web Key Set.
        case jwks(file: String)

        var file: String {
            switch self {
            case .secret(let file), .rsa(let file), .ecdsa(let file), .jwks(let file): file
            }
        }
    }

    package var key: Key
    /// The `iss` that counts; any, or none, where this is `nil`.
    package var issuer: String?
    /// The `aud` that has to be among the token's; not looked at where this is `nil`.
    package var audience: String?
    /// The claim that names the user.
    package var userClaim = "sub"
    /// The claim that lists the user's groups.
    package var groupsClaim = "groups"
    /// By how much the clocks of issuer and broker may differ, in seconds.
    package var leewaySeconds = 30.0

    package init(key: Key) {
        self.key = key
    }
}

/// Whom a token stands for.
package struct TokenIdentity: Equatable, Sendable {
    package var user: String
    package var groups: Set<String>
    /// Seconds since 1970, as the token has it: the connection ends then.
    package var expiresAt: Double

    package init(user: String, groups: Set<String>, expiresAt: Double) {
        self.user = user
        self.groups = groups
        self.expiresAt = expiresAt
    }
}
