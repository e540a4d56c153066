import JWTKit

/// Takes a JSON Web Token in place of a password.
///
/// The order is that of trust: form, algorithm, signature, and only then what the token says. The key decides about the
/// algorithm, never the token, and nothing in a token's header is followed (`jku`, `jwk`, `x5c`).
package struct TokenVerifier: Sendable {
    /// More than any password field should hold, so that a stranger's JSON is never long.
    private static let tokenBytesMax = 16_384
    private static let groupsMax = 256

    private let keys: TokenKeys
    private let settings: TokenSettings

    /// Reads the key file.
    ///
    /// - Throws: `.file` or `.key`, with the file's name and nothing of its content.
    package init(_ settings: TokenSettings) async throws(IdentityFailure) {
        self.init(keys: try await TokenKeys.read(settings.key), settings: settings)
    }

    package init(keys: TokenKeys, settings: TokenSettings) {
        self.keys = keys
        self.settings = settings
    }

    /// Whether somebody who sends this as a password means a token, right or wrong.
    package static func isToken(_ password: [UInt8]) -> Bool {
        guard password.count <= self.tokenBytesMax, let text = String(validating: password, as: UTF8.self)
        else { return false }
        // Only whether it can be read counts here.
        return (try? TokenHeader.read(text)) != nil
    }

    /// - Parameters:
    ///   - user: the user name of the CONNECT packet; without one, or with an empty one, the token alone says who it is.
    ///   - now: seconds since 1970.
    /// - Throws: what is wrong with the token; nothing of it is in the message.
    package func verify(
        token: String, user: String?, now: Double
    ) async throws(IdentityFailure) -> TokenIdentity {
        guard token.utf8.count <= Self.tokenBytesMax else {
            throw IdentityFailure(.malformedToken, "the token has more than \(Self.tokenBytesMax) bytes")
        }
        let header = try TokenHeader.read(token)
        guard !header.hasCriticalExtensions else {
            throw IdentityFailure(.malformedToken, "the token demands extensions (`crit`) that are not known here")
        }
        let claims = try await self.claims(of: token, keys: try self.keys.candidates(for: header))
        let expiry = try self.checkTimes(claims, now: now)
        try self.checkOrigin(claims)
        let groups = try claims.texts(self.settings.groupsClaim) ?? []
        guard groups.count <= Self.groupsMax else {
            throw IdentityFailure(.malformedToken, "the token lists more than \(Self.groupsMax) groups")
        }
        return TokenIdentity(user: try self.user(claims, named: user), groups: Set(groups), expiresAt: expiry)
    }

    private func claims(of token: String, keys: [TokenKeys.Key]) async throws(IdentityFailure) -> TokenClaims {
        for key in keys {
            do {
                return try await key.collection.verify(token, as: TokenClaims.self)
            } catch let error as JWTError where error.errorType == .malformedToken {
                // The signature is right by now. The error's own words would quote the claims.
                throw IdentityFailure(.malformedToken, "the token's claims are no JSON object")
            } catch {
                // Another key of the set may have signed it.
                continue
            }
        }
        throw IdentityFailure(.wrongSignature, "the token's signature is not by a key known here")
    }

    /// Returns when the token ends.
    private func checkTimes(_ claims: TokenClaims, now: Double) throws(IdentityFailure) -> Double {
        let leeway = self.settings.leewaySeconds
        guard let expiry = try claims.seconds("exp") else {
            // Such a token would open the door for ever.
            throw IdentityFailure(.malformedToken, "the token does not say when it expires (`exp`)")
        }
        guard now - leeway < expiry else {
            throw IdentityFailure(.expired, "the token expired \(Int64(now - expiry)) s ago")
        }
        if let start = try claims.seconds("nbf"), now + leeway < start {
            throw IdentityFailure(.notYetValid, "the token counts only in \(Int64(start - now)) s; compare the clocks")
        }
        return expiry
    }

    private func checkOrigin(_ claims: TokenClaims) throws(IdentityFailure) {
        if let issuer = self.settings.issuer {
            guard case .text(let name) = claims.values["iss"], name == issuer else {
                throw IdentityFailure(.wrongIssuer, "the token is by another issuer than \(issuer)")
            }
        }
        if let audience = self.settings.audience {
            guard try claims.texts("aud")?.contains(audience) == true else {
                throw IdentityFailure(.wrongAudience, "the token is not meant for \(audience)")
            }
        }
    }

    private func user(_ claims: TokenClaims, named name: String?) throws(IdentityFailure) -> String {
        guard case .text(let user) = claims.values[self.settings.userClaim], !user.isEmpty,
            !user.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F })
        else {
            throw IdentityFailure(.malformedToken, "the token names no user (`\(self.settings.userClaim)`)")
        }
        guard let name, !name.isEmpty else { return user }
        // Byte by byte: two spellings of one letter are two users to MQTT.
        guard Array(name.utf8) == Array(user.utf8) else {
            throw IdentityFailure(.wrongUser, "the token is another user's than the one who connects with it")
        }
        return user
    }
}
