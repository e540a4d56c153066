/// Whom a rule is about: everybody who is named in one of the ways.
package struct AccessSubjects: Sendable {
    private let users: Set<ExactName>
    private let groups: Set<String>
    private let clients: [NamePattern]
    /// Clients that gave no user name.
    private let includesAnonymous: Bool
    private let includesEveryone: Bool

    /// - Parameter clients: patterns of client identifiers, which clients choose by themselves unless their user is
    ///   bound to one.
    package init(
        users: [String] = [], groups: Set<String> = [], clients: [NamePattern] = [], anonymous: Bool = false
    ) {
        self.users = Set(users.map(ExactName.init))
        self.groups = groups
        self.clients = clients
        self.includesAnonymous = anonymous
        self.includesEveryone = false
    }

    private init(everyone: Void) {
        self.users = []
        self.groups = []
        self.clients = []
        self.includesAnonymous = true
        self.includesEveryone = true
    }

    /// All clients, anonymous ones too.
    package static let everyone = AccessSubjects(everyone: ())

    /// - Parameter groups: all groups of the client, those that the policy puts it in included.
    func include(_ identity: Identity, groups: Set<String>) -> Bool {
        if self.includesEveryone || (self.includesAnonymous && identity.user == nil) { return true }
        if let user = identity.user, self.users.contains(ExactName(user)) { return true }
        if !self.groups.isDisjoint(with: groups) { return true }
        return self.clients.contains { $0.matches(identity.clientIdentifier) }
    }
}
