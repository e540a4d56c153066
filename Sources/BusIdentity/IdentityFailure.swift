/// Somebody could not be identified, or a file that identifies people cannot be used.
///
/// The sentence is meant for the log: it never holds a password, a hash, a token or anything out of a token, since what
/// stands at the wrong place of a file may be a secret.
package struct IdentityFailure: Error, Equatable, CustomStringConvertible {
    package enum Kind: Sendable {
        /// A file that cannot be read or written, or that others may change.
        case file
        /// A line of a password file, or a text that is no password hash.
        case passwordHash
        /// A user name that no password file can hold.
        case userName
        /// A key file without a key that can check tokens.
        case key
        case malformedToken
        case algorithmRefused
        case unknownKey
        case wrongSignature
        case expired
        case notYetValid
        case wrongIssuer
        case wrongAudience
        /// The token is good, but somebody else's.
        case wrongUser
    }

    package let kind: Kind
    package let description: String

    package init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}
