/// What a token has to say, besides being signed.
package struct TokenSettings: Equatable, Sendable {
    /// The `iss` that counts; any, or none, where this is `nil`.
    package var issuer: String?
    /// The `aud` that has to be among the token's; not looked at where this is `nil`.
    package var audience: String?
    /// The claim that names the user.
    package var userClaim = "sub"
    /// The claim that lists the user's groups.
    package var groupsClaim = "groups"
    /// By how much the clocks of issuer and broker may differ, in seconds.
    package var leewaySeconds: Int64 = 30
    /// A token without `exp` would open the door for ever.
    package var requiresExpiry = true

    package init() {}
}

/// Whom a token stands for.
package struct TokenIdentity: Equatable, Sendable {
    package var user: String
    package var groups: [String]
    /// Seconds since 1970, as the token has it: the connection ends then. `nil` only where the settings allow it.
    package var expiresAt: Int64?

    package init(user: String, groups: [String], expiresAt: Int64?) {
        self.user = user
        self.groups = groups
        self.expiresAt = expiresAt
    }
}
