package import BusIdentity

/// How clients prove who they are, and what they may do then.
package struct UserSettings: Sendable, Equatable {
    /// Users with passwords, as `fcbus passwd` and mosquitto_passwd write them.
    package var passwordFile: String?
    /// Tokens in the password field.
    package var tokens: TokenSettings?
    /// Rules: acl.yaml, or mosquitto's acl_file under any other name.
    package var accessFile: String?
    /// Whether clients without a user name get in; `nil`: only as long as nobody can prove who he is.
    package var allowsAnonymous: Bool?

    package init() {}

    package var allowsAnonymousByDefault: Bool {
        self.allowsAnonymous ?? (self.passwordFile == nil && self.tokens == nil)
    }
}
