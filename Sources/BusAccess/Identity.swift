/// Who a client is, as CONNECT tells.
///
/// Users and client identifiers are equal when their bytes are: two ways to write the same accent are two users.
package struct Identity: Hashable, Sendable {
    /// `nil` for an anonymous client.
    package let user: String?
    package let clientIdentifier: String
    /// What a token says; the groups of the policy come on top.
    package let groups: Set<String>

    package init(user: String?, clientIdentifier: String, groups: Set<String> = []) {
        self.user = user
        self.clientIdentifier = clientIdentifier
        self.groups = groups
    }

    package static func == (left: Identity, right: Identity) -> Bool {
        left.user.map(ExactName.init) == right.user.map(ExactName.init)
            && ExactName(left.clientIdentifier) == ExactName(right.clientIdentifier) && left.groups == right.groups
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(self.user.map(ExactName.init))
        hasher.combine(ExactName(self.clientIdentifier))
        hasher.combine(self.groups)
    }
}
