import Crypto
import FoundationEssentials
import JWTKit

/// How a JSON Web Token (RFC 7519) in the password field proves who a client is.
package struct TokenSettings: Sendable, Equatable {
    package enum Key: Sendable, Equatable {
        /// HS256 with the bytes of this file, without a line break at their end.
        case secret(file: String)
        /// RS256 with this public key in PEM.
        case rsa(file: String)
        /// ES256 with this public key in PEM.
        case ecdsa(file: String)
        /// A JSON Web Key Set; each key tells its own algorithm.
        case jwks(file: String)
    }

    package var key: Key
    package var issuer: String?
    package var audience: String?
    package var userClaim = "sub"
    package var groupsClaim = "groups"

    package init(key: Key) {
        self.key = key
    }
}

/// Who a token says its bearer is.
package struct TokenIdentity: Sendable, Equatable {
    package var user: String
    package var groups: Set<String>
    /// Seconds since 1970.
    package var expiresAt: Double
}

/// Checks tokens: the signature with the configured key and its own algorithm, whatever the token's header wishes; then
/// the claims.
package struct TokenVerifier: Sendable {
    private let settings: TokenSettings
    private let keys: JWTKeyCollection
    /// Clocks differ by so many seconds.
    private static let leeway = 30.0

    /// - Throws: for a key file that cannot be read.
    package init(_ settings: TokenSettings) async throws(IdentityFailure) {
        self.settings = settings
        let (path, text) = try Self.read(settings.key)
        let keys = JWTKeyCollection()
        do {
            switch settings.key {
            case .secret:
                let secret = text.hasSuffix("\n") ? String(text.dropLast()) : text
                guard secret.utf8.count >= 32 else {
                    throw IdentityFailure("\(path): the secret of HS256 needs 32 bytes or more (RFC 7518)")
                }
                await keys.add(hmac: HMACKey(from: secret), digestAlgorithm: .sha256)
            case .rsa: await keys.add(rsa: try Insecure.RSA.PublicKey(pem: text), digestAlgorithm: .sha256)
            case .ecdsa: await keys.add(ecdsa: try ES256PublicKey(pem: text))
            case .jwks: try await keys.add(jwksJSON: text)
            }
        } catch let failure as IdentityFailure {
            throw failure
        } catch {
            throw IdentityFailure("\(path) is not a key of its kind: \(error)")
        }
        self.keys = keys
    }

    private static func read(_ key: TokenSettings.Key) throws(IdentityFailure) -> (path: String, text: String) {
        let path =
            switch key {
            case .secret(let file), .rsa(let file), .ecdsa(let file), .jwks(let file): file
            }
        do {
            return (path, String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self))
        } catch {
            throw IdentityFailure("cannot read the key file \(path): is it there, and may fcbus read it?")
        }
    }

    /// - Parameters:
    ///   - user: the user name of CONNECT: empty, or the one that the token names.
    ///   - now: seconds since 1970.
    /// - Throws: why the token does not count; the token itself is not shown.
    package func verify(token: String, user: String?, now: Double) async throws(IdentityFailure) -> TokenIdentity {
        let claims: TokenClaims
        do {
            claims = try await self.keys.verify(token, as: TokenClaims.self)
        } catch {
            throw IdentityFailure("the token's signature does not fit, or it is not a token")
        }
        guard let expiry = claims.number("exp") else {
            throw IdentityFailure("the token never expires: exp is missing")
        }
        guard expiry + Self.leeway > now else { throw IdentityFailure("the token has expired") }
        if let start = claims.number("nbf"), start - Self.leeway > now {
            throw IdentityFailure("the token is not valid yet")
        }
        if let issuer = self.settings.issuer, claims.text("iss") != issuer {
            throw IdentityFailure("the token is from another issuer")
        }
        if let audience = self.settings.audience, !claims.texts("aud").contains(audience) {
            throw IdentityFailure("the token is for another audience")
        }
        guard let subject = claims.text(self.settings.userClaim), !subject.isEmpty else {
            throw IdentityFailure("the token names no user: \(self.settings.userClaim) is missing")
        }
        if let user, !user.isEmpty, !user.utf8.elementsEqual(subject.utf8) {
            throw IdentityFailure("the token is for another user than CONNECT names")
        }
        return TokenIdentity(
            user: subject, groups: Set(claims.texts(self.settings.groupsClaim)), expiresAt: expiry)
    }
}
