/// A file of users or keys that cannot be used, or a proof that does not hold; the message never shows a secret.
package struct IdentityFailure: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}
